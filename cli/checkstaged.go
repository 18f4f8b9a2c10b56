package cli

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/git"
)

const (
	// maxBatch is how much staged content is held at once, in bytes.
	maxBatch = 64 << 20
	// What the index has besides files.
	modeLink      = "120000"
	modeSubmodule = "160000"
)

// stagedFile is a manifest in Git's index.
type stagedFile struct {
	path     string // from the top of the repository, with slashes
	blob     string
	size     int64
	unmerged bool
}

// stagedToCheck reads the manifests that differ between the index and the last commit, as they stand in the index.
func stagedToCheck(ctx context.Context, env *Env, tree *repo.Tree) iter.Seq2[checkInput, error] {
	return func(yield func(checkInput, error) bool) {
		r, err := env.repository(ctx, "run it in a clone that has a working tree, or name files")
		if err != nil {
			yield(checkInput{}, err)
			return
		}
		files, err := stagedFiles(ctx, r, tree)
		if err != nil {
			yield(checkInput{}, err)
			return
		}
		for len(files) > 0 {
			n := batchOf(files)
			contents, err := blobs(ctx, r, files[:n])
			if err != nil {
				yield(checkInput{}, err)
				return
			}
			for i, f := range files[:n] {
				in := checkInput{name: filepath.FromSlash(f.path), path: filepath.Join(r.Root, filepath.FromSlash(f.path)), data: contents[i]}
				switch {
				case f.unmerged:
					in.err = failed("resolve the conflict, and git add it", "is not merged")
				case f.size > maxManifest:
					in.err = fmt.Errorf("is longer than %d bytes", maxManifest)
				}
				if !yield(in, nil) {
					return
				}
			}
			files = files[n:]
		}
	}
}

// stagedFiles lists what is about to be committed. Without a commit yet, that is the whole index.
func stagedFiles(ctx context.Context, r *git.Repo, tree *repo.Tree) ([]stagedFile, error) {
	out, err := r.Output(ctx, "diff", "--cached", "--raw", "-z", "--no-abbrev", "--no-renames", "--no-relative", "--no-ext-diff", "--no-textconv", "--ignore-submodules=none")
	if err != nil {
		return nil, err
	}
	fields := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	var files []stagedFile
	for i := 0; i+1 < len(fields); i += 2 {
		// :OLDMODE NEWMODE OLDBLOB NEWBLOB STATUS
		parts := strings.Fields(fields[i])
		if len(parts) != 5 {
			return nil, fmt.Errorf("git diff: the answer cannot be read")
		}
		mode, blob, status, path := parts[1], parts[3], parts[4], fields[i+1]
		if status == "D" || mode == modeLink || mode == modeSubmodule || !isManifest(path) {
			continue
		}
		ignored, err := tree.Ignored(filepath.Join(r.Root, filepath.FromSlash(path)))
		if err != nil {
			return nil, err
		}
		if !ignored {
			files = append(files, stagedFile{path: path, blob: blob, unmerged: status == "U"})
		}
	}
	return files, sizes(ctx, r, files)
}

// sizes asks for the sizes of all files at once.
func sizes(ctx context.Context, r *git.Repo, files []stagedFile) error {
	var ask bytes.Buffer
	for _, f := range files {
		if !f.unmerged {
			ask.WriteString(f.blob + "\n")
		}
	}
	if ask.Len() == 0 {
		return nil
	}
	out, err := r.Input(ctx, &ask, "cat-file", "--batch-check=%(objectsize)")
	if err != nil {
		return err
	}
	lines := strings.Fields(string(out))
	for i := range files {
		if files[i].unmerged {
			continue
		}
		if len(lines) == 0 {
			return fmt.Errorf("git cat-file: the answer is too short")
		}
		if files[i].size, err = strconv.ParseInt(lines[0], 10, 64); err != nil {
			return fmt.Errorf("%s: what is staged is missing in the repository", shown(files[i].path))
		}
		lines = lines[1:]
	}
	return nil
}

// wanted says whether the file's content is read.
func (f stagedFile) wanted() bool { return !f.unmerged && f.size <= maxManifest }

// batchOf is how many of the files are read together.
func batchOf(files []stagedFile) int {
	var total int64
	for i, f := range files {
		if f.wanted() {
			total += f.size
		}
		if total > maxBatch && i > 0 {
			return i
		}
	}
	return len(files)
}

// blobs reads the contents of files in one go; nil for those that are not wanted.
func blobs(ctx context.Context, r *git.Repo, files []stagedFile) ([][]byte, error) {
	var ask bytes.Buffer
	for _, f := range files {
		if f.wanted() {
			ask.WriteString(f.blob + "\n")
		}
	}
	contents := make([][]byte, len(files))
	if ask.Len() == 0 {
		return contents, nil
	}
	out, err := r.Input(ctx, &ask, "cat-file", "--batch")
	if err != nil {
		return nil, err
	}
	for i, f := range files {
		if !f.wanted() {
			continue
		}
		// A line about the object, its content, and a line end.
		head := bytes.IndexByte(out, '\n') + 1
		end := head + int(f.size)
		if head == 0 || end >= len(out) {
			return nil, fmt.Errorf("git cat-file: the answer is too short")
		}
		contents[i], out = out[head:end], out[end+1:]
	}
	return contents, nil
}
