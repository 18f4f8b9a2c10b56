package git

import (
	"context"
	"errors"
	"fmt"
	"path"
	"path/filepath"
	"strings"
)

// ErrOutside says that a path lies outside of the working tree.
var ErrOutside = errors.New("lies outside of the repository")

// Rel is the path, relative to Root and with slashes, of the file that a person calls name: relative to the folder that the repository was opened in, or
// absolute. The file need not exist.
func (r *Repo) Rel(ctx context.Context, name string) (string, error) {
	rel, err := r.rel(ctx, name)
	if err != nil {
		return "", err
	}
	if rel == ".." || strings.HasPrefix(rel, "../") {
		return "", fmt.Errorf("%s: %w", name, ErrOutside)
	}
	return rel, nil
}

func (r *Repo) rel(ctx context.Context, name string) (string, error) {
	if !filepath.IsAbs(name) {
		at := *r
		at.Root = r.dir
		out, err := at.Output(ctx, "rev-parse", "--show-prefix")
		if err != nil {
			return "", err
		}
		return path.Join(strings.TrimSuffix(string(out), "\n"), filepath.ToSlash(name)), nil
	}
	name = filepath.Clean(name)
	rel, err := filepath.Rel(r.Root, name)
	if err != nil || !filepath.IsLocal(rel) {
		// The way to it may lead through links that git has resolved in Root; the file itself may be one that is versioned.
		dir, linkErr := filepath.EvalSymlinks(filepath.Dir(name))
		if linkErr != nil {
			return "..", nil
		}
		if rel, err = filepath.Rel(r.Root, filepath.Join(dir, filepath.Base(name))); err != nil {
			return "..", nil
		}
	}
	return filepath.ToSlash(rel), nil
}
