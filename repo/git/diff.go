package git

import (
	"context"
	"strings"
)

// Diff lists the files that differ between two versions, renamed ones as one. Without revisions (ids of commits) the old version is the index and the new
// one the working tree; with one, the old version is that commit; with two, both are commits. With staged, the new version is the index, and the old one
// the commit, or HEAD where there is none. Paths (as Rel gives them) limit the answer.
func (r *Repo) Diff(ctx context.Context, staged bool, commits, paths []string) ([]Entry, error) {
	args := []string{"diff", "--raw", "-z", "--no-abbrev", "--find-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-relative", "--ignore-submodules=all"}
	if staged {
		args = append(args, "--cached")
	}
	args = append(append(append(args, commits...), "--"), paths...)
	out, err := r.Output(ctx, args...)
	if err != nil {
		return nil, err
	}
	rest := string(out)
	next := func() (string, error) {
		token, after, ok := strings.Cut(rest, "\x00")
		if !ok {
			return "", errForm
		}
		rest = after
		return token, nil
	}
	var all []Entry
	for rest != "" {
		head, err := next()
		if err != nil {
			return nil, err
		}
		e, err := rawEntry(head, next)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	return all, nil
}

// MergeBase is the id of the best common ancestor of two commits.
func (r *Repo) MergeBase(ctx context.Context, a, b string) (string, error) {
	out, err := r.Output(ctx, "merge-base", "--", a, b)
	return strings.TrimSpace(string(out)), err
}
