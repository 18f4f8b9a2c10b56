package tiles

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"github.com/waxwing-io/waxwing/audit"
)

// keys are the log's key in its forms.
type keys struct {
	private ed25519.PrivateKey
	public  string // verifier key of the log's name
}

// reopen gathers what is known of the log, decides and opens the part that is to be appended to.
func (s *Store) reopen(ctx context.Context) error {
	if err := s.takeFolder(); err != nil {
		return err
	}
	private, err := s.cfg.Key(ctx)
	if err != nil {
		return fmt.Errorf("the log's key: %w", err)
	}
	k := keys{private: private}
	if k.public, err = VerifierKey(s.cfg.Origin, private); err != nil {
		return err
	}
	anchor, version, err := s.load(ctx)
	if err != nil {
		return fmt.Errorf("the log's anchor: %w", err)
	}
	f, err := s.gather(k, anchor)
	if err != nil {
		return err
	}
	v := decide(f.facts)
	s.refused(v.refuse)
	if v.refuse != nil {
		return v.refuse
	}
	if v.part != f.latest { // an empty part is one that has not begun
		// A part that does not contain what is anchored is written and signed no more: that would make two trees of one origin.
		if len(f.waiting) > 0 && trouble(f.facts) == "" {
			if err := s.finish(ctx, k, f, version); err != nil {
				return err
			}
		}
		if f.now, err = emptyTree(); err != nil {
			return err
		}
		f.waiting = nil
	}
	return s.openPart(ctx, k, v, f, version)
}

// openPart begins a part or goes on with it, and says in the log what was found.
func (s *Store) openPart(ctx context.Context, k keys, v verdict, f found, version string) error {
	before, err := s.closedBefore(k, v, f.facts)
	if err != nil {
		return err
	}
	if err := s.run(ctx, k, v.part, f.now, before, f.anchor, version); err != nil {
		return err
	}
	if err := s.replay(f.waiting); err != nil {
		return err
	}
	state := audit.LogState{Origin: PartOrigin(s.cfg.Origin, v.part), Part: v.part, Cites: f.anchor.Checkpoint}
	var notes []audit.Standing
	if v.begin != "" {
		notes = append(notes, standing(v.begin, s.cfg.Origin, state, v.reason))
	}
	if !s.began {
		text := ""
		if f.anchor.Checkpoint == "" {
			text = "no anchor was found: nothing outside of the volume says what this log held"
		}
		lost, err := s.unmatched(k, v.part, s.open.feed.size())
		if err != nil {
			return fmt.Errorf("looking for intents without outcome: %w", err)
		}
		s.mu.Lock()
		s.status.Unmatched = len(lost.ids) + lost.more
		s.mu.Unlock()
		state.Unmatched, state.More = lost.ids, lost.more
		notes = append(notes, standing(audit.ActionLogStarted, s.cfg.Origin, state, text))
	}
	s.says(notes)
	return nil
}

// says has the next records be what the log has to say first.
func (s *Store) says(notes []audit.Standing) {
	size := s.open.feed.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notes { // it was not written
		s.noted = s.noted && n.Operation.Action != audit.ActionLogAnchored
	}
	s.notes, s.given, s.status.Size = notes, 0, size
}

// run starts Tessera on a part.
func (s *Store) run(ctx context.Context, k keys, number int, now tree, closed []string, anchor audit.Anchor, version string) error {
	p, err := s.part(k, number)
	if err != nil {
		return err
	}
	signer, err := NewSigner(p.verifier.Name(), k.private)
	if err != nil {
		return err
	}
	for _, dir := range []string{p.dir, filepath.Join(p.dir, stateDir)} {
		if err := mkdir(dir); err != nil {
			return err
		}
	}
	// The part before too: nothing sweeps it any more, and the disk may have failed, or the process been killed, when it was closed. If it was given up, its tiles are evidence.
	before := filepath.Join(s.cfg.Dir, audit.PartDir(number-1))
	if err := errors.Join(sweep(before, math.MaxInt64), sweep(p.dir, now.size), p.sweepStale(p.settled(now.size), now.size), probe(s.cfg.Dir)); err != nil {
		return err
	}
	if err := errors.Join(s.writeKey(k), mendClock(p.dir), s.locks.place(p.dir)); err != nil {
		return err
	}
	w, err := start(p, now, signer, &s.locks, s.suspect, s.cfg.Patience)
	if err != nil {
		s.locks.lift(p.dir)
		return err
	}
	w.keys = k
	w.anchoring = s.newAnchoring(p, k, closed, anchor, version)
	s.open = w
	s.mu.Lock()
	defer s.mu.Unlock()
	s.distrust = nil
	w.feed.start()
	s.status.Open, s.status.Part, s.status.Size, s.status.Anchored = true, number, now.size, 0
	if anchor.Part == number && anchor.Checkpoint != "" {
		if t, err := p.open(anchor.Checkpoint); err == nil {
			s.status.Anchored = t.size
		}
	}
	s.cfg.Log.InfoContext(ctx, "the audit log is open", "part", p.verifier.Name(), "records", now.size, "anchored", s.status.Anchored)
	return nil
}

// rotate closes the part, which is full, and begins the next.
func (s *Store) rotate(ctx context.Context) error {
	w := s.open
	if err := errors.Join(w.settle(), w.publish()); err != nil {
		return err
	}
	cites, _, err := w.published()
	if err != nil {
		return err
	}
	s.letGo()
	number := w.number + 1
	if number > maxPart {
		return lastPart(w.number)
	}
	empty, err := emptyTree()
	if err != nil {
		return err
	}
	notes := []audit.Standing{standing(audit.ActionLogContinued, s.cfg.Origin, audit.LogState{Origin: PartOrigin(s.cfg.Origin, number), Part: number, Cites: cites}, "")}
	s.mu.Lock()
	for _, n := range s.notes { // what the part before has not taken
		if n.Operation.Action == audit.ActionLogStarted {
			state := *n.Operation.Log
			state.Origin, state.Part = PartOrigin(s.cfg.Origin, number), number
			n.Operation.Log = &state
		}
		notes = append(notes, n)
	}
	s.mu.Unlock()
	closed := append(w.anchoring.closed[:len(w.anchoring.closed):len(w.anchoring.closed)], cites)
	if err := s.run(ctx, w.keys, number, empty, closed, w.anchoring.anchor, w.anchoring.version); err != nil {
		return err
	}
	s.says(notes)
	return nil
}

// takeFolder makes the folder and locks it for this process.
func (s *Store) takeFolder() error {
	if s.lock != nil {
		if err := sameFile(s.lock); err == nil {
			return nil
		}
		err := s.lock.Close()
		s.lock = nil
		if err != nil {
			return err
		}
	}
	if err := mkdir(s.cfg.Dir); err != nil {
		return err
	}
	// Open for reading, because a file system with one that is open for writing cannot be made read-only.
	f, err := os.OpenFile(filepath.Join(s.cfg.Dir, "lock"), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	if err := lock(f); err != nil {
		return errors.Join(err, f.Close())
	}
	s.lock = f
	return nil
}

// sameFile fails if the file that is open is not the one of its name any more.
func sameFile(f *os.File) error {
	have, err := f.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(f.Name())
	if err == nil && !os.SameFile(have, there) {
		err = fmt.Errorf("%s was replaced", f.Name())
	}
	return err
}

// refused remembers for Status why a log is not opened.
func (s *Store) refused(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Refused = ""
	if err != nil {
		s.status.Refused = err.Error()
	}
}

// covered remembers for Status that so many records of a part are anchored.
func (s *Store) covered(number int, size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.status.Part == number {
		s.status.Anchored, s.status.Covered = size, s.cfg.Now()
	}
}

// writeKey puts the log's verifier key beside its parts, where whoever has a copy finds it. It proves nothing to who does not have it from elsewhere too.
func (s *Store) writeKey(k keys) error {
	name := filepath.Join(s.cfg.Dir, "log.vkey")
	have, err := os.ReadFile(name)
	if err == nil && string(have) == k.public+"\n" {
		return nil
	}
	return overwrite(name, []byte(k.public+"\n"))
}

// standing is what the log says of itself.
func standing(action audit.Action, name string, state audit.LogState, message string) audit.Standing {
	return audit.Standing{
		Operation: audit.Operation{Action: action, Object: audit.Object{Kind: "AuditLog", Name: name}, Actor: audit.Actor{User: audit.Unattributed}, Log: &state},
		Outcome:   audit.Outcome{OK: true, Message: message},
	}
}
