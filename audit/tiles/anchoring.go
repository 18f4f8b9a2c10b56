package tiles

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/waxwing-io/waxwing/audit"
)

// anchoring keeps the anchor up to date with what a part publishes, in a goroutine of its own until end.
type anchoring struct {
	s      *Store
	part   part
	keys   keys
	closed []string // checkpoints of the parts before, the newest audit.MaxClosed of them
	stop   context.CancelFunc
	ended  sync.WaitGroup

	mu      sync.Mutex
	anchor  audit.Anchor // as it was last loaded or saved
	version string
	failing bool
}

// newAnchoring goes on from an anchor that was loaded.
func (s *Store) newAnchoring(p part, k keys, closed []string, anchor audit.Anchor, version string) *anchoring {
	a := &anchoring{s: s, part: p, keys: k, closed: closed[max(0, len(closed)-audit.MaxClosed):], anchor: anchor, version: version, stop: func() {}}
	if s.cfg.Anchors == nil {
		return a
	}
	ctx, stop := context.WithCancel(context.Background())
	a.stop = stop
	a.ended.Go(func() {
		tick := time.NewTicker(s.cfg.AnchorEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				a.once(ctx)
			}
		}
	})
	return a
}

// end waits for the goroutine.
func (a *anchoring) end() {
	a.stop()
	a.ended.Wait()
}

// last anchors what is published, at a clean stop.
func (a *anchoring) last() {
	a.end()
	if a.s.cfg.Anchors != nil {
		a.once(context.Background())
	}
}

// once anchors the published checkpoint if the anchor does not cover it.
func (a *anchoring) once(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, apiWait)
	defer cancel()
	size, err := a.save(ctx)
	var wrong altered
	switch {
	case err == nil:
		a.failing = false
		a.s.covered(a.part.number, size)
		a.note()
	case errors.As(err, &wrong), errors.Is(err, errAsked):
		a.s.suspect(err)
	case !a.failing && ctx.Err() != context.Canceled:
		a.failing = true
		a.s.cfg.Log.WarnContext(ctx, "the audit log cannot be anchored; it is tried again", "every", a.s.cfg.AnchorEvery, "error", err)
	}
}

// errAsked is why a part is opened anew that somebody wants to be given up.
var errAsked = errors.New("a restart is asked for")

// save gives the number of records that the anchor covers.
func (a *anchoring) save(ctx context.Context) (int64, error) {
	signed, now, err := a.part.published()
	if err != nil || now.size == 0 {
		return 0, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for tries := 0; ; tries++ {
		next, needed, err := following(a.anchor, a.next(signed), a.part)
		if err == nil {
			err = a.keeps(a.anchor, next)
		}
		if err != nil || !needed {
			return now.size, err
		}
		version, err := a.s.cfg.Anchors.Save(ctx, next, a.version)
		if err == nil {
			a.anchor, a.version = next, version
			return now.size, nil
		}
		if !errors.Is(err, audit.ErrConflict) || tries > 2 {
			return 0, err
		}
		if a.anchor, a.version, err = a.s.cfg.Anchors.Load(ctx); err != nil {
			return 0, err
		}
	}
}

// keeps fails if a part that was closed in this folder does not contain what is anchored of it: somebody else has gone on with it in another folder.
func (a *anchoring) keeps(old, next audit.Anchor) error {
	if old.Part == 0 || old.Part >= next.Part || old.Checkpoint == "" || slices.Contains(next.Closed, old.Checkpoint) {
		return nil
	}
	p, err := a.s.part(a.keys, old.Part)
	if err != nil {
		return err
	}
	return p.contains(old.Checkpoint)
}

func (a *anchoring) next(signed string) audit.Anchor {
	return audit.Anchor{Origin: a.s.cfg.Origin, Key: a.keys.public, Part: a.part.number, Checkpoint: signed, Closed: a.closed}
}

// following says whether an anchor has to be replaced by next, which is about p, and fails if it may not be: an anchor only grows.
func following(old, next audit.Anchor, p part) (audit.Anchor, bool, error) {
	switch {
	case old.Restart != nil && old.Restart.Part == p.number && old.Part == p.number:
		return next, false, errAsked
	case old.Part > p.number:
		return next, false, altered(fmt.Sprintf("part %s is anchored while part %s is written", audit.PartDir(old.Part), audit.PartDir(p.number)))
	case old.Origin != "" && old.Origin != next.Origin:
		return next, false, altered("the anchor is that of the log " + old.Origin)
	case old.Part == p.number && old.Checkpoint != "":
		if old.Checkpoint == next.Checkpoint && old.Key == next.Key && slices.Equal(old.Closed, next.Closed) {
			return next, false, nil
		}
		was, err := p.open(old.Checkpoint)
		if err != nil {
			return next, false, err
		}
		now, err := p.open(next.Checkpoint)
		if err != nil {
			return next, false, err
		}
		return next, true, p.has(was, now.size)
	}
	return next, true, nil
}

// note has the log say once that it is anchored.
func (a *anchoring) note() {
	a.mu.Lock()
	cites := a.anchor.Checkpoint
	a.mu.Unlock()
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	if a.s.noted || cites == "" {
		return
	}
	a.s.noted = true
	a.s.notes = append(a.s.notes, standing(audit.ActionLogAnchored, a.s.cfg.Origin, audit.LogState{Origin: a.part.verifier.Name(), Part: a.part.number, Cites: cites}, ""))
}
