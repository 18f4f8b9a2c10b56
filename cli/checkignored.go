package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/git"
)

// dropIgnored leaves out findings in files that a walk has met and that Git ignores: they do not get into the repository. Git does not count files that it
// has already among those, whatever .gitignore says.
func (r *checkReport) dropIgnored(ctx context.Context, env *Env) error {
	byRoot := map[string][]string{}
	for _, f := range r.Findings {
		if root, ok := repo.Root(filepath.Dir(f.path)); ok && f.walked {
			byRoot[root] = append(byRoot[root], f.path)
		}
	}
	ignored := map[string]bool{}
	for root, paths := range byRoot {
		slices.Sort(paths)
		some, err := gitIgnores(ctx, env, root, slices.Compact(paths))
		if err != nil {
			return err
		}
		for _, path := range some {
			ignored[path] = true
		}
	}
	r.Findings = slices.DeleteFunc(r.Findings, func(f finding) bool { return f.walked && ignored[f.path] })
	return nil
}

// gitIgnores lists those of paths that Git ignores. Where git cannot say, nothing is ignored.
func gitIgnores(ctx context.Context, env *Env, root string, paths []string) ([]string, error) {
	r, err := git.Open(ctx, root, gitEnviron(env))
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, nil
	}
	var ask strings.Builder
	for _, path := range paths {
		rel, err := filepath.Rel(root, path)
		if err != nil {
			continue
		}
		// check-ignore does not work under --literal-pathspecs; without, a name that begins with a colon would be read as a pattern.
		ask.WriteString("./" + filepath.ToSlash(rel) + "\x00")
	}
	out, err := r.Input(ctx, strings.NewReader(ask.String()), "--no-literal-pathspecs", "check-ignore", "-z", "--stdin")
	var refused *git.Error
	switch {
	case errors.As(err, &refused):
		return nil, nil // none of them, or git cannot say
	case err != nil:
		return nil, err
	}
	var ignored []string
	for rel := range strings.SplitSeq(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		ignored = append(ignored, filepath.Join(root, filepath.FromSlash(rel)))
	}
	return ignored, nil
}
