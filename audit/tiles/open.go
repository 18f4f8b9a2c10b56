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
	f, now, err := s.gather(k, anchor)
	if err != nil {
		return err
	}
	v := decide(f)
	s.refused(v.refuse)
	if v.refuse != nil {
		return v.refuse
	}
	if v.part != f.latest { // an empty part is one that has not begun
		if now, err = emptyTree(); err != nil {
			return err
		}
	}
	return s.openPart(ctx, k, v, f, now, version)
}

// openPart begins a part or goes on with it, and says in the log what was found.
func (s *Store) openPart(ctx context.Context, k keys, v verdict, f facts, now tree, version string) error {
	before, err := s.closedBefore(k, v, f)
	if err != nil {
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
		lost, err := s.unmatched(k, v.part, now.size)
		if err != nil {
			return fmt.Errorf("looking for intents without outcome: %w", err)
		}
		s.mu.Lock()
		s.status.Unmatched = len(lost.ids) + lost.more
		s.mu.Unlock()
		state.Unmatched, state.More = lost.ids, lost.more
		notes = append(notes, standing(audit.ActionLogStarted, s.cfg.Origin, state, text))
	}
	return s.run(ctx, k, v.part, now, before, f.anchor, version, notes)
}

// run starts Tessera on a part.
func (s *Store) run(ctx context.Context, k keys, number int, now tree, before []string, anchor audit.Anchor, version string, notes []audit.Standing) error {
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
	// The part before too: nothing sweeps it any more, and the disk may have failed, or the process been killed, when it was closed.
	if err := errors.Join(sweep(filepath.Join(s.cfg.Dir, partDir(number-1))), sweep(p.dir), probe(s.cfg.Dir)); err != nil {
		return err
	}
	if err := errors.Join(s.writeKey(k), mendClock(p.dir), s.locks.place(p.dir)); err != nil {
		return err
	}
	w, err := start(p, now, signer, s.suspect)
	if err != nil {
		s.locks.lift(p.dir)
		return err
	}
	w.keys = k
	w.anchoring = s.newAnchoring(p, k.public, before, anchor, version)
	s.open = w
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notes { // it was not written
		s.noted = s.noted && n.Operation.Action != audit.ActionLogAnchored
	}
	s.notes, s.given, s.distrust = notes, 0, nil
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
	if err := w.publish(); err != nil {
		return err
	}
	cites, _, err := w.published()
	if err != nil {
		return err
	}
	s.letGo()
	number := w.number + 1
	empty, err := emptyTree()
	if err != nil {
		return err
	}
	notes := []audit.Standing{standing(audit.ActionLogContinued, s.cfg.Origin, audit.LogState{Origin: PartOrigin(s.cfg.Origin, number), Part: number, Cites: cites}, "")}
	s.mu.Lock()
	notes = append(notes, s.notes...) // what the part before has not taken
	s.mu.Unlock()
	return s.run(ctx, w.keys, number, empty, append(w.anchoring.closed[:len(w.anchoring.closed):len(w.anchoring.closed)], cites), w.anchoring.anchor, w.anchoring.version, notes)
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
	return part{number: number, dir: filepath.Join(s.cfg.Dir, partDir(number)), verifier: verifier}, err
}

// gather gives what decide needs, and the tree of part latest. Its error is a disk that does not answer.
func (s *Store) gather(k keys, anchor audit.Anchor) (facts, tree, error) {
	f := facts{origin: s.cfg.Origin, key: k.public, ephemeral: s.cfg.Ephemeral, anchor: anchor}
	var now tree
	numbers, err := partNumbers(s.cfg.Dir)
	if err != nil {
		return f, now, err
	}
	for _, n := range numbers {
		p, err := s.part(k, n)
		if err != nil {
			return f, now, err
		}
		t, err := p.state()
		if err != nil && !isAltered(err) {
			return f, now, err
		}
		_, claimed, cerr := p.published()
		if cerr != nil && !isAltered(cerr) {
			return f, now, cerr
		}
		if err != nil || cerr != nil || t.size > 0 || claimed.size > 0 {
			f.latest, now = n, t
		}
	}
	if f.latest > 0 {
		p, err := s.part(k, f.latest)
		if err == nil {
			_, f.local = p.whole()
		}
		if err == nil && f.local == nil && s.acked.part == f.latest {
			f.local = p.has(s.acked.tree, now.size)
		}
		if err != nil {
			return f, now, err
		}
	}
	if f.local == nil && s.acked.part > f.latest {
		f.local = altered(fmt.Sprintf("this process has written part %s", partDir(s.acked.part)))
	}
	if anchor.Part > 0 && anchor.Checkpoint != "" {
		p, err := s.part(k, anchor.Part)
		if err != nil {
			return f, now, err
		}
		f.anchored = p.contains(anchor.Checkpoint)
	}
	for _, err := range []error{f.local, f.anchored} {
		if err != nil && !isAltered(err) {
			return f, now, err
		}
	}
	return f, now, nil
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
		if n, err := strconv.Atoi(e.Name()); err == nil && e.IsDir() && partName.MatchString(e.Name()) && partDir(n) == e.Name() && n > 0 {
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
