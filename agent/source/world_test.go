package source_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// open opens a cache in a folder of its own.
func open(t testing.TB, limits source.Limits) (*source.Repository, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "cache")
	return reopen(t, dir, limits), dir
}

func reopen(t testing.TB, dir string, limits source.Limits) *source.Repository {
	t.Helper()
	r, err := source.Open(dir, limits)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

// plain is what tests need for a server without TLS and credentials.
func plain() source.Auth { return source.Auth{InsecureHTTP: true} }

func mainOf(repo *githttp.Repo) source.Place { return source.Place{URL: repo.URL, Branch: "main"} }

func fetch(t testing.TB, r *source.Repository, place source.Place, seen ...string) source.Commit {
	t.Helper()
	c, err := r.Fetch(t.Context(), place, plain(), seen...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// contents are the files of a commit with what is in them.
func contents(t testing.TB, r *source.Repository, c source.Commit) map[string]string {
	t.Helper()
	files, err := r.Files(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, f := range files {
		if f.Kind != source.Regular {
			continue
		}
		text, err := r.Read(t.Context(), f.Blob)
		if err != nil {
			t.Fatalf("%s: %v", f.Path, err)
		}
		if int64(len(text)) != f.Size {
			t.Errorf("%s has %d bytes and says %d", f.Path, len(text), f.Size)
		}
		all[f.Path] = string(text)
	}
	return all
}

// refused holds that an error has a reason, and says something.
func refused(t testing.TB, err error, reason source.Reason, says string) {
	t.Helper()
	var e *source.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is %v, and should be %s", err, reason)
	}
	if e.Reason != reason || !strings.Contains(e.Msg, says) {
		t.Errorf("the error is %s: %s\nand should be %s with %q", e.Reason, e.Msg, reason, says)
	}
}
