package tiles

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/journal"
)

// load gives no anchor if there is nothing that holds one.
func (s *Store) load(ctx context.Context) (audit.Anchor, string, error) {
	if s.cfg.Anchors == nil {
		return audit.Anchor{}, "", nil
	}
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	return s.cfg.Anchors.Load(ctx)
}

func (s *Store) part(k keys, number int) (part, error) {
	public, err := VerifierKey(PartOrigin(s.cfg.Origin, number), k.private)
	if err != nil {
		return part{}, err
	}
	verifier, err := note.NewVerifier(public)
	return part{number: number, dir: filepath.Join(s.cfg.Dir, audit.PartDir(number)), verifier: verifier, public: k.private.Public().(ed25519.PublicKey)}, err
}

// found is what there is of a log.
type found struct {
	facts
	now     tree     // of part latest
	waiting [][]byte // what is acknowledged and not in that tree; nothing if it cannot be gone on with
}

// gather gives what decide needs, and what is needed to go on. Its error is a disk that does not answer.
func (s *Store) gather(k keys, anchor audit.Anchor) (found, error) {
	f := found{facts: facts{origin: s.cfg.Origin, key: k.public, ephemeral: s.cfg.Ephemeral, anchor: anchor}}
	latest, now, err := s.latest(k)
	if err != nil {
		return f, err
	}
	f.latest, f.now = latest, now
	if latest > 0 {
		p, err := s.part(k, latest)
		if err != nil {
			return f, err
		}
		_, f.local = p.whole()
		if f.local == nil && s.acked.part == latest {
			f.local = p.has(s.acked.tree, now.size)
		}
		if f.local == nil {
			f.waiting, f.local = s.behind(p, now.size)
		}
	}
	if f.local == nil && s.acked.part > latest {
		f.local = altered(fmt.Sprintf("this process has written part %s", audit.PartDir(s.acked.part)))
	}
	if anchor.Part > 0 && anchor.Checkpoint != "" {
		p, err := s.part(k, anchor.Part)
		if err != nil {
			return f, err
		}
		f.anchored = p.contains(anchor.Checkpoint)
	}
	if f.granted, err = s.granted(k, anchor, latest); err != nil {
		return f, err
	}
	for _, err := range []error{f.local, f.anchored} {
		if err != nil && !isAltered(err) {
			return f, err
		}
	}
	return f, nil
}

// granted says whether a part behind the anchored one was begun on request. It may as well have come behind a full one.
func (s *Store) granted(k keys, anchor audit.Anchor, latest int) (bool, error) {
	if anchor.Restart == nil {
		return false, nil
	}
	numbers, err := partNumbers(s.cfg.Dir)
	if err != nil {
		return false, err
	}
	for _, n := range numbers {
		if n <= anchor.Part || n > latest {
			continue
		}
		p, err := s.part(k, n)
		if err != nil {
			return false, err
		}
		action, err := p.first()
		if err != nil && !isAltered(err) {
			return false, err
		}
		if err == nil && action == audit.ActionLogRestarted {
			return true, nil
		}
	}
	return false, nil
}

// latest gives the number and the tree of the newest part that has a record, or says that it has one; 0 for none.
func (s *Store) latest(k keys) (latest int, now tree, err error) {
	numbers, err := partNumbers(s.cfg.Dir)
	if err != nil {
		return 0, now, err
	}
	for _, n := range numbers {
		p, err := s.part(k, n)
		if err != nil {
			return 0, now, err
		}
		t, err := p.state()
		if err != nil && !isAltered(err) {
			return 0, now, err
		}
		_, claimed, cerr := p.published()
		if cerr != nil && !isAltered(cerr) {
			return 0, now, cerr
		}
		_, jerr := os.Lstat(filepath.Join(p.dir, journal.Name)) // a part has one when it has a record
		if jerr != nil && !errors.Is(jerr, fs.ErrNotExist) {
			return 0, now, jerr
		}
		if err != nil || cerr != nil || jerr == nil || t.size > 0 || claimed.size > 0 {
			latest, now = n, t
		}
	}
	return latest, now, nil
}

func isAltered(err error) bool {
	var a altered
	return errors.As(err, &a)
}

// partName is the name of a part's folder.
var partName = regexp.MustCompile(`^[0-9]{4,}$`)

// partNumbers gives the numbers of the parts in dir, in their order.
func partNumbers(dir string) ([]int, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var numbers []int
	for _, e := range entries {
		if n, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() && partName.MatchString(e.Name()) && audit.PartDir(n) == e.Name() && n > 0 {
			numbers = append(numbers, n)
		}
	}
	return numbers, err
}

// closedBefore gives the checkpoints of the parts before the one that is to be opened: those of the anchor, and what has been closed since.
func (s *Store) closedBefore(k keys, v verdict, f facts) ([]string, error) {
	closed := append([]string(nil), f.anchor.Closed...)
	for n := max(f.anchor.Part, 1); n < v.part; n++ {
		p, err := s.part(k, n)
		if err != nil {
			return nil, err
		}
		signed, _, err := p.published()
		if err != nil && !isAltered(err) {
			return nil, err
		}
		if n == f.anchor.Part && (v.begin != "" || f.anchored != nil) {
			signed, err = f.anchor.Checkpoint, nil // given up: what is known of it is what was anchored
		}
		if err == nil && signed != "" {
			closed = append(closed, signed)
		}
	}
	return closed, nil
}
