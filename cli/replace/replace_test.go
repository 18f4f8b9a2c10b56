package replace_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/cli/replace"
)

// files writes files into a new folder and makes it the working one.
func files(t *testing.T, content map[string]string) {
	t.Helper()
	t.Chdir(t.TempDir())
	for name, text := range content {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// listing is what the folder holds, by name.
func listing(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		b, err := os.ReadFile(e.Name())
		if err != nil {
			t.Fatal(err)
		}
		out[e.Name()] = string(b)
	}
	return out
}

func stage(t *testing.T, b *replace.Batch, updates ...string) {
	t.Helper()
	for _, name := range updates {
		if err := b.Update(name, []byte("old "+name), []byte("new "+name)); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNothingChangesBeforeCommit(t *testing.T) {
	before := map[string]string{"a": "old a", "b": "old b"}
	files(t, before)
	var b replace.Batch
	stage(t, &b, "a", "b")
	b.Discard()
	if diff := cmp.Diff(before, listing(t)); diff != "" {
		t.Error(diff)
	}
}

func TestCommitReplacesAllFilesAndLeavesNothingBeside(t *testing.T) {
	files(t, map[string]string{"a": "old a", "b": "old b"})
	var b replace.Batch
	stage(t, &b, "a", "b")
	if err := b.Write("c", []byte("new c"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"a": "new a", "b": "new b", "c": "new c"}, listing(t)); diff != "" {
		t.Error(diff)
	}
}

// spoil makes the last rename of a batch fail: the temporary file of b is taken away.
func spoil(t *testing.T) {
	t.Helper()
	temps, err := filepath.Glob(".b.*.seal-tmp")
	if err != nil || len(temps) != 1 {
		t.Fatalf("temporary files of b: %v, %v", temps, err)
	}
	if err := os.Remove(temps[0]); err != nil {
		t.Fatal(err)
	}
}

func TestARenameThatFailsUndoesThoseBefore(t *testing.T) {
	before := map[string]string{"a": "old a", "b": "old b"}
	files(t, before)
	var b replace.Batch
	stage(t, &b, "a")
	if err := b.Write("created", []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	stage(t, &b, "b")
	spoil(t)
	err := b.Commit()
	if err == nil || !strings.Contains(err.Error(), "writing b: ") {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(before, listing(t)); diff != "" {
		t.Error(diff)
	}
}

func TestAFileThatSomebodyChangedIsNotOverwritten(t *testing.T) {
	files(t, map[string]string{"a": "old a", "b": "old b"})
	var b replace.Batch
	stage(t, &b, "a", "b")
	if err := os.WriteFile("b", []byte("edited"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); err == nil || !strings.Contains(err.Error(), "b was changed by somebody else in the meantime") {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(map[string]string{"a": "old a", "b": "edited"}, listing(t)); diff != "" {
		t.Error(diff)
	}
}

func TestModeStays(t *testing.T) {
	files(t, map[string]string{"a": "old a"})
	if err := os.Chmod("a", 0o4751); err != nil {
		t.Fatal(err)
	}
	var b replace.Batch
	stage(t, &b, "a")
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("a")
	if err != nil || info.Mode().Perm() != 0o751 {
		t.Errorf("mode is %v (%v)", info.Mode(), err)
	}
}

func TestALongNameIsNoObstacle(t *testing.T) {
	name := strings.Repeat("n", 255)
	files(t, map[string]string{name: "old " + name})
	var b replace.Batch
	stage(t, &b, name)
	if err := b.Commit(); err != nil {
		t.Error(err)
	}
}

func TestALinkStaysAndItsTargetIsReplaced(t *testing.T) {
	files(t, map[string]string{"target": "old link"})
	if err := os.Symlink("target", "link"); err != nil {
		t.Fatal(err)
	}
	var b replace.Batch
	stage(t, &b, "link")
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if to, err := os.Readlink("link"); err != nil || to != "target" {
		t.Errorf("the link is gone: %v", err)
	}
	if diff := cmp.Diff(map[string]string{"target": "new link", "link": "new link"}, listing(t)); diff != "" {
		t.Error(diff)
	}
}

func TestRefusedTargets(t *testing.T) {
	files(t, nil)
	if err := errors.Join(os.Mkdir("folder", 0o700), os.Symlink("nowhere", "dangling")); err != nil {
		t.Fatal(err)
	}
	var b replace.Batch
	for _, name := range []string{"folder", "dangling", "missing/file"} {
		if err := b.Write(name, []byte("x"), 0o600); err == nil {
			t.Errorf("%s was staged", name)
		}
	}
	if err := b.Update("missing", nil, []byte("x")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("updating a file that is not there: %v", err)
	}
}

func TestCreateNeverOverwrites(t *testing.T) {
	files(t, map[string]string{"there": "old"})
	if err := os.Symlink("nowhere", "link"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"there", "link"} {
		if err := replace.Create(name, []byte("new"), 0o600); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := replace.Create("new", []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat("new")
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v (%v)", info.Mode(), err)
	}
	if err := os.Remove("link"); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"there": "old", "new": "new"}, listing(t)); diff != "" {
		t.Error(diff)
	}
}

func TestCreatedFilesOfABatchAreAllThereOrNone(t *testing.T) {
	files(t, map[string]string{"there": "kept"})
	var b replace.Batch
	defer b.Discard()
	if err := b.Create("there", []byte("new"), 0o600); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the error is %v", err)
	}
	for _, name := range []string{"a", "b"} {
		if err := b.Create(name, []byte("new "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("b", []byte("of somebody else"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := b.Commit(); !errors.Is(err, fs.ErrExist) {
		t.Errorf("the error is %v", err)
	}
	if diff := cmp.Diff(map[string]string{"there": "kept", "b": "of somebody else"}, listing(t)); diff != "" {
		t.Error(diff)
	}
	for _, name := range []string{"c", "d"} {
		if err := b.Create(name, []byte("new "+name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Commit(); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"there": "kept", "b": "of somebody else", "c": "new c", "d": "new d"}, listing(t)); diff != "" {
		t.Error(diff)
	}
}

func TestSyncEndsWithItsContextAndChangesNothing(t *testing.T) {
	before := map[string]string{"a": "old a", "b": "old b"}
	files(t, before)
	var b replace.Batch
	stage(t, &b, "a", "b")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	spoil(t)
	if err := b.Sync(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "writing b: ") {
		t.Errorf("the error for a file that is gone is %v", err)
	}
	b.Discard()
	if diff := cmp.Diff(before, listing(t)); diff != "" {
		t.Error(diff)
	}
}
