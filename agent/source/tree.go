package source

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// treeEntry is a line of a tree object.
type treeEntry struct {
	mode, name string
	id         pack.ID
}

const (
	modeFile    = "100644"
	modeFolder  = "40000"
	modeSymlink = "120000"
	modeCommit  = "160000"
)

func (e treeEntry) folder() bool { return e.mode == modeFolder || e.mode == "0"+modeFolder }
func (e treeEntry) regular() bool {
	return len(e.mode) == len(modeFile) && strings.HasPrefix(e.mode, "100")
}

// parseTree reads a tree object that has no more than some entries.
func parseTree(text []byte, most int) ([]treeEntry, error) {
	var all []treeEntry
	for len(text) > 0 {
		if len(all) >= most {
			return nil, fail(RepositoryTooLarge, "it has more than %d files", most)
		}
		var e treeEntry
		head, rest, whole := bytes.Cut(text, []byte{0})
		mode, name, both := bytes.Cut(head, []byte(" "))
		if !whole || !both || len(rest) < len(e.id) {
			return nil, badObject("a tree ends inside of an entry")
		}
		e.mode, e.name, e.id = string(mode), string(name), pack.ID(rest[:len(e.id)])
		all = append(all, e)
		text = rest[len(e.id):]
	}
	return all, nil
}

// Files are all the files of a commit that Fetch has given, in the order of their trees. They are not to be changed.
func (r *Repository) Files(ctx context.Context, c Commit) ([]File, error) {
	if l := r.listed.Load(); l != nil && l.commit == c.ID {
		return l.files, nil
	}
	r.reading.RLock()
	defer r.reading.RUnlock()
	files, err := r.content.files(ctx, c, r.limits)
	return files, r.read(err)
}

// Read reads a file by its blob id. ErrTooLarge says that it is larger than Limits.FileBytes or takes too much work, ErrNoBlob that it was not fetched. Other errors are of the cache,
// which the next Fetch makes anew.
func (r *Repository) Read(ctx context.Context, blob string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	id, err := pack.ParseID(blob)
	if err != nil {
		return nil, ErrNoBlob
	}
	r.reading.RLock()
	defer r.reading.RUnlock()
	text, err := r.content.object(id, pack.Blob, r.limits.FileBytes)
	switch {
	case errors.Is(err, pack.ErrLimit):
		return nil, ErrTooLarge
	case errors.Is(err, pack.ErrNoObject), errors.Is(err, pack.ErrMalformed):
		return nil, ErrNoBlob
	}
	return text, r.read(err)
}

// read notes an error of the cache, so that the next Fetch makes it anew.
func (r *Repository) read(err error) error {
	if errors.Is(err, pack.ErrTorn) {
		r.torn.Store(true)
	}
	return explain(err, Auth{}, r.limits)
}

// lister goes through the trees of a commit.
type lister struct {
	ctx    context.Context
	from   content
	limits Limits
	files  []File
	trees  int
	lines  int // of all trees: those that are still to be looked at lie in memory, of each folder on the way
	paths  int // bytes of all of them
}

func (c content) files(ctx context.Context, commit Commit, limits Limits) ([]File, error) {
	root, err := pack.ParseID(commit.Tree)
	if err != nil {
		return nil, err
	}
	l := &lister{ctx: ctx, from: c, limits: limits}
	if err := l.tree(root, "", 0); err != nil {
		return nil, err
	}
	return l.files, nil
}

// tree lists a folder and those in it.
func (l *lister) tree(id pack.ID, prefix string, depth int) error {
	if err := l.ctx.Err(); err != nil {
		return err
	}
	// A tree that holds itself many times over is as dear as one with many files.
	if l.trees++; l.trees > l.limits.Files {
		return fail(RepositoryTooLarge, "it has more than %d folders", l.limits.Files)
	}
	entries, err := l.entries(id, prefix)
	if err != nil {
		return err
	}
	twice := doubles(entries)
	for _, e := range entries {
		f := File{Path: prefix + e.name, Blob: e.id.String()}
		switch {
		case twice[e.name], e.name == "", strings.Contains(e.name, "/"):
			f.Kind = Malformed
		case e.folder() && depth+1 < l.limits.PathDepth && len(f.Path) < maxPath:
			if err := l.tree(e.id, f.Path+"/", depth+1); err != nil {
				return err
			}
			continue
		case e.folder():
			f.Kind = Folder
		default:
			if err := l.kind(&f, e); err != nil {
				return err
			}
		}
		if l.files = append(l.files, f); len(l.files) > l.limits.Files {
			return fail(RepositoryTooLarge, "it has more than %d files", l.limits.Files)
		}
	}
	return nil
}

// kind fills in what a file is.
func (l *lister) kind(f *File, e treeEntry) error {
	switch {
	case len(f.Path) >= maxPath:
		f.Kind = Malformed
	case e.mode == modeSymlink:
		f.Kind = Symlink
	case e.mode == modeCommit:
		f.Kind = Submodule
	case e.regular():
		_, entry, err := l.from.entry(e.id)
		if err != nil {
			return fmt.Errorf("file %q: %w", clean(f.Path), err)
		}
		f.Size = entry.Size
		if entry.Type != pack.Blob {
			f.Kind = Malformed
		}
	default:
		f.Kind = Malformed
	}
	return nil
}

// entries reads a tree. Names that are too long are cut, so that what is kept is bounded.
func (l *lister) entries(id pack.ID, prefix string) ([]treeEntry, error) {
	text, err := l.from.object(id, pack.Tree, l.limits.ObjectBytes)
	if err != nil {
		return nil, err
	}
	entries, err := parseTree(text, l.limits.Files)
	if err != nil {
		return nil, err
	}
	// Each is a file, or a folder.
	if l.lines += len(entries); l.lines > 2*l.limits.Files {
		return nil, fail(RepositoryTooLarge, "it has more than %d files", l.limits.Files)
	}
	for i := range entries {
		e := &entries[i]
		if len(prefix)+len(e.name) > maxPath {
			e.name = strings.Clone(e.name[:max(0, maxPath-len(prefix))])
		}
		l.paths += len(prefix) + len(e.name)
	}
	if l.paths > maxPaths {
		return nil, fail(RepositoryTooLarge, "its paths have more than %d MiB", maxPaths/mib)
	}
	return entries, nil
}

// doubles are the names that more than one entry has.
func doubles(entries []treeEntry) map[string]bool {
	var twice map[string]bool
	seen := make(map[string]bool, len(entries))
	for _, e := range entries {
		if seen[e.name] {
			if twice == nil {
				twice = map[string]bool{}
			}
			twice[e.name] = true
		}
		seen[e.name] = true
	}
	return twice
}
