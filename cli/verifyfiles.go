package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// verifyWalk finds manifests in folders. It leaves out less than other commands do: whoever can push must not be able to hide a file.
type verifyWalk struct {
	env   *Env
	tree  *repo.Tree
	all   bool           // what settings ignore, too
	leave *repo.Patterns // what is left out in any case
	here  string         // the folder that names are seen from
}

func (o *verifyOptions) walk(env *Env, tree *repo.Tree) (*verifyWalk, error) {
	here, err := filepath.Abs(env.path("."))
	if err != nil {
		return nil, fmt.Errorf("finding the current folder: %w", err)
	}
	leave, err := repo.NewPatterns(here, o.ignore)
	if err != nil {
		return nil, usage("", "--ignore: %v", err)
	}
	return &verifyWalk{env: env, tree: tree, all: o.require, leave: leave, here: here}, nil
}

// files takes folders apart; without an argument it is the whole repository, or the current folder outside of one.
func (w *verifyWalk) files(ctx context.Context, args []string) ([]input, error) {
	find := func(dir string) ([]input, error) { return w.folder(ctx, dir) }
	if len(args) > 0 {
		return w.env.inputs(args, find)
	}
	root, ok := repo.Root(w.here)
	if !ok {
		root = w.here
	}
	return w.env.inputs([]string{root}, find)
}

// folder finds the manifests in dir. Where that is a link, the rules are those of the place that it leads to.
func (w *verifyWalk) folder(ctx context.Context, dir string) ([]input, error) {
	real, err := filepath.Abs(w.env.path(dir))
	if err == nil {
		real, err = filepath.EvalSymlinks(real)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, pathCause(err))
	}
	files, err := scan.All(ctx, real, w)
	if err != nil {
		return nil, err
	}
	found := make([]input, len(files))
	for i, f := range files {
		found[i] = input{name: f.Path, found: true, err: pathCause(f.Err)}
		if rel, err := filepath.Rel(w.here, f.Path); err == nil {
			found[i].name = rel
		}
	}
	return found, nil
}

// Ignored says whether the file or folder at path, which is absolute, is left out.
func (w *verifyWalk) Ignored(path string) (bool, error) {
	if w.leave.Match(path) || w.all {
		return w.leave.Match(path), nil
	}
	return w.tree.Ignored(path)
}
