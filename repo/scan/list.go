package scan

import (
	"context"
	"errors"
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

// Options say what List finds.
type Options struct {
	Settings Settings // what they ignore is left out; nil for nothing
	Environ  []string // the environment for git
}

// List gives the manifests below the folder dir, by name: regular files called *.yaml, *.yml and *.json (the case does not matter), as paths that begin with
// dir, in byte order. It leaves out .git, what the settings ignore, nested repositories, submodules and symbolic links, and, where the git
// program is there, what Git ignores. abs is the absolute path of dir. All leaves out less.
func List(ctx context.Context, dir, abs string, o Options) ([]string, error) {
	l := &lister{ctx: ctx, abs: abs, o: o, folders: map[string]bool{".": true}}
	names, err := l.known()
	if errors.Is(err, errNoAnswer) {
		names, err = l.unknown()
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
	ctx     context.Context
	abs     string
	o       Options
	folders map[string]bool // whether a walk enters it
}

// errNoAnswer says that git cannot say which files there are.
var errNoAnswer = errors.New("git gives no answer")

// known asks git for the files that are tracked, or could be.
func (l *lister) known() ([]string, error) {
	real, err := filepath.EvalSymlinks(l.abs)
	if err != nil {
		return nil, err
	}
	r, err := git.Open(l.ctx, real, l.o.Environ)
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
	if l.o.Settings == nil {
		return false, nil
	}
	return l.o.Settings.Ignored(filepath.Join(l.abs, name))
}

// unknown lists the files without git.
func (l *lister) unknown() ([]string, error) {
	var names []string
	err := walk(l.ctx, l.abs, l.ours, func(name string, d fs.DirEntry) error {
		if !d.Type().IsRegular() || !IsManifest(name) {
			return nil
		}
		ignored, err := l.ignored(name)
		if !ignored && err == nil {
			names = append(names, name)
		}
		return err
	})
	return names, err
}

// walk gives what is no folder below abs to file, and asks enters for the folders. Of links it follows abs itself. Names are relative to it.
func walk(ctx context.Context, abs string, enters func(name string) (bool, error), file func(name string, d fs.DirEntry) error) error {
	top, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return err
	}
	return filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || path == top {
			return err
		}
		name, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		if !d.IsDir() {
			return file(name, d)
		}
		ok, err := enters(name)
		if !ok && err == nil {
			return fs.SkipDir
		}
		return err
	})
}
