// Package tiles keeps the audit log as C2SP tlog-tiles on a disk, with Tessera's POSIX driver, and adds what that lacks: see Store.
package tiles

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// Config is what a Store needs.
type Config struct {
	// Dir holds a folder for each part of the log. It is made if its parent is there. One process uses it at a time.
	Dir string
	// Origin names the log: CLUSTER/REPLICA. A part's origin, the first line of its checkpoints, has the part's number behind it: CLUSTER/REPLICA/0001.
	Origin string
	// Key gives the key that signs checkpoints. It is asked for until it gives one.
	Key func(context.Context) (ed25519.PrivateKey, error)
	// Anchors hold what is known about the log outside of Dir. Without them nothing keeps a folder that was rolled back from being gone on with.
	Anchors audit.Anchors
	// AnchorEvery is how long a record may be without an anchor while the API server answers; 0 means DefaultAnchorEvery.
	AnchorEvery time.Duration
	// Ephemeral says that Dir goes with the pod: a log that is gone then begins a new part by itself.
	Ephemeral bool
	// PartSize is how many records a part takes before the next one begins, give or take a batch; 0 means DefaultPartSize.
	PartSize int64
	// Patience is how long Tessera may be at work until nothing more is taken, and how long Close waits for the last checkpoint; 0 means DefaultPatience.
	Patience time.Duration
	Now      func() time.Time
	Log      *slog.Logger
}

const (
	// DefaultPartSize keeps a part at some 600 MiB.
	DefaultPartSize = 1 << 20
	// DefaultAnchorEvery is well under what an attacker on the volume may have unnoticed: 10 s.
	DefaultAnchorEvery = 5 * time.Second
	// DefaultPatience is more than a busy disk takes, and well under the 15 s after which audit.Recorder leaves a store alone that is being closed.
	DefaultPatience = 5 * time.Second
	// apiWait bounds one request to the API server.
	apiWait = 5 * time.Second
)

// Store is an audit.Store. It makes Dir when it is first asked to be Ready.
//
// Records are durable in a journal first (package audit/journal), many writers' with one fdatasync, and come into the tree some tenths of a second later, many at a time. What a process
// that was killed has left in the journal the next one puts into the tree before anything else, each record once.
//
// It appends only to a tree that contains what is anchored, what our key has published and what this process has acknowledged, recomputed from the tiles; RefusedError says why
// it does not. After every failure it lets go of the part, and opens it anew with all of these checks.
type Store struct {
	cfg   Config
	lock  *os.File // of Dir
	locks locks    // Tessera's
	open  *writer  // nil while nothing can be appended
	acked struct { // by the part that was let go of last
		part    int
		tree    tree
		waiting [][]byte // for the tree
	}
	began bool   // log.started is in the log
	told  string // why it could not be opened, as last logged

	mu       sync.Mutex
	notes    []audit.Standing // what the log has to say and has not yet
	given    int              // how many of them Ready gave last
	noted    bool             // log.anchored is in the log, or in notes
	distrust error            // why the part has to be opened anew
	status   Status
}

// Status is how a log does.
type Status struct {
	// Open says that records can be appended, as far as is known.
	Open bool
	// Refused is the text of the RefusedError that keeps the log from being opened.
	Refused string
	// Part is the number of the part that is written, Size how many records it has, with those in its journal, Anchored how many of them are covered by the anchor.
	Part           int
	Size, Anchored int64
	// Covered is when the anchor was last known to cover all that was published; zero if it never was in this process.
	Covered time.Time
	// Unmatched is how many intents of the process before this one have no outcome.
	Unmatched int
}

var _ audit.Store = (*Store)(nil)

// New gives a store that has opened nothing yet.
func New(cfg Config) *Store {
	if cfg.PartSize == 0 {
		cfg.PartSize = DefaultPartSize
	}
	if cfg.AnchorEvery == 0 {
		cfg.AnchorEvery = DefaultAnchorEvery
	}
	if cfg.Patience == 0 {
		cfg.Patience = DefaultPatience
	}
	return &Store{cfg: cfg}
}

// Status is safe for concurrent use.
func (s *Store) Status() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

// Ready implements audit.Store.
func (s *Store) Ready(ctx context.Context) ([]audit.Standing, error) {
	if s.open != nil {
		err := s.check()
		var stuck *stuckError
		if errors.As(err, &stuck) {
			return nil, fmt.Errorf("the audit log: %w", err)
		}
		if err != nil {
			s.cfg.Log.WarnContext(ctx, "the audit log is opened anew", "error", err)
			s.letGo()
		}
	}
	if s.open == nil {
		if err := s.reopen(ctx); err != nil {
			s.letGo()
			if err.Error() != s.told { // it is asked once a second
				s.told = err.Error()
				s.cfg.Log.ErrorContext(ctx, "the audit log cannot be opened; it is tried again", "error", err)
			}
			return nil, fmt.Errorf("opening the audit log: %w", err)
		}
		s.told = ""
	}
	if s.open.feed.size() >= s.cfg.PartSize {
		if err := s.rotate(ctx); err != nil {
			s.letGo()
			return nil, fmt.Errorf("beginning a new part of the audit log: %w", err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.given = len(s.notes)
	return s.notes[:s.given:s.given], nil
}

// check fails when the part on the disk is not, or may not be, the one that was left there. It writes nothing and costs some 25 system calls.
func (s *Store) check() error {
	s.mu.Lock()
	err := s.distrust
	s.mu.Unlock()
	if err == nil {
		err = sameFile(s.lock)
	}
	if err == nil {
		err = s.open.look()
	}
	return err
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, records [][]byte) error {
	if s.open == nil {
		return errors.New("the audit log is not open")
	}
	if len(records) == 0 {
		return nil
	}
	s.mu.Lock()
	notes := min(s.given, len(records))
	s.mu.Unlock()
	// What the log says of itself stays first, whatever becomes of a batch.
	if err := s.open.record(records[:notes], records[notes:]); err != nil {
		s.cfg.Log.WarnContext(ctx, "the audit log cannot be written; it is opened anew", "error", err)
		s.letGo()
		return fmt.Errorf("writing the audit log: %w", err)
	}
	size := s.open.feed.size()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Size = size
	for _, n := range s.notes[:s.given] {
		s.began = s.began || n.Operation.Action == audit.ActionLogStarted
	}
	s.notes, s.given = s.notes[s.given:], 0
	return nil
}

// suspect has the part opened anew before anything else is appended.
func (s *Store) suspect(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.distrust == nil {
		s.distrust = err
	}
}

// letGo ends what runs on the open part.
func (s *Store) letGo() {
	if s.open == nil {
		return
	}
	s.open.end()
	s.locks.lift(s.open.dir)
	if s.open.acked {
		s.acked.part = s.open.number
		s.acked.tree, s.acked.waiting = s.open.feed.state()
	}
	s.open = nil
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.Open = false
}

// Close implements audit.Store. What is in the journal comes into the tree; the last checkpoint is published and, if the API server answers, anchored; the next start anchors it if not.
func (s *Store) Close() error {
	var err error
	if s.open != nil {
		if err = s.open.settle(); err != nil { // once more, as after any failure
			s.letGo()
			ctx, cancel := context.WithTimeout(context.Background(), apiWait)
			err = s.reopen(ctx)
			cancel()
		}
		if err == nil {
			err = s.open.publish()
		}
		if err == nil {
			s.open.anchoring.last()
		}
		s.letGo()
	}
	err = errors.Join(err, s.locks.close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	return err
}
