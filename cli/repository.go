package cli

import (
	"context"
	"errors"
	"os"
	"strings"

	"github.com/waxwing-io/waxwing/repo/git"
)

// repository finds the repository around the current folder. without is what can be done where there is none, a hint.
func (e *Env) repository(ctx context.Context, without string) (*git.Repo, error) {
	// git gets the whole environment, as every program does that is run: it has HOME, GIT_DIR and others in it that are git's own business.
	r, err := git.Open(ctx, e.Dir, os.Environ())
	var refused *git.Error
	switch {
	case errors.Is(err, git.ErrNoGit):
		return nil, failed(strings.TrimPrefix("install git; "+without, "; "), "%v", err)
	case errors.Is(err, git.ErrNoRepository):
		return nil, failed(without, "%v", err)
	case errors.Is(err, git.ErrNoWorkTree):
		return nil, failed("clone it, and run seal in the clone", "the repository %v here", err)
	case errors.As(err, &refused) && strings.Contains(refused.Message, "dubious ownership"):
		return nil, failed("if you trust it: git config --global --add safe.directory FOLDER", "%v", err)
	}
	return r, err
}

// unborn says whether nothing is committed yet.
func unborn(ctx context.Context, r *git.Repo) bool {
	_, err := r.Commit(ctx, "HEAD")
	return errors.Is(err, git.ErrNoRevision)
}
