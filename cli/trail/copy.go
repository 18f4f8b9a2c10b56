package trail

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/remote"
)

// ErrNotThatLog is of an endpoint whose log does not go on from the copy: it was put back, forked, or is another one. The copy stays as it was.
var ErrNotThatLog = errors.New("the endpoint's log is not the one that was copied before")

const (
	// restarts is how often a part is begun anew because its newest tiles were replaced while they were asked for.
	restarts = 5
	// workers is how many requests are made at a time: the way to a cluster is long.
	workers = 8
	// maxCopied bounds what one run writes, in bytes.
	maxCopied = 64 << 30

	// scratchDir holds files that are not whole yet, in the folder of the copy.
	scratchDir = ".fetch"
	// anchorFile is what the endpoint says of its anchor, in the folder of the copy.
	anchorFile = "anchor.json"

	folderMode fs.FileMode = 0o777
	fileMode   fs.FileMode = 0o666
)

// Copier copies the log of an endpoint into a folder. What is in the folder is a whole log at every moment, of the size that its checkpoints say: they are written last. A run
// that was ended goes on where it was.
type Copier struct {
	Endpoint *remote.Endpoint
	// Dir is the folder: a new one, or an older copy of the same log. Its parent is there.
	Dir string
	// Progress is called as files come, from one goroutine at a time; it may be nil.
	Progress func(part, done, total int)
}

// Copied says what a copy has by now.
type Copied struct {
	Key   string       `json:"key"`
	Parts []CopiedPart `json:"parts"`
	// Files and Bytes are what this run has fetched.
	Files int   `json:"files"`
	Bytes int64 `json:"bytes"`
	// NoAnchor says why the anchor could not be fetched; anchor.json is then an older one, or is not there.
	NoAnchor string `json:"noAnchor,omitempty"`
}

// CopiedPart is one part of the copy. Before is its size before this run.
type CopiedPart struct {
	Part   int    `json:"part"`
	Origin string `json:"origin"`
	Size   uint64 `json:"size"`
	Before uint64 `json:"before"`
}

// Run copies. Whatever the error, it gives what was done.
func (c *Copier) Run(ctx context.Context) (*Copied, error) {
	done := &Copied{Parts: []CopiedPart{}}
	// The anchor before the parts and their checkpoints, so that the copy is never behind it. The log can be copied without it.
	anchor, anchorErr := c.Endpoint.Get(ctx, remote.AnchorAt, remote.MaxList)
	if ctx.Err() != nil {
		return done, ctx.Err()
	}
	names, err := c.Endpoint.List(ctx)
	if err != nil {
		return done, err
	}
	key, err := c.Endpoint.Get(ctx, remote.KeyAt, remote.MaxSmall)
	if err != nil {
		return done, fmt.Errorf("the key: %w", err)
	}
	root, err := c.folder()
	if err != nil {
		return done, err
	}
	defer root.Close()
	w := &writer{root: root, copied: done}
	defer root.RemoveAll(scratchDir)
	if err := c.takeKey(w, key); err != nil {
		return done, err
	}
	for i, name := range names {
		p := &partCopy{Copier: c, w: w, name: name, dir: Sub(root.FS(), name)}
		if err := p.run(ctx, i == len(names)-1); err != nil {
			return done, fmt.Errorf("part %s: %w", name, err)
		}
	}
	if anchorErr != nil {
		done.NoAnchor = anchorErr.Error()
		return done, nil
	}
	return done, w.write(anchorFile, anchor)
}

// folder opens the folder, or makes it. One with other things in it is refused.
func (c *Copier) folder() (*os.Root, error) {
	if err := os.Mkdir(c.Dir, folderMode); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, err
	}
	root, err := os.OpenRoot(c.Dir)
	if err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(root.FS(), ".")
	for _, e := range entries {
		if name := e.Name(); err == nil && name != remote.KeyAt && name != anchorFile && name != scratchDir && !audit.IsPartDir(name) {
			err = fmt.Errorf("the folder of the copy has something else in it, %q: name a new one", name)
		}
	}
	if err == nil {
		err = errors.Join(root.RemoveAll(scratchDir), root.Mkdir(scratchDir, folderMode))
	}
	if err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return root, nil
}

// takeKey keeps the log's key, and holds it against the one that the copy has.
func (c *Copier) takeKey(w *writer, key []byte) error {
	w.copied.Key = strings.TrimSpace(string(key))
	was, err := readBounded(w.root.FS(), remote.KeyAt, remote.MaxSmall)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return w.write(remote.KeyAt, key)
	case err != nil:
		return err
	case !bytes.Equal(was, key):
		return fmt.Errorf("%w: it says that its key is %s, and the copy has %s", ErrNotThatLog, cutText(w.copied.Key), cutText(strings.TrimSpace(string(was))))
	}
	return nil
}

func cutText(s string) string { return strings.ToValidUTF8(s[:min(len(s), remote.MaxMessage)], "") }

// partCopy copies one part.
type partCopy struct {
	*Copier
	w    *writer
	name string
	dir  fs.FS // of the copy
}

func (p *partCopy) run(ctx context.Context, last bool) error {
	before, err := OpenPart(p.dir, 0)
	if errors.Is(err, fs.ErrNotExist) {
		before, err = &Part{}, nil
	}
	if err != nil {
		return fmt.Errorf("the copy: %w", err)
	}
	for try := 0; ; try++ {
		b, err := p.Endpoint.Get(ctx, path.Join(p.name, remote.CheckpointAt), remote.MaxSmall)
		if errors.Is(err, fs.ErrNotExist) && last && before.Size == 0 {
			return nil // it is being made
		}
		if err != nil {
			return err
		}
		now := &Part{}
		if err := now.parse(b); err != nil {
			return err
		}
		err = p.bring(ctx, before, now)
		if errors.Is(err, fs.ErrNotExist) && try < restarts {
			continue
		}
		return err
	}
}

// bring brings the part of the copy from one checkpoint to another.
func (p *partCopy) bring(ctx context.Context, before, now *Part) error {
	said := CopiedPart{Part: partNumber(p.name), Origin: now.Origin, Size: now.Size, Before: before.Size}
	switch {
	case before.Origin != "" && before.Origin != now.Origin:
		return fmt.Errorf("%w: it is %s, and the copy is of %s", ErrNotThatLog, cutText(now.Origin), cutText(before.Origin))
	case now.Size < before.Size:
		return fmt.Errorf("%w: it has %d records, and the copy has %d of it", ErrNotThatLog, now.Size, before.Size)
	case before.Origin != "" && now.Size == before.Size && now.Root != before.Root:
		return fmt.Errorf("%w: both have %d records, with different roots", ErrNotThatLog, now.Size)
	case bytes.Equal(now.Checkpoint, before.Checkpoint):
		p.w.copied.Parts = append(p.w.copied.Parts, said)
		return nil
	}
	files := filesOf(now.Size)
	if err := p.fetch(ctx, before, files); err != nil {
		return err
	}
	if err := p.prove(before, now); err != nil {
		// What does not belong to the copy would be taken for fetched the next time.
		p.w.drop(p.name, files, filesOf(before.Size), before.Size)
		return err
	}
	if err := p.w.write(path.Join(p.name, remote.CheckpointAt), now.Checkpoint); err != nil {
		return err
	}
	p.w.copied.Parts = append(p.w.copied.Parts, said)
	p.w.drop(p.name, filesOf(before.Size), files, now.Size)
	return nil
}

// prove holds what was fetched against the new checkpoint, and that against the old one, as far as the right edge of the tree shows it. audit/verify looks at every record.
func (p *partCopy) prove(before, now *Part) error {
	if now.Size == 0 {
		return nil
	}
	tree := tlog.Tree{N: int64(now.Size), Hash: now.Root}
	hashes := tlog.TileHashReader(tree, tileFolder{p.dir})
	if _, err := tlog.TreeHash(tree.N, hashes); err != nil {
		return fmt.Errorf("the tiles do not fit to the checkpoint: %w", err)
	}
	if before.Size == 0 {
		return nil
	}
	old, err := tlog.TreeHash(int64(before.Size), hashes)
	if err != nil {
		return fmt.Errorf("the tiles do not fit to the checkpoint: %w", err)
	}
	if old != before.Root {
		return fmt.Errorf("%w: the first %d records are not those of the copy", ErrNotThatLog, before.Size)
	}
	return nil
}
