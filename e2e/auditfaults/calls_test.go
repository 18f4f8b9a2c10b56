//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

// point is a kind of system call of the store: its name, and the file with its numbers left out.
type point string

func pointOf(dir string, c diskfault.Call) point {
	number := regexp.MustCompile(`\d+`)
	name := func(path string) string {
		return number.ReplaceAllString(strings.TrimPrefix(strings.TrimPrefix(path, dir), "/"), "N")
	}
	p := c.Name + " " + name(c.Path)
	if c.Creates && c.To == "" {
		p = c.Name + " new " + name(c.Path)
	}
	if c.To != "" {
		p += " " + name(c.To)
	}
	return point(p)
}

// recording notes the points that a program comes by.
type recording struct {
	dir  string
	mu   sync.Mutex
	seen map[point]int
}

func (r *recording) hook(c diskfault.Call) syscall.Errno {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.seen[pointOf(r.dir, c)]++
	return 0
}

// take gives the points since the last take, sorted.
func (r *recording) take() []point {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []point
	for p := range r.seen {
		all = append(all, p)
	}
	r.seen = map[point]int{}
	slices.Sort(all)
	return all
}

// fault fails the calls at one point: the first, or that and whatever a disk that fails with this errno fails from there on.
type fault struct {
	dir     string
	at      point
	errno   syscall.Errno
	forGood diskfault.Hook // nil to fail one call

	mu  sync.Mutex
	hit bool
}

func (f *fault) hook(c diskfault.Call) syscall.Errno {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.hit && pointOf(f.dir, c) == f.at:
		f.hit = true
		return f.errno
	case f.hit && f.forGood != nil:
		return f.forGood(c)
	}
	return 0
}

func (f *fault) wasHit() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.hit {
		return fmt.Errorf("nothing has come by %q", f.at)
	}
	return nil
}

// disks are what a disk does for good after its first error.
func disks() map[syscall.Errno]diskfault.Hook {
	return map[syscall.Errno]diskfault.Hook{syscall.EIO: diskfault.Broken, syscall.ENOSPC: diskfault.Full, syscall.EROFS: diskfault.ReadOnly}
}
