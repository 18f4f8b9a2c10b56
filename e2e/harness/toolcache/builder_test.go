package toolcache_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

const (
	goMod = "module example.test/hello\n\ngo 1.26.0\n\nrequire example.test/upstream v1.2.3\n"
	hello = "package main\n\nimport \"fmt\"\n\nvar version string\n\nfunc main() { fmt.Print(\"hello \" + version) }\n"
)

// repository writes a tree with one tool, a program that prints its version, and returns a builder for it.
func repository(t *testing.T) *toolcache.Builder {
	t.Helper()
	root := t.TempDir()
	write(t, filepath.Join(root, "tool", "go.mod"), goMod)
	write(t, filepath.Join(root, "tool", "go.sum"), "")
	write(t, filepath.Join(root, "tool", "main.go"), hello)
	return &toolcache.Builder{
		Root:  root,
		Cache: filepath.Join(t.TempDir(), "cache"),
		Tools: []toolcache.Tool{{
			Name:     "hello",
			Dir:      "tool",
			Package:  ".",
			Upstream: "example.test/upstream",
			About:    "a greeting",
			Cost:     "a moment",
			LDFlags:  func(version string) string { return "-X main.version=" + version },
		}},
	}
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

func path(t *testing.T, b *toolcache.Builder) string {
	t.Helper()
	p, err := b.Path(t.Context(), "hello")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func output(t *testing.T, binary string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), binary).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestATool(t *testing.T) {
	t.Run("is built with the version of its upstream module", func(t *testing.T) {
		b := repository(t)
		if diff := cmp.Diff("hello v1.2.3", output(t, path(t, b))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("is built once while nothing changes", func(t *testing.T) {
		b := repository(t)
		first := path(t, b)
		var progress bytes.Buffer
		b.Progress = &progress
		if second := path(t, b); first != second {
			t.Errorf("path changed from %s to %s", first, second)
		}
		if progress.Len() > 0 {
			t.Errorf("the second call worked: %s", &progress)
		}
	})
	t.Run("is built again when its binary is gone but its folder is not", func(t *testing.T) {
		b := repository(t)
		first := path(t, b)
		if err := os.Remove(first); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff("hello v1.2.3", output(t, path(t, b))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("is built once by callers that ask at the same time", func(t *testing.T) {
		b := repository(t)
		var progress synced
		b.Progress = &progress
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				if _, err := b.Path(t.Context(), "hello"); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if n := strings.Count(progress.String(), "built hello"); n != 1 {
			t.Errorf("built %d times:\n%s", n, progress.String())
		}
	})
	t.Run("tells what it builds and when it is done", func(t *testing.T) {
		b := repository(t)
		var progress synced
		b.Progress = &progress
		path(t, b)
		for _, want := range []string{"building a greeting v1.2.3 from source", "built hello after"} {
			if !strings.Contains(progress.String(), want) {
				t.Errorf("no %q in\n%s", want, progress.String())
			}
		}
	})
}

const helloInC = `package main

// static const char *words(void) { return "hello in C"; }
import "C"

import "os"

func main() { os.Stdout.WriteString(C.GoString(C.words())) }
`

func TestAToolThatNeedsC(t *testing.T) {
	needsC := func(t *testing.T) *toolcache.Builder {
		b := repository(t)
		b.Tools[0].Cgo, b.Tools[0].LDFlags = true, nil
		write(t, filepath.Join(b.Root, "tool", "main.go"), helloInC)
		return b
	}
	t.Run("is built with cgo, whatever is set outside", func(t *testing.T) {
		t.Setenv("CGO_ENABLED", "0")
		if diff := cmp.Diff("hello in C", output(t, path(t, needsC(t)))); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("says that there is no compiler, and leaves nothing", func(t *testing.T) {
		t.Setenv("CC", "no-such-compiler -O2")
		b := needsC(t)
		_, err := b.Path(t.Context(), "hello")
		if err == nil || !strings.Contains(err.Error(), "building hello: it takes a C compiler") || !strings.Contains(err.Error(), `"no-such-compiler"`) {
			t.Errorf("got error %v", err)
		}
		if diff := cmp.Diff([]string{"lock"}, entries(t, b)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("without which others are built", func(t *testing.T) {
		t.Setenv("CC", "no-such-compiler")
		if diff := cmp.Diff("hello v1.2.3", output(t, path(t, repository(t)))); diff != "" {
			t.Error(diff)
		}
	})
}

func TestTheKeyOfATool(t *testing.T) {
	cases := map[string]struct {
		change  func(t *testing.T, b *toolcache.Builder)
		another bool
	}{
		"stays when nothing changes": {
			change: func(*testing.T, *toolcache.Builder) {},
		},
		"stays when a test changes": {
			change: func(t *testing.T, b *toolcache.Builder) {
				write(t, filepath.Join(b.Root, "tool", "main_test.go"), "package main\n")
			},
		},
		"changes with the sources": {
			change: func(t *testing.T, b *toolcache.Builder) {
				write(t, filepath.Join(b.Root, "tool", "main.go"), strings.Replace(hello, "hello ", "hi ", 1))
			},
			another: true,
		},
		"changes when a source file appears": {
			change: func(t *testing.T, b *toolcache.Builder) {
				write(t, filepath.Join(b.Root, "tool", "internal", "more", "more.go"), "package more\n")
			},
			another: true,
		},
		"changes with go.mod": {
			change: func(t *testing.T, b *toolcache.Builder) {
				write(t, filepath.Join(b.Root, "tool", "go.mod"), goMod+"// more\n")
			},
			another: true,
		},
		"changes with go.sum": {
			change: func(t *testing.T, b *toolcache.Builder) {
				write(t, filepath.Join(b.Root, "tool", "go.sum"), "\n")
			},
			another: true,
		},
		"changes with the build tags": {
			change:  func(_ *testing.T, b *toolcache.Builder) { b.Tools[0].Tags = []string{"minimal"} },
			another: true,
		},
		"changes with cgo": {
			change:  func(_ *testing.T, b *toolcache.Builder) { b.Tools[0].Cgo = true },
			another: true,
		},
		"changes with the build flags": {
			change: func(_ *testing.T, b *toolcache.Builder) {
				b.Tools[0].LDFlags = func(v string) string { return "-s -X main.version=" + v }
			},
			another: true,
		},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			b := repository(t)
			before := path(t, b)
			c.change(t, b)
			if after := path(t, b); (before != after) != c.another {
				t.Errorf("before %s\nafter  %s", before, after)
			}
		})
	}
}

func TestAFailedBuild(t *testing.T) {
	t.Run("shows what the compiler said and leaves nothing", func(t *testing.T) {
		b := repository(t)
		write(t, filepath.Join(b.Root, "tool", "main.go"), strings.Replace(hello, "fmt.Print", "fmt.Prunt", 1))
		_, err := b.Path(t.Context(), "hello")
		if err == nil || !strings.Contains(err.Error(), "undefined: fmt.Prunt") {
			t.Errorf("got error %v", err)
		}
		if diff := cmp.Diff([]string{"lock"}, entries(t, b)); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		b := repository(t)
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p, err := b.Path(ctx, "hello"); err == nil {
			t.Errorf("got %s", p)
		}
	})
	t.Run("for an unknown name lists the known ones", func(t *testing.T) {
		_, err := repository(t).Path(t.Context(), "hallo")
		if err == nil || !strings.Contains(err.Error(), "known are hello") {
			t.Errorf("got error %v", err)
		}
	})
}

func TestTheCache(t *testing.T) {
	for name, c := range map[string]struct {
		later time.Duration
		kept  bool
	}{
		"keeps another build for weeks":       {later: 20 * 24 * time.Hour, kept: true},
		"removes what nobody asked for since": {later: 40 * 24 * time.Hour, kept: false},
	} {
		t.Run(name, func(t *testing.T) {
			b := repository(t)
			old := path(t, b)
			write(t, filepath.Join(b.Root, "tool", "new.go"), "package main\n")
			b.Now = func() time.Time { return time.Now().Add(c.later) }
			if _, err := os.Stat(path(t, b)); err != nil {
				t.Errorf("the new build: %v", err)
			}
			if _, err := os.Stat(old); (err == nil) != c.kept {
				t.Errorf("the old build: %v", err)
			}
		})
	}
}

func entries(t *testing.T, b *toolcache.Builder) []string {
	t.Helper()
	list, err := os.ReadDir(filepath.Join(b.Cache, "tools"))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// synced is a buffer for concurrent writers.
type synced struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *synced) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *synced) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
