package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
)

// partCheck is one part while it is verified.
type partCheck struct {
	log      *logCheck
	dir      fs.FS
	progress func(Progress)
	out      PartReport

	tree tree
	// whole says that all records and tiles are here and fit to one another: then root is their root, and tiles can be used to compare older checkpoints.
	whole bool
	root  tlog.Hash
	// broken says that the part could not be read to its end, misfit that some of it does not fit to the rest.
	broken, misfit bool
	// badAt are the first records that do not fit.
	badAt []uint64

	bundle, other, tile []byte
	ends                []int
}

func (p *partCheck) report(f Finding) {
	f.Part = p.out.Part
	switch f.Kind {
	case KindEntries, KindTile:
		if p.misfit = true; len(p.badAt) < maxBadAt {
			p.badAt = append(p.badAt, *f.Index)
		}
	case KindCheckpoint, KindSignature:
		p.broken = true
	}
	p.log.report(f)
}

// maxBadAt is how many of them are kept in mind.
const maxBadAt = 1 << 10

// at reports something about a record.
func (p *partCheck) at(index uint64, kind Kind, format string, args ...any) {
	p.report(Finding{Index: &index, Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// from reports that nothing proves the records from index on.
func (p *partCheck) from(index uint64, kind Kind, format string, args ...any) {
	p.report(Finding{Index: &index, From: true, Kind: kind, Text: fmt.Sprintf(format, args...)})
}

// errStop ends the reading of a part after what was reported.
var errStop = errors.New("stop")

// verify reads the part. It returns errors only of the file system and of ctx.
func (p *partCheck) verify(ctx context.Context) error {
	c, ok, err := p.checkpoint()
	if err != nil || !ok {
		return err
	}
	p.out.Origin, p.out.Size, p.out.Root = c.Origin, c.Size, c.Root.String()
	if err := p.waits(); err != nil {
		return err
	}
	p.tree.full = p.checkTile
	err = p.read(ctx, c.Size)
	if err == nil {
		err = p.tree.rest(p.checkTile)
	}
	p.out.Read = p.tree.size
	if errors.Is(err, errStop) {
		p.broken = true
		return nil
	}
	if err != nil {
		return err
	}
	if p.root, err = p.tree.root(); err != nil {
		return err
	}
	p.whole = !p.misfit
	if p.whole && p.root != c.Root {
		good, err := p.proved()
		if err != nil {
			return err
		}
		p.from(good, KindRoot, "the %d records and their tiles fit to one another, but not to the root that was signed: they were replaced or reordered", c.Size)
	}
	return nil
}

// checkpoint reads the part's checkpoint; ok says that the rest can be read.
func (p *partCheck) checkpoint() (c Checkpoint, ok bool, err error) {
	raw, err := readFile(p.dir, layout.CheckpointPath, maxCheckpoint, nil)
	switch {
	case missing(err):
		if _, err := fs.Stat(p.dir, "tile"); missing(err) {
			p.report(Finding{Kind: KindEmpty, Text: "there is nothing in it yet, not even a checkpoint"})
			return c, false, nil
		}
		p.from(0, KindCheckpoint, "there are records, but no checkpoint")
		return c, false, nil
	case errors.Is(err, errFormat):
		p.from(0, KindCheckpoint, "%v", err)
		return c, false, nil
	case err != nil:
		return c, false, err
	}
	if c, err = ParseCheckpoint(raw); err != nil {
		p.from(0, KindCheckpoint, "%v", err)
		return c, false, nil
	}
	if log, n, _ := splitOrigin(c.Origin); log != p.log.out.Origin || n != p.out.Part {
		p.from(0, KindCheckpoint, "the checkpoint is of %q, not of %q part %d", cut(c.Origin, 300), p.log.out.Origin, p.out.Part)
		return c, false, nil
	}
	if c, err = p.log.open(raw); err != nil {
		p.from(0, KindSignature, "%v", err)
		return c, false, nil
	}
	if c.Cosigned {
		p.report(Finding{Kind: KindCosignature, Text: "the checkpoint has signatures of others, which were not checked"})
	}
	return c, true, nil
}

// progressEvery is in bundles.
const progressEvery = 64

// read reads the entry bundles of a tree of that size, which need not be there.
func (p *partCheck) read(ctx context.Context, size uint64) error {
	for n := uint64(0); n*width < size; n++ {
		if n%progressEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.progress(Progress{Log: p.log.Name, Part: p.out.Part, Done: n * width, Size: size})
		}
		count := inBundle(n, size)
		if err := p.readBundle(n, count); err != nil {
			return err
		}
		for i := range count {
			raw := record(p.bundle, p.ends, i)
			at := where{p.out.Part, n*width + uint64(i)}
			p.take(at, raw)
			if err := p.tree.add(tlog.RecordHash(raw)); err != nil {
				return err
			}
		}
	}
	p.progress(Progress{Log: p.log.Name, Part: p.out.Part, Done: size, Size: size})
	return nil
}

// take has the record judged.
func (p *partCheck) take(at where, raw []byte) {
	r := p.log.judge.entry(at, raw)
	if at.index == 0 {
		p.first(r)
	}
	if r == nil {
		return
	}
	if p.out.First.IsZero() {
		p.out.First = r.Time
	}
	p.out.Last = r.Time
}

// first checks that the part begins as parts do.
func (p *partCheck) first(r *audit.Record) {
	if r == nil {
		return
	}
	var action audit.Action
	cites := ""
	if r.Operation != nil {
		if action = r.Operation.Action; r.Operation.Log != nil {
			cites = r.Operation.Log.Cites
		}
	}
	switch {
	case p.out.Part == 1 && action != audit.ActionLogStarted:
		p.at(0, KindStart, "the first record is no %s", audit.ActionLogStarted)
	case p.out.Part == 1:
	case action == audit.ActionLogRestarted && cites == "":
		p.at(0, KindStart, "the part was begun on request and cites no checkpoint: none was known")
	case action != audit.ActionLogRestarted && action != audit.ActionLogContinued, cites == "":
		p.at(0, KindChain, "the first record of a part says that it goes on or was begun on request, and cites the part before: this one does not")
	}
}

// readBundle reads all there is of a bundle and leaves the one that is used in p.bundle, split. What is superseded has to fit to it, too.
func (p *partCheck) readBundle(n uint64, count int) error {
	index := n * width
	used := version{}
	found, err := p.each(layout.EntriesPath(n, 0), count, audit.MaxBundle, func(v version, b []byte) error {
		if used.width == 0 {
			if v.width < count {
				return nil
			}
			used = v
			p.bundle, p.other = b, p.bundle
			var err error
			if p.ends, err = split(b, count, v.width == count, p.ends); err != nil {
				p.at(index+uint64(len(p.ends)), KindEntries, "%s: %v", v.path, err)
				return errStop
			}
			return nil
		}
		p.other = b
		// As far as both go they are the same bytes.
		want := p.bundle[:p.ends[min(v.width, count)-1]]
		if v.width > count {
			b = b[:min(len(b), len(want))]
		}
		if !bytes.Equal(b, want) {
			p.at(index+uint64(differs(b, want, p.ends)), KindEntries, "%s and %s do not agree", v.path, used.path)
		}
		return nil
	}, index, KindEntries)
	if err != nil {
		return err
	}
	if !found {
		p.at(index, KindEntries, "%s is missing", layout.EntriesPath(n, uint8(count%width)))
		return errStop
	}
	return nil
}

// differs is the number of the first record in which two bundles differ.
func differs(a, b []byte, ends []int) int {
	at := 0
	for at < len(a) && at < len(b) && a[at] == b[at] {
		at++
	}
	for i, end := range ends {
		if at < end {
			return i
		}
	}
	return max(len(ends)-1, 0)
}

// checkTile compares the tile that follows from the records with all there is of it on the disk.
func (p *partCheck) checkTile(level int, n uint64, want []byte) error {
	count := len(want) / tlog.HashSize
	full := layout.TilePath(uint64(level), n, 0)
	index := func(hash int) uint64 { return (n*width + uint64(hash)) << (height * level) }
	found, err := p.each(full, count, width*tlog.HashSize, func(v version, b []byte) error {
		p.tile = b
		if len(b) != v.width*tlog.HashSize {
			p.at(index(0), KindTile, "%s has %d bytes, not %d", v.path, len(b), v.width*tlog.HashSize)
			return nil
		}
		for i := range min(count, v.width) {
			if hash := i * tlog.HashSize; !bytes.Equal(b[hash:hash+tlog.HashSize], want[hash:hash+tlog.HashSize]) && !p.known(index(i), index(i+1)) {
				p.at(index(i), KindTile, "%s does not fit to the records: one of them was altered", v.path)
				break
			}
		}
		return nil
	}, index(0), KindTile)
	if err == nil && !found {
		p.at(index(0), KindTile, "%s is missing", layout.TilePath(uint64(level), n, uint8(count%width)))
	}
	return err
}

// known says whether a record among those has been reported: a hash above it cannot be right then.
func (p *partCheck) known(from, to uint64) bool {
	return to-from > 1 && slices.ContainsFunc(p.badAt, func(at uint64) bool { return from <= at && at < to })
}

// each reads all files that there are of a tile or bundle; found says that one of them has at least count elements. In a growing log they come and go.
func (p *partCheck) each(full string, count, limit int, visit func(version, []byte) error, index uint64, kind Kind) (found bool, err error) {
	for range 3 {
		list, err := versions(p.dir, full, count)
		if err != nil {
			return false, err
		}
		for _, v := range list {
			buf := p.tile
			if kind == KindEntries {
				buf = p.other
			}
			b, err := readFile(p.dir, v.path, limit, buf)
			switch {
			case missing(err):
				continue
			case errors.Is(err, errFormat):
				p.at(index, kind, "%v", err)
				return found, errStop
			case err != nil:
				return false, err
			}
			if err := visit(v, b); err != nil {
				return false, err
			}
			found = found || v.width >= count
		}
		if found || len(list) == 0 {
			return found, nil
		}
	}
	return found, nil
}
