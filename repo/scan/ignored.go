package scan

import (
	"context"
	"path/filepath"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/git"
)

// Ignored says who has List find nothing in the folder abs, which is absolute: .seal.yaml, Git, or nobody (empty).
func Ignored(ctx context.Context, abs string, settings Settings, environ []string) (by string, err error) {
	if settings != nil {
		if ignored, err := settings.Ignored(abs); ignored || err != nil {
			return repo.SettingsName, err
		}
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return "", err
	}
	r, err := git.Open(ctx, real, environ)
	if err != nil {
		return "", ctx.Err()
	}
	rel, err := filepath.Rel(r.Root, real)
	if err != nil || rel == "." || !filepath.IsLocal(rel) {
		return "", nil
	}
	// check-ignore does not work under --literal-pathspecs; without, a name that begins with a colon would be read as a pattern.
	if _, err := r.Output(ctx, "--no-literal-pathspecs", "check-ignore", "--quiet", "--", "./"+filepath.ToSlash(rel)+"/"); err != nil {
		return "", ctx.Err()
	}
	return "Git", nil
}
