package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"path/filepath"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// stagedToCheck reads the manifests that differ between the index and the last commit, as they stand in the index. Without a commit yet, that is the whole index.
// Deletions have no content, symbolic links and submodules none of their own.
func stagedToCheck(ctx context.Context, env *Env, tree *repo.Tree) iter.Seq2[checkInput, error] {
	return func(yield func(checkInput, error) bool) {
		enough := false
		err := eachStaged(ctx, env, tree, func(in checkInput) bool {
			enough = !yield(in, nil)
			return !enough
		})
		if err != nil && !enough {
			yield(checkInput{}, err)
		}
	}
}

// eachStaged gives the files one by one, so that one content is held at a time, until take has enough.
func eachStaged(ctx context.Context, env *Env, tree *repo.Tree, take func(checkInput) bool) (err error) {
	r, err := env.repository(ctx, "run it in a clone that has a working tree, or name files")
	if err != nil {
		return err
	}
	entries, err := r.Diff(ctx, true, nil, nil)
	if err != nil {
		return err
	}
	contents, err := r.Blobs(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, contents.Close()) }()
	for _, e := range entries {
		in := checkInput{name: filepath.FromSlash(e.New.Path), path: filepath.Join(r.Root, filepath.FromSlash(e.New.Path))}
		if !scan.IsManifest(in.path) || !e.Unmerged && !e.New.Regular() {
			continue
		}
		ignored, err := tree.Ignored(in.path)
		if err != nil {
			return err
		}
		if ignored {
			continue
		}
		if e.Unmerged {
			in.err = failed("resolve the conflict, and git add it", "is not merged")
		} else if in.data, in.err, err = readStaged(contents, e.New.ID); err != nil {
			return fmt.Errorf("%s: %w", in.name, err)
		}
		if !take(in) {
			return nil
		}
	}
	return nil
}

// readStaged gives a blob's content: none, or the refusal, where it is too long to be parsed.
func readStaged(contents *git.Blobs, id string) (data []byte, refused, err error) {
	err = contents.Stream(id, func(r *io.LimitedReader) error {
		var found scan.Finding
		if data, found, err = scan.Content(r); err == nil && data == nil && mayHoldSecret(found) {
			refused = failed(ignoreHint, "is longer than %d MiB, and may hold Secrets", scan.MaxFile>>20)
		}
		return err
	})
	return data, refused, err
}
