package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// staged checks the manifests that differ between the index and the last commit, as they stand in the index. Without a commit yet, that is the whole index.
// Deletions have no content, symbolic links and submodules none of their own. One content is held at a time.
func (c *checker) staged(ctx context.Context, env *Env) (err error) {
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
		ignored, err := c.book.tree.Ignored(in.path)
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
		found, err := c.check(in)
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		c.report.file(found)
	}
	return nil
}

// readStaged gives a blob's content: none, or the refusal, where it is too long to be parsed.
func readStaged(contents *git.Blobs, id string) (data []byte, refused, err error) {
	err = contents.Stream(id, func(r *io.LimitedReader) error {
		var found scan.Finding
		if data, found, err = scan.Content(r); err == nil && data == nil && mayNeedCheck(found) {
			refused = failed(ignoreHint, "is longer than %d MiB, and may hold Secrets", scan.MaxFile>>20)
		}
		return err
	})
	return data, refused, err
}
