package scan

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/repo"
)

// ErrLeadsOut is a link that leads out of its repository: what is there is not the repository's to show.
var ErrLeadsOut = errors.New("is a link that leads out of the repository")

// Found is a file that All has found.
type Found struct {
	Path string // absolute
	Err  error  // why it cannot be looked at, such as ErrLeadsOut
}

// All gives all that is called as manifests are below the folder abs, for those from whom nobody may hide a file: .seal.yaml, and what lies in .seal, in nested
// repositories, or is ignored by Git, is found, and so are links to files of the same repository, in the place where the link stands. It leaves out .git and what
// settings ignore, if they are not nil. abs is absolute and without links, and so are paths, which come folder by folder.
func All(ctx context.Context, abs string, settings Settings) ([]Found, error) {
	root, ok := repo.Root(abs)
	if !ok {
		root = abs
	}
	l := &lister{ctx: ctx, abs: abs, o: Options{Settings: settings}}
	enters := func(name string) (bool, error) {
		if filepath.Base(name) == ".git" {
			return false, nil
		}
		ignored, err := l.ignored(name)
		return !ignored, err
	}
	var found []Found
	err := walk(ctx, abs, enters, func(name string, d fs.DirEntry) error {
		if !IsManifest(name) {
			return nil
		}
		if ignored, err := l.ignored(name); ignored || err != nil {
			return err
		}
		path := filepath.Join(abs, name)
		if isFile, err := leadsToFile(root, path, d); isFile || err != nil {
			found = append(found, Found{Path: path, Err: err})
		}
		return nil
	})
	return found, err
}

// leadsToFile says whether path is a file, or a link to one.
func leadsToFile(root, path string, d fs.DirEntry) (bool, error) {
	if d.Type()&fs.ModeSymlink == 0 {
		return d.Type().IsRegular(), nil
	}
	target, err := filepath.EvalSymlinks(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil // leads nowhere
	}
	if err != nil {
		return false, err
	}
	info, err := os.Stat(target)
	if err != nil || !info.Mode().IsRegular() {
		return false, err
	}
	if real, err := filepath.EvalSymlinks(root); err == nil {
		root = real
	}
	if rel, err := filepath.Rel(root, target); err != nil || !filepath.IsLocal(rel) {
		return false, ErrLeadsOut
	}
	return true, nil
}
