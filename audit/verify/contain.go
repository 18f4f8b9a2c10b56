package verify

import (
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
)

// errUnknown says that a part is too broken to be compared with an older checkpoint.
var errUnknown = errors.New("the part is broken")

// contains says whether the part's tree, as it follows from its records, begins with the tree of that checkpoint.
func (p *partCheck) contains(c Checkpoint) (bool, error) {
	switch {
	case p.broken:
		return false, errUnknown
	case c.Size > p.tree.size:
		return false, nil
	case !p.whole:
		return false, errUnknown
	case c.Size == p.tree.size:
		return c.Root == p.root, nil
	}
	// Package tlog believes no tile that does not fit to the root.
	tree := tlog.Tree{N: int64(p.tree.size), Hash: p.root}
	root, err := tlog.TreeHash(int64(c.Size), tlog.TileHashReader(tree, tileReader{p.dir}))
	if err != nil {
		return false, fmt.Errorf("reading the tree of size %d: %w", c.Size, err)
	}
	return root == c.Root, nil
}

// proved is how many records are as they were anchored.
func (p *partCheck) proved() (uint64, error) {
	good := uint64(0)
	for _, a := range p.log.known {
		if a.part != p.out.Part {
			continue
		}
		ok, err := p.contains(a.c)
		if err != nil && !errors.Is(err, errUnknown) {
			return 0, err
		}
		if ok {
			good = max(good, a.c.Size)
		}
	}
	return good, nil
}

// anchors compares the part with what is known of it from outside.
func (p *partCheck) anchors() error {
	good, err := p.proved()
	if err != nil {
		return err
	}
	p.out.Anchored = good
	for _, a := range p.log.known {
		if a.part != p.out.Part {
			continue
		}
		ok, err := p.contains(a.c)
		if errors.Is(err, errUnknown) {
			continue // said already
		}
		if err != nil {
			return err
		}
		p.log.out.Anchors++
		switch {
		case ok:
		case a.c.Size > p.tree.size:
			p.at(p.tree.size, KindAnchor, "%d records are anchored and %d are here: they were cut off, or this is an older copy", a.c.Size, p.tree.size)
		default:
			p.from(good, KindAnchor, "the log is another one than was anchored with %d records: it was rolled back and gone on with, or made anew", a.c.Size)
		}
	}
	return nil
}

// ends holds the parts against the ends that the parts behind them cite: a part that was closed has no more records, whoever signs them.
func (l *logCheck) ends() {
	for _, c := range l.judge.cites {
		if c.action != audit.ActionLogContinued {
			continue
		}
		cited, err := ParseCheckpoint([]byte(c.signed))
		if err != nil {
			continue // citations says so
		}
		origin, part, _ := splitOrigin(cited.Origin)
		before, p := l.parts[c.at.part-1], l.parts[part]
		if before != nil && (origin != l.out.Origin || part < c.at.part-1) {
			l.cited(c, KindChain, "it goes on from part %d of %q, which is not the part before", part, cut(origin, 300))
		}
		if p != nil && p == before && origin == l.out.Origin && !p.broken && p.tree.size > cited.Size {
			p.from(cited.Size, KindChain, "the part was closed with %d records, as part %d says, and has more", cited.Size, c.at.part)
		}
	}
}

// citations compares the checkpoints that records of l cite with the logs that they are of.
func (v *verifier) citations(l *logCheck) error {
	seen := map[string]bool{}
	strangers, gone := 0, 0
	for _, c := range l.judge.cites {
		if seen[c.signed] {
			continue
		}
		seen[c.signed] = true
		cited, err := ParseCheckpoint([]byte(c.signed))
		if err != nil {
			l.cited(c, KindCitation, "it cites what is no checkpoint: %v", err)
			continue
		}
		origin, part, _ := splitOrigin(cited.Origin)
		of := v.find(origin)
		switch {
		case of == nil:
			strangers++
			continue
		case of == l && !precedes(c, part, cited.Size):
			l.cited(c, KindChain, "it cites a checkpoint of part %d with %d records, which cannot have been there before it", part, cited.Size)
			continue
		}
		p := of.parts[part]
		if p == nil {
			gone++ // with a key of its own, perhaps
			of.missed(l, c, cited, part)
			continue
		}
		if _, err := of.open([]byte(c.signed)); err != nil {
			l.cited(c, KindCitation, "the checkpoint that it cites: %v", err)
			continue
		}
		if err := l.compare(c, cited, of, p); err != nil {
			return err
		}
	}
	if strangers > 0 {
		l.out.NotChecked = append(l.out.NotChecked, fmt.Sprintf("%d cited checkpoints of logs that were not given", strangers))
	}
	if gone > 0 {
		l.out.NotChecked = append(l.out.NotChecked, fmt.Sprintf("%d cited checkpoints of parts that are not here", gone))
	}
	return nil
}

// missed reports a part behind those that are here, of which a record of another log has a checkpoint. It may have been dropped together with the anchor that knew it.
func (l *logCheck) missed(by *logCheck, c citation, cited Checkpoint, part int) {
	if cited.Size == 0 || len(l.out.Parts) == 0 || part < l.out.Parts[len(l.out.Parts)-1].Part {
		return
	}
	if _, err := l.open([]byte(c.signed)); err != nil {
		by.cited(c, KindCitation, "the checkpoint that it cites: %v", err)
		return
	}
	text := fmt.Sprintf("record %d of part %d (%s) of %s cites it with %d records", c.at.index, c.at.part, cut(string(c.action), 60), by.Name, cited.Size)
	if l.single {
		l.about(0, KindAbsent, "part %d is not here: %s", part, text)
		return
	}
	zero := uint64(0)
	l.report(Finding{Part: part, Index: &zero, Kind: KindCitation, Text: "the part is missing: " + text})
}

// precedes says whether a checkpoint can be older than the record of the same log that cites it.
func precedes(c citation, part int, size uint64) bool {
	return part < c.at.part || part == c.at.part && size <= c.at.index
}

func (l *logCheck) cited(c citation, kind Kind, format string, args ...any) {
	l.report(Finding{Part: c.at.part, Index: &c.at.index, Kind: kind, Text: string(c.action) + ": " + fmt.Sprintf(format, args...)})
}

// compare reports if a part does not contain a checkpoint that a record of l cites. What is wrong is the part, not the record.
func (l *logCheck) compare(c citation, cited Checkpoint, of *logCheck, p *partCheck) error {
	ok, err := p.contains(cited)
	if errors.Is(err, errUnknown) || errors.Is(err, fs.ErrNotExist) {
		return nil // the part is altered anyway
	}
	if err != nil {
		return err
	}
	of.out.Citations++
	if ok {
		return nil
	}
	kind, by := KindCitation, fmt.Sprintf("record %d of part %d (%s)", c.at.index, c.at.part, cut(string(c.action), 60))
	if l != of {
		by += " of " + l.Name
	} else if p.out.Part != c.at.part {
		kind = KindChain
	}
	index := min(cited.Size, p.tree.size)
	if cited.Size > p.tree.size {
		p.at(index, kind, "%s cites this part with %d records, and %d are here: they were cut off, or this is an older copy", by, cited.Size, p.tree.size)
	} else {
		p.from(p.out.Anchored, kind, "%s cites another log than this one with %d records: it was rolled back and gone on with, or made anew", by, cited.Size)
	}
	return nil
}

func (v *verifier) find(origin string) *logCheck {
	for _, l := range v.logs {
		if l.out.Origin == origin {
			return l
		}
	}
	return nil
}
