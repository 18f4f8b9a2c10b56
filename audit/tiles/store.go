// Package tiles keeps the audit log as C2SP tlog-tiles on a disk, with Tessera's POSIX driver, and adds what that lacks: see Store.
package tiles

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/api/layout"
	"github.com/transparency-dev/tessera/storage/posix"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// Config is what a Store needs.
type Config struct {
	// Dir holds a folder for each part of the log. It is made if its parent is there. One process uses it at a time.
	Dir string
	// Origin names the log: CLUSTER/REPLICA. A part's origin, the first line of its checkpoints, has the part's number behind it: CLUSTER/REPLICA/0001.
	Origin string
	// Key gives the key that signs checkpoints. It is asked for until it gives one.
	Key func(context.Context) (ed25519.PrivateKey, error)
	// Anchors hold what is known about the log outside of Dir.
	Anchors audit.Anchors
	// Ephemeral says that Dir goes with the pod: a log that is gone then begins a new part by itself.
	Ephemeral bool
	// PartSize is how many records a part takes before the next one begins; 0 means DefaultPartSize.
	PartSize uint64
	Now      func() time.Time
	Log      *slog.Logger
}

const (
	// The Recorder has gathered already: a batch is what Append was given. Tessera waits out the age all the same, and cuts a batch that takes longer to be handed over.
	batchSize = 512
	batchAge  = 500 * time.Microsecond
	// The least that Tessera takes. A checkpoint costs two fsyncs beside the six of a batch, and Close waits for it.
	checkpointInterval = 100 * time.Millisecond
	// A batch writes its last, partial bundle anew. Those that are full by now go soon, or they would be most of the volume.
	garbageInterval = 3 * time.Second
	publishWait     = 10 * time.Second
)

// DefaultPartSize keeps a part at some 600 MiB.
const DefaultPartSize = 1 << 20

// Store is an audit.Store. It makes Dir when it is first asked to be Ready.
type Store struct {
	cfg      Config
	lockFile *os.File
	stop     context.CancelFunc
	add      tessera.AddFn
	shutdown func(context.Context) error
	started  bool
	part     int
	size     uint64 // of the part, as far as this process has made it
}

var _ audit.Store = (*Store)(nil)

// New gives a store that has opened nothing yet.
func New(cfg Config) *Store { return &Store{cfg: cfg} }

// Ready implements audit.Store.
func (s *Store) Ready(ctx context.Context) ([]audit.Standing, error) {
	if s.add == nil {
		if err := s.open(ctx); err != nil {
			return nil, fmt.Errorf("opening the audit log: %w", err)
		}
	}
	if s.started {
		return nil, nil
	}
	return []audit.Standing{{
		Operation: audit.Operation{
			Action: audit.ActionLogStarted, Object: audit.Object{Kind: "AuditLog", Name: s.cfg.Origin}, Actor: audit.Actor{User: audit.Unattributed},
			Log: &audit.LogState{Origin: s.origin(), Part: s.part},
		},
		Outcome: audit.Outcome{OK: true},
	}}, nil
}

func (s *Store) origin() string { return PartOrigin(s.cfg.Origin, s.part) }

func (s *Store) open(ctx context.Context) error {
	if err := os.Mkdir(s.cfg.Dir, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	if s.lockFile == nil {
		f, err := os.OpenFile(filepath.Join(s.cfg.Dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return err
		}
		if err := lock(f); err != nil {
			return errors.Join(err, f.Close())
		}
		s.lockFile = f
	}
	s.part = 1
	key, err := s.cfg.Key(ctx)
	if err != nil {
		return err
	}
	signer, err := NewSigner(s.origin(), key)
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	driver, err := posix.New(running, posix.Config{Path: filepath.Join(s.cfg.Dir, partDir(s.part))})
	if err != nil {
		stop()
		return err
	}
	appender, shutdown, _, err := tessera.NewAppender(running, driver, tessera.NewAppendOptions().WithCheckpointSigner(signer).
		WithBatching(batchSize, batchAge).WithCheckpointInterval(checkpointInterval).WithCheckpointRepublishInterval(0).WithGarbageCollectionInterval(garbageInterval))
	if err != nil {
		stop()
		return err
	}
	s.add, s.shutdown, s.stop = appender.Add, shutdown, stop
	return nil
}

// Append implements audit.Store.
func (s *Store) Append(ctx context.Context, records [][]byte) error {
	futures := make([]tessera.IndexFuture, len(records))
	for i, r := range records {
		futures[i] = s.add(ctx, tessera.NewEntry(r))
	}
	var errs error
	for _, f := range futures {
		i, err := f()
		errs = errors.Join(errs, err)
		if err == nil {
			s.size = max(s.size, i.Index+1)
		}
	}
	s.started = s.started || errs == nil
	return errs
}

// Close implements audit.Store.
func (s *Store) Close() error {
	var err error
	if s.add != nil {
		err = s.publish()
		err = errors.Join(err, s.shutdown(context.Background()))
		s.stop()
	}
	if s.lockFile != nil {
		err = errors.Join(err, s.lockFile.Close())
	}
	return err
}

// publish has a checkpoint published that covers all records, and waits for it. Tessera's own wait asks ten times a second only.
func (s *Store) publish() error {
	path := filepath.Join(s.cfg.Dir, partDir(s.part), layout.CheckpointPath)
	for end := time.Now().Add(publishWait); ; time.Sleep(5 * time.Millisecond) {
		size, err := verify.TreeSize(os.DirFS(filepath.Dir(path)))
		if err == nil && size >= s.size {
			return nil
		}
		if time.Now().After(end) {
			return errors.Join(fmt.Errorf("no checkpoint was published that covers %d records", s.size), err)
		}
		// Tessera looks at the file's time to see whether the next checkpoint is due. It is.
		_ = os.Chtimes(path, time.Time{}, time.Unix(0, 0))
	}
}
