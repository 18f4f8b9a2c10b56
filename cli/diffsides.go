package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/waxwing-io/waxwing/repo/git"
)

// diffSides is what the arguments of `seal diff` name.
type diffSides struct {
	commits []string // full ids
	paths   []string // as git.Repo.Rel gives them
}

// sides sorts revisions from paths as git does: what stands after -- is a path, everything else a revision if there is such a one, or else the path of a
// file that exists.
func (o *diffOptions) sides(ctx context.Context, env *Env, r *git.Repo, args []string, dash int) (*diffSides, error) {
	var s diffSides
	parted := dash >= 0
	revs, paths := args, []string(nil)
	if parted {
		revs, paths = args[:dash], args[dash:]
	}
	for i, arg := range revs {
		commits, err := revisions(ctx, r, arg)
		file := !parted && exists(env, arg)
		switch {
		case err == nil && file:
			return nil, usage("write -- after it for the revision, or before it for the file", "there is a revision and a file %s", shown(arg))
		case err == nil:
			s.commits = append(s.commits, commits...)
			continue
		case !errors.Is(err, git.ErrNoRevision):
			return nil, err
		case parted:
			return nil, noSuchRevision(ctx, r, arg, true)
		}
		paths = revs[i:]
		break
	}
	most := 2
	if o.staged {
		most = 1
	}
	if len(s.commits) > most {
		return nil, usage("", "too many revisions: there can be %d", most)
	}
	for _, arg := range paths {
		if !parted && !exists(env, arg) {
			return nil, noSuchRevision(ctx, r, arg, false)
		}
		path, err := r.Rel(ctx, arg)
		if err != nil {
			return nil, err
		}
		s.paths = append(s.paths, path)
	}
	return &s, nil
}

// revisions gives the ids of the commits that arg names: one, or the two of A..B or A...B.
func revisions(ctx context.Context, r *git.Repo, arg string) ([]string, error) {
	from, to, isRange := strings.Cut(arg, "..")
	if !isRange {
		id, err := r.Commit(ctx, arg)
		return []string{id}, err
	}
	to, symmetric := strings.CutPrefix(to, ".")
	ids := make([]string, 2)
	for i, rev := range []string{from, to} {
		if rev == "" {
			rev = "HEAD"
		}
		id, err := r.Commit(ctx, rev)
		if err != nil {
			return nil, err
		}
		ids[i] = id
	}
	if !symmetric {
		return ids, nil
	}
	base, err := r.MergeBase(ctx, ids[0], ids[1])
	var none *git.Error
	if errors.As(err, &none) && none.Code == 1 {
		return nil, failed("", "there is no common ancestor in %s", shown(arg))
	}
	return []string{base, ids[1]}, err
}

func noSuchRevision(ctx context.Context, r *git.Repo, arg string, mustBe bool) error {
	switch {
	case unborn(ctx, r):
		return failed("compare what is to be committed first with: seal diff --staged", "there is no revision %s: nothing is committed yet", shown(arg))
	case mustBe:
		return failed("", "there is no revision %s", shown(arg))
	}
	return failed("for a file that is deleted, write -- before it", "there is no revision or file %s", shown(arg))
}
