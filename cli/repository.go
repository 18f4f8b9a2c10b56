package cli

import (
	"context"
	"errors"
	"strings"

	"github.com/waxwing-io/waxwing/repo/git"
)

// repository finds the repository around the current folder. without is what can be done where there is none, a hint.
func (e *Env) repository(ctx context.Context, without string) (*git.Repo, error) {
	r, err := git.Open(ctx, e.path("."), gitEnviron(e))
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

// gitEnviron is the part of the environment that git needs to find a repository and its configuration.
func gitEnviron(env *Env) []string {
	var environ []string
	for _, name := range []string{
		"PATH", "HOME", "USERPROFILE", "HOMEDRIVE", "HOMEPATH", "APPDATA", "PROGRAMDATA", "SYSTEMROOT", "TMPDIR", "TEMP", "TMP", "XDG_CONFIG_HOME",
		"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR", "GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_CEILING_DIRECTORIES",
		"GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM", "GIT_CONFIG_NOSYSTEM", "GIT_CONFIG_PARAMETERS",
	} {
		if value := env.Getenv(name); value != "" {
			environ = append(environ, name+"="+value)
		}
	}
	return environ
}
