package cli

import (
	"context"
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
}

// verifyFiles takes folders apart; without an argument it is the whole repository, or the current folder outside of one.
func verifyFiles(ctx context.Context, env *Env, tree *repo.Tree, args []string) ([]verifyFile, error) {
	here, err := filepath.Abs(env.path("."))
	if err != nil {
		return nil, fmt.Errorf("finding the current folder: %w", err)
	}
	if len(args) == 0 {
		root, ok := repo.Root(here)
		if !ok {
			root = here
		}
		return walkManifests(ctx, tree, here, root)
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
		found, err := walkManifests(ctx, tree, here, dir)
		if err != nil {
			return nil, err
		}
		files = append(files, found...)
	}
	return files, nil
}

// walkManifests finds the manifests below dir, but for those that settings ignore. It follows no links but dir itself. Names are as seen from the folder here.
func walkManifests(ctx context.Context, tree *repo.Tree, here, dir string) ([]verifyFile, error) {
	if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
		target, err := filepath.EvalSymlinks(dir)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, pathCause(err))
		}
		dir = target
	}
	var files []verifyFile
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("%s: %w", path, pathCause(err))
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if d.IsDir() && d.Name() == ".git" {
			return fs.SkipDir
		}
		if !d.IsDir() && !(d.Type().IsRegular() && isManifest(d.Name())) || path == dir {
			return nil
		}
		switch ignored, err := tree.Ignored(path); {
		case err != nil:
			return err
		case ignored && d.IsDir():
			return fs.SkipDir
		case ignored || d.IsDir():
			return nil
		}
		if rel, err := filepath.Rel(here, path); err == nil {
			path = rel
		}
		files = append(files, verifyFile{name: path})
		return nil
	})
	return files, err
}

// isManifest says whether a file that was found, rather than named, may hold manifests.
func isManifest(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".yaml", ".yml", ".json":
		return name != repo.SettingsName
	}
	return false
}
