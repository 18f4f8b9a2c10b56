package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/change"
	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// fileVersion is a file in one version, as far as sealing is concerned. The zero value is a file that is not there.
type fileVersion struct {
	sealed  []change.Object
	plain   []string // places of Secrets that are not sealed
	problem string   // why it cannot be read; empty where it could be, or where it is none of our files
}

// readVersion reads a version of the file name. It cannot fail: of a folder full of files, most are not ours.
func readVersion(name string, data []byte) fileVersion {
	if !couldBeSealed(name, data) {
		return fileVersion{}
	}
	_, all, err := parse(name, data)
	if err != nil {
		if !speaksOfSealed(data) {
			return fileVersion{}
		}
		return fileVersion{problem: withoutFile(err)}
	}
	var v fileVersion
	for _, o := range all {
		switch o.role {
		case isSealed:
			if o.raw == nil {
				_, err := o.JSON()
				return fileVersion{problem: withoutFile(err)}
			}
			v.sealed = append(v.sealed, change.Read(o.raw)) // which is what JSON gives before any edit, at half the price
		case isSecret:
			v.plain = append(v.plain, o.place())
		}
	}
	return v
}

// couldBeSealed says whether a file has to be parsed: by its name, since what it holds can be written in many ways.
func couldBeSealed(name string, data []byte) bool {
	return scan.IsManifest(name) || speaksOfSealed(data)
}

func speaksOfSealed(data []byte) bool { return bytes.Contains(data, []byte("GitSecret")) }

// withoutFile is the message of err with the line, but without the file's name, which the report has already.
func withoutFile(err error) string {
	var m *manifest.Error
	if errors.As(err, &m) {
		if m.Line > 0 {
			return fmt.Sprintf("line %d: %s", m.Line, m.Msg)
		}
		return m.Msg
	}
	return err.Error()
}

// versions reads files of commits, the index and the working tree of a repository. Close has to be called.
type versions struct {
	repo  *git.Repo
	blobs *git.Blobs
}

func newVersions(ctx context.Context, r *git.Repo) (*versions, error) {
	blobs, err := r.Blobs(ctx)
	if err != nil {
		return nil, err
	}
	return &versions{repo: r, blobs: blobs}, nil
}

func (v *versions) Close() { _ = v.blobs.Close() }

// read gives the version of a file that git names; tree says that it is the one of the working tree.
func (v *versions) read(ctx context.Context, side git.Side, tree bool) (fileVersion, error) {
	if !side.Regular() {
		return fileVersion{}, nil
	}
	var data []byte
	var err error
	switch {
	case tree:
		// Where git has looked for renames, it names a blob that it has not stored.
		data, err = v.fromTree(ctx, side.Path)
	case side.Known():
		data, err = v.blobs.Read(side.ID, maxManifest)
	default:
		err = git.ErrNoBlob
	}
	switch {
	case ctx.Err() != nil:
		return fileVersion{}, ctx.Err()
	case errors.Is(err, git.ErrTooLarge), errors.Is(err, git.ErrNoBlob), err != nil && tree:
		if scan.IsManifest(side.Path) {
			return fileVersion{problem: pathCause(err).Error()}, nil
		}
		return fileVersion{}, nil
	case err != nil:
		return fileVersion{}, err
	}
	return readVersion(side.Path, data), nil
}

// fromTree reads a file of the working tree. One that has become something else since git looked, such as a link, is an error.
func (v *versions) fromTree(ctx context.Context, path string) ([]byte, error) {
	name := filepath.Join(v.repo.Root, filepath.FromSlash(path))
	info, err := os.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is no regular file")
	}
	if info.Size() > maxManifest {
		return nil, git.ErrTooLarge
	}
	return readFile(ctx, name, path, maxManifest)
}

// between compares two versions. Of one that cannot be read nothing is said to be removed, and all of the other to be added; problems say so.
func between(before, after fileVersion) (found []change.Difference, problems []string) {
	if before.problem != "" {
		problems = append(problems, "the old version cannot be read, so that everything counts as added: "+before.problem)
	}
	if after.problem != "" {
		return nil, append(problems, "the new version cannot be read: "+after.problem)
	}
	return change.Between(before.sealed, after.sealed), problems
}

// recentVersions keeps what was parsed last: in the history of a file, most versions are the new one of one commit and the old one of the next.
type recentVersions struct {
	ids   []string
	byID  map[string]fileVersion
	bytes int
}

const (
	maxRecent  = 32 << 20 // bytes of JSON in recentVersions, beside the last two versions
	mostRecent = 256      // versions in it
)

func (r *recentVersions) read(ctx context.Context, v *versions, side git.Side) (fileVersion, error) {
	if !side.Regular() {
		return fileVersion{}, nil
	}
	if found, ok := r.byID[side.ID]; ok {
		return found, nil
	}
	read, err := v.read(ctx, side, false)
	if err != nil {
		return read, fmt.Errorf("%s: %w", side.Path, err)
	}
	r.keep(side.ID, read)
	return read, nil
}

// keep adds a version that is not there, and forgets the oldest ones where that is too much.
func (r *recentVersions) keep(id string, v fileVersion) {
	if r.byID == nil {
		r.byID = map[string]fileVersion{}
	}
	r.byID[id] = v
	r.ids = append(r.ids, id)
	r.bytes += v.size()
	for len(r.ids) > 2 && (r.bytes > maxRecent || len(r.ids) > mostRecent) {
		r.bytes -= r.byID[r.ids[0]].size()
		delete(r.byID, r.ids[0])
		r.ids = r.ids[1:]
	}
}

func (v fileVersion) size() int {
	n := 0
	for _, o := range v.sealed {
		n += len(o.Doc)
	}
	return n
}
