package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
)

// verifyFile is a file to verify. One that was named has to hold a GitSecret; one that was found need not.
type verifyFile struct {
	name  string
	named bool
	err   error // why it is not read
}

// manifestWalk finds manifests in folders.
type manifestWalk struct {
	tree  *repo.Tree
	all   bool           // what settings ignore, too
	leave *repo.Patterns // what is left out in any case
	here  string         // the folder that names are seen from
}

func (o *verifyOptions) walk(env *Env, tree *repo.Tree) (*manifestWalk, error) {
	here, err := filepath.Abs(env.path("."))
	if err != nil {
		return nil, fmt.Errorf("finding the current folder: %w", err)
	}
	leave, err := repo.NewPatterns(here, o.ignore)
	if err != nil {
		return nil, usage("", "--ignore: %v", err)
	}
	return &manifestWalk{tree: tree, all: o.require, leave: leave, here: here}, nil
}

// files takes folders apart; without an argument it is the whole repository, or the current folder outside of one.
func (w *manifestWalk) files(ctx context.Context, env *Env, args []string) ([]verifyFile, error) {
	if len(args) == 0 {
		root, ok := repo.Root(w.here)
		if !ok {
			root = w.here
		}
		return w.folder(ctx, root)
	}
	var files []verifyFile
	for _, arg := range args {
		info, err := os.Stat(env.path(arg))
		if arg == stdinArg || err == nil && !info.IsDir() {
			files = append(files, verifyFile{name: arg, named: true})
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, pathCause(err))
		}
		dir, err := filepath.Abs(env.path(arg))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", arg, err)
		}
		found, err := w.folder(ctx, dir)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// folder finds the manifests below dir. Of links it follows dir itself, and those to files of the same repository: what stands behind them is applied in
// the place of the link, whose rules count.
func (w *manifestWalk) folder(ctx context.Context, dir string) ([]verifyFile, error) {
	dir, err := filepath.EvalSymlinks(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, pathCause(err))
	}
	root, ok := repo.Root(dir)
	if !ok {
		root = dir
	}
	var files []verifyFile
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", path, pathCause(err))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if !d.IsDir() && !isManifest(d.Name()) || path == dir {
			return nil
		}
		switch ignored, err := w.ignores(path); {
		case err != nil:
			return err
		case ignored && d.IsDir():
			return fs.SkipDir
		case ignored || d.IsDir():
			return nil
		}
		name := path
		if rel, err := filepath.Rel(w.here, path); err == nil {
			name = rel
		}
		if isFile, err := leadsToFile(root, path, d); isFile || err != nil {
			files = append(files, verifyFile{name: name, err: err})
		}
		return nil
	})
	return files, err
}

func (w *manifestWalk) ignores(path string) (bool, error) {
	if w.leave.Match(path) || w.all {
		return w.leave.Match(path), nil
	}
	return w.tree.Ignored(path)
}

var errLeadsOut = errors.New("is a link that leads out of the repository")

// leadsToFile says whether path is a file, or a link to one. A link that leads out of root is an error: what is there is not the repository's to show.
func leadsToFile(root, path string, d fs.DirEntry) (bool, error) {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular(), nil
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // leads nowhere
	}
	if err != nil {
		return false, pathCause(err)
	}
	info, err := os.Stat(target)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	if rel, err := filepath.Rel(root, target); err != nil || !filepath.IsLocal(rel) {
		return false, errLeadsOut
	}
	return true, nil
}

// isManifest says whether a file that was found, rather than named, may hold manifests. Settings are files like any other to kubectl.
func isManifest(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return true
	}
	return false
}
