package scan

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo/git"
)

// MaxFile is the size of the largest file that can be parsed, in bytes.
const MaxFile = 16 << 20

// Settings says what a walk leaves out; *repo.Tree implements it.
type Settings interface {
	// Ignored gets the absolute path of a file or folder.
	Ignored(path string) (bool, error)
}

// List gives the manifests below the folder dir, by name: regular files called *.yaml, *.yml and *.json (the case does not matter), as paths that begin with
// dir, in byte order. It leaves out .git, what the settings ignore, nested repositories, submodules and symbolic links, and, where the git
// program is there, what Git ignores. abs is the absolute path of dir; environ is the environment for git.
func List(ctx context.Context, dir, abs string, settings Settings, environ []string) ([]string, error) {
	l := &lister{ctx: ctx, abs: abs, settings: settings, folders: map[string]bool{".": true}}
	names, err := l.known(environ)
	if errors.Is(err, errNoAnswer) {
		names, err = l.walk(".", nil)
	}
	if err != nil {
		return nil, err
	}
	slices.Sort(names)
	names = slices.Compact(names)
	for i, name := range names {
		names[i] = filepath.Join(dir, name)
	}
	return names, nil
}

// IsManifest says whether a file's name is that of a manifest. A .seal.yaml counts: settings hold no Secret, but what has that name may.
func IsManifest(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}

// lister lists one folder. Names are relative to it.
type lister struct {
	ctx      context.Context
	abs      string
	settings Settings
	folders  map[string]bool // whether a walk enters it
}

// errNoAnswer says that git cannot say which files there are.
var errNoAnswer = errors.New("git gives no answer")

// known asks git for the files that are tracked, or could be.
func (l *lister) known(environ []string) ([]string, error) {
	real, err := filepath.EvalSymlinks(l.abs)
	if err != nil {
		return nil, err
	}
	r, err := git.Open(l.ctx, real, environ)
	if err != nil {
		return nil, l.unanswered()
	}
	prefix, err := filepath.Rel(r.Root, real)
	if err != nil || !filepath.IsLocal(prefix) {
		return nil, l.unanswered()
	}
	out, err := r.Output(l.ctx, "ls-files", "--cached", "--others", "--exclude-standard", "-z", "--", filepath.ToSlash(prefix))
	if err != nil {
		return nil, l.unanswered()
	}
	var names []string
	for path := range strings.SplitSeq(string(out), "\x00") {
		if !IsManifest(path) {
			continue
		}
		name, err := filepath.Rel(prefix, filepath.FromSlash(path))
		if err != nil || !filepath.IsLocal(name) {
			continue
		}
		ok, err := l.takes(name)
		if err != nil {
			return nil, err
		}
		if ok {
			names = append(names, name)
		}
	}
	return names, l.ctx.Err()
}

func (l *lister) unanswered() error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	return errNoAnswer
}

// takes says whether a file that git knows is there, and is one that a walk would find.
func (l *lister) takes(name string) (bool, error) {
	if ok, err := l.enters(filepath.Dir(name)); !ok || err != nil {
		return false, err
	}
	info, err := os.Lstat(filepath.Join(l.abs, name))
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	ignored, err := l.ignored(name)
	return !ignored, err
}

// enters says whether a walk comes to the folder: it, and each above, is a folder and no link, of this repository, and not ignored.
func (l *lister) enters(folder string) (bool, error) {
	if ok, known := l.folders[folder]; known {
		return ok, nil
	}
	ok, err := l.enters(filepath.Dir(folder))
	if ok && err == nil {
		ok, err = l.ours(folder)
	}
	if err != nil {
		return false, err
	}
	l.folders[folder] = ok
	return ok, nil
}

func (l *lister) ours(folder string) (bool, error) {
	base := filepath.Base(folder)
	if strings.EqualFold(base, ".git") {
		return false, nil
	}
	path := filepath.Join(l.abs, folder)
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.IsDir() {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if _, err := os.Lstat(filepath.Join(path, ".git")); err == nil {
		return false, nil
	}
	ignored, err := l.ignored(folder)
	return !ignored, err
}

func (l *lister) ignored(name string) (bool, error) {
	if l.settings == nil {
		return false, nil
	}
	return l.settings.Ignored(filepath.Join(l.abs, name))
}

// walk lists what lies below a folder, without git.
func (l *lister) walk(folder string, names []string) ([]string, error) {
	if err := l.ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(filepath.Join(l.abs, folder))
	if err != nil {
		return nil, fmt.Errorf("listing %s: %w", folder, err)
	}
	for _, e := range entries {
		name := filepath.Join(folder, e.Name())
		var ok bool
		switch {
		case e.IsDir():
			if ok, err = l.ours(name); ok && err == nil {
				names, err = l.walk(name, names)
			}
		case e.Type().IsRegular() && IsManifest(name):
			if ok, err = l.ignored(name); !ok && err == nil {
				names = append(names, name)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return names, nil
}
