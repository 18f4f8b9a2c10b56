package toolcache

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/lockedfile"
	"golang.org/x/term"
)

// keepUnused is how long a program that nobody asks for stays in the cache.
const keepUnused = 30 * 24 * time.Hour

// Builder finds or builds tools. Its methods may be called from several goroutines and processes at once.
type Builder struct {
	// Root is the folder of the repository's root module.
	Root string
	// Cache is the folder that holds the built programs; it is made when needed.
	Cache string
	// Tools that can be asked for.
	Tools []Tool
	// Progress receives lines for people; nil discards them.
	Progress io.Writer
	// Terminal says that Progress is a terminal: one line that is written over, every second.
	Terminal bool
	// Go is the go command; "go" if empty.
	Go string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// FromEnvironment makes a builder of the Catalogue for the repository that holds the working directory, with the
// cache in $WAXWING_CACHE or the user's cache folder, and progress on stderr.
func FromEnvironment(stderr *os.File) (*Builder, error) {
	root, err := FindRoot(".")
	if err != nil {
		return nil, err
	}
	cache := os.Getenv("WAXWING_CACHE")
	if cache == "" {
		user, err := os.UserCacheDir()
		if err != nil {
			return nil, fmt.Errorf("finding a cache folder (WAXWING_CACHE can name one): %w", err)
		}
		cache = filepath.Join(user, "waxwing")
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return nil, err
	}
	return &Builder{
		Root:     root,
		Cache:    cache,
		Tools:    Catalogue(),
		Progress: stderr,
		Terminal: term.IsTerminal(int(stderr.Fd())),
	}, nil
}

// Path is the path of the tool's binary, built first if the cache lacks it. When ctx ends, a build is abandoned and
// leaves nothing but what the Go build cache keeps.
func (b *Builder) Path(ctx context.Context, name string) (string, error) {
	i := slices.IndexFunc(b.Tools, func(t Tool) bool { return t.Name == name })
	if i < 0 {
		return "", fmt.Errorf("unknown tool %q: known are %s", name, strings.Join(b.names(), ", "))
	}
	r, err := b.recipe(ctx, b.Tools[i])
	if err != nil {
		return "", err
	}
	binary := filepath.Join(b.toolsDir(), r.Name+"-"+r.key, r.Name)
	if b.have(binary) {
		return binary, nil
	}
	unlock, err := b.lock(ctx, r)
	if err != nil {
		return "", err
	}
	defer unlock()
	if b.have(binary) { // built while this process waited
		return binary, nil
	}
	if err := b.build(ctx, r, binary); err != nil {
		return "", fmt.Errorf("building %s: %w", r.Name, err)
	}
	if !b.have(binary) {
		return "", fmt.Errorf("building %s: no %s afterwards", r.Name, binary)
	}
	b.prune()
	return binary, nil
}

func (b *Builder) toolsDir() string { return filepath.Join(b.Cache, "tools") }

func (b *Builder) names() []string {
	var names []string
	for _, t := range b.Tools {
		names = append(names, t.Name)
	}
	return names
}

// have says whether the binary is there, and marks its folder as used.
func (b *Builder) have(binary string) bool {
	if _, err := os.Stat(binary); err != nil {
		return false
	}
	now := b.now()
	// A cache that cannot be written to can still be read.
	_ = os.Chtimes(filepath.Dir(binary), now, now)
	return true
}

// lock waits until no other process builds a tool: two builds at once would compile the same packages twice.
func (b *Builder) lock(ctx context.Context, r recipe) (unlock func(), err error) {
	if err := os.MkdirAll(b.toolsDir(), 0o755); err != nil {
		return nil, err
	}
	type locked struct {
		unlock func()
		err    error
	}
	got := make(chan locked, 1)
	go func() {
		unlock, err := lockedfile.MutexAt(filepath.Join(b.toolsDir(), "lock")).Lock()
		got <- locked{unlock, err}
	}()
	notice := time.After(2 * time.Second)
	for {
		select {
		case l := <-got:
			if l.err != nil {
				return nil, fmt.Errorf("locking the tool cache: %w", l.err)
			}
			return l.unlock, nil
		case <-notice:
			fmt.Fprintf(b.progress(), "waiting to build %s: another process builds a tool into %s\n", r.Name, b.toolsDir())
		case <-ctx.Done():
			go func() {
				if l := <-got; l.err == nil {
					l.unlock()
				}
			}()
			return nil, ctx.Err()
		}
	}
}

// prune removes programs unused for long and what an interrupted build left. Only called under the lock; what
// cannot be removed stays for the next time.
func (b *Builder) prune() {
	entries, err := os.ReadDir(b.toolsDir())
	if err != nil {
		return
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || !e.IsDir() {
			continue
		}
		if strings.HasPrefix(e.Name(), unfinished) || b.now().Sub(info.ModTime()) > keepUnused {
			_ = os.RemoveAll(filepath.Join(b.toolsDir(), e.Name()))
		}
	}
}

func (b *Builder) progress() io.Writer {
	if b.Progress == nil {
		return io.Discard
	}
	return b.Progress
}

func (b *Builder) goCommand() string {
	if b.Go == "" {
		return "go"
	}
	return b.Go
}

func (b *Builder) now() time.Time {
	if b.Now == nil {
		return time.Now()
	}
	return b.Now()
}
