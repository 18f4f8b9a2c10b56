package cli

import (
	"context"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
)

// filesToCheck reads the files that are named, and those below the folders that are.
func filesToCheck(ctx context.Context, env *Env, tree *repo.Tree, args []string) iter.Seq2[checkInput, error] {
	if len(args) == 0 {
		args = []string{"."}
	}
	return func(yield func(checkInput, error) bool) {
		for _, arg := range args {
			if arg == stdinArg {
				path, err := filepath.Abs(env.path(stdinName + ".yaml"))
				var data []byte
				if err == nil {
					data, err = env.read(ctx, arg, "a manifest", maxManifest)
				}
				if !yield(checkInput{name: stdinName, path: path, data: data}, err) || err != nil {
					return
				}
				continue
			}
			for in, err := range walk(ctx, env, tree, arg) {
				if !yield(in, err) || err != nil {
					return
				}
			}
		}
	}
}

// isRepository says whether a folder is the top of a repository of its own, such as a submodule: that has its own checks.
func isRepository(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// walk gives the file arg, or the manifests below the folder arg: not those that the settings ignore, not what lies in .git or in a repository below, and
// nothing through symbolic links.
func walk(ctx context.Context, env *Env, tree *repo.Tree, arg string) iter.Seq2[checkInput, error] {
	return func(yield func(checkInput, error) bool) {
		top, err := filepath.Abs(env.path(arg))
		if err != nil {
			yield(checkInput{}, err)
			return
		}
		named := func(path string) string {
			rel, err := filepath.Rel(top, path)
			if err != nil || rel == "." {
				return arg
			}
			return filepath.Join(arg, rel)
		}
		stopped := false
		err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			in := checkInput{name: named(path), path: path, walked: path != top}
			if err != nil && path == top {
				return failed("", "%s: %v", arg, pathCause(err))
			}
			ignored, ignoreErr := tree.Ignored(path)
			switch {
			case ignoreErr != nil:
				return ignoreErr
			case err != nil:
				in.err = pathCause(err)
			case d.IsDir() && path != top && (d.Name() == ".git" || ignored || isRepository(path)):
				return fs.SkipDir
			case d.IsDir(), ignored, path != top && (!d.Type().IsRegular() || !isManifest(d.Name())):
				return nil
			default:
				in.data, in.err = readFile(ctx, path, in.name, maxManifest)
				in.err = pathCauseOf(in.name, in.err)
			}
			if stopped = !yield(in, nil); stopped {
				return fs.SkipAll
			}
			return ctx.Err()
		})
		if err != nil && !stopped {
			yield(checkInput{}, err)
		}
	}
}

// pathCauseOf is err without the file's name before it.
func pathCauseOf(name string, err error) error {
	if err == nil {
		return nil
	}
	if text, ok := strings.CutPrefix(err.Error(), name+": "); ok {
		return failed(hint(err), "%s", text)
	}
	return err
}
