package writeback

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// TestDearFilesWaitForTheTurn has another SecretSync parse something: files, settings and what is to be edited are not parsed meanwhile if they take much memory, and waiting for it
// ends with a context.
func TestDearFilesWaitForTheTurn(t *testing.T) {
	const cheap = "kind: GitSecret\n"
	dear := []byte("# GitSecret\nx: [" + strings.Repeat("1,", 10_000) + "]\n")
	turn := scan.NewTurn()
	in := Input{Memory: NewMemory(turn), Read: func(_ context.Context, blob string) ([]byte, error) {
		return map[string][]byte{"dear": dear, "cheap": []byte(cheap)}[blob], nil
	}}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	newLook := func(ctx context.Context) *look {
		l := &look{in: in, byPath: map[string]source.File{repo.SettingsName: {Path: repo.SettingsName, Blob: "dear", Size: int64(len(dear))}}}
		l.read = l.reader(ctx)
		l.tree = repo.NewCommitTree(l.inTurn(ctx))
		return l
	}
	file := func(blob string) *file { return &file{File: source.File{Path: blob + ".yaml", Blob: blob}} }
	done, err := turn.Take(t.Context(), dear)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := in.Memory.of(ended, file("cheap").File, in.Read); err != nil {
		t.Errorf("what is cheap has waited: %v", err)
	}
	if _, err := in.Memory.of(ended, file("dear").File, in.Read); !errors.Is(err, context.Canceled) {
		t.Errorf("a file was parsed: %v", err)
	}
	if _, err := newLook(ended).edit(ended, file("dear"), dear, &heard{}, &Due{}); !errors.Is(err, context.Canceled) {
		t.Errorf("a file was parsed to be edited: %v", err)
	}
	f := file("cheap")
	newLook(ended).settings(f)
	if f.err == nil || !strings.Contains(f.err.Error(), context.Canceled.Error()) {
		t.Errorf("settings were parsed: %v", f.err)
	}
	done()
	if _, err := in.Memory.of(t.Context(), file("dear").File, in.Read); err != nil {
		t.Error(err)
	}
	if _, err := newLook(t.Context()).edit(t.Context(), file("dear"), dear, &heard{}, &Due{}); err != nil {
		t.Error(err)
	}
	l := newLook(t.Context())
	if l.settings(f); f.err == nil || strings.Contains(f.err.Error(), context.Canceled.Error()) || l.done != nil {
		t.Errorf("settings were not parsed, or the turn is had still: %v", f.err)
	}
	// All have given it back.
	if done, err = turn.Take(t.Context(), dear); err != nil {
		t.Fatal(err)
	}
	done()
}
