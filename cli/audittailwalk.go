package cli

import (
	"context"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/remote"
	"github.com/waxwing-io/waxwing/cli/trail"
)

const (
	// lookBack is how many bundles before the first record that is shown are read for the intents of outcomes: a batch of intents is at most some thousand.
	lookBack = 16
	// clockTrust is how far a clock may have been set back: reading backwards for --since ends at a bundle that is that much older.
	clockTrust = 24 * time.Hour
	// maxOpen bounds the intents that wait for an outcome in memory. More than a few thousand is no real log.
	maxOpen = 1 << 16
)

// tail shows records of a log. It goes over them three times: backwards to find where to begin, forwards to know which intents have no outcome, and forwards to
// show them; so its memory does not grow with the log.
type tail struct {
	env   *Env
	o     *auditTailOptions
	log   *auditSource
	parts []*trail.Part
	// open are the intents that had no outcome so far.
	open       map[string]*audit.Operation
	shown      int
	headed     bool
	unreadable int
}

// spot is a place in the log, to the bundle.
type spot struct {
	part   int // index into parts
	bundle uint64
}

// entry is one record.
type entry struct {
	part   int // number of the part
	index  uint64
	raw    []byte
	record audit.Record
	err    error            // why record is not set
	op     *audit.Operation // of the record, or of its intent; nil where it is not known
}

func (t *tail) total() (n uint64) {
	for _, p := range t.parts {
		n += p.Size
	}
	return n
}

// past shows what is in the log now.
func (t *tail) past(ctx context.Context) error {
	if t.o.count == 0 || len(t.parts) == 0 {
		return nil
	}
	from, err := t.begin(ctx)
	if err != nil {
		return err
	}
	chosen := 0
	count := func(e *entry) error {
		if t.o.wants(e.op, e.record.Time) {
			chosen++
		}
		return nil
	}
	if err := t.walk(ctx, from, count); err != nil {
		return err
	}
	unmatched := t.open
	t.open, t.unreadable = map[string]*audit.Operation{}, 0
	skip := 0
	if t.o.count > 0 {
		skip = max(0, chosen-t.o.count)
	}
	return t.walk(ctx, from, func(e *entry) error {
		if !t.o.wants(e.op, e.record.Time) {
			return nil
		}
		if skip > 0 {
			skip--
			return nil
		}
		_, without := unmatched[e.record.ID]
		return t.show(e, without)
	})
}

// begin finds the bundle to begin at.
func (t *tail) begin(ctx context.Context) (spot, error) {
	if t.o.count < 0 && t.o.from.IsZero() {
		return spot{}, nil
	}
	outcomes := map[string]bool{} // whose intents are not met yet
	chosen := 0
	for i := len(t.parts) - 1; i >= 0; i-- {
		for b := bundles(t.parts[i]); b > 0; b-- {
			entries, err := t.parts[i].Bundle(ctx, b-1)
			if err != nil {
				return spot{}, err
			}
			old := true
			for _, raw := range entries {
				r, err := audit.Decode(raw)
				old = old && err == nil && r.Time.Before(t.o.from.Add(-clockTrust))
				switch {
				case r.Phase == audit.PhaseOutcome && len(outcomes) < maxOpen:
					outcomes[r.ID] = true
				case t.o.wants(r.Operation, r.Time):
					chosen++
				}
			}
			for _, raw := range entries {
				if r, err := audit.Decode(raw); err == nil && r.Phase == audit.PhaseIntent && outcomes[r.ID] {
					if delete(outcomes, r.ID); t.o.wants(r.Operation, r.Time) {
						chosen++
					}
				}
			}
			if t.o.count > 0 && chosen >= t.o.count || !t.o.from.IsZero() && old {
				return spot{i, b - 1}, nil
			}
		}
	}
	return spot{}, nil
}

func bundles(p *trail.Part) uint64 { return (p.Size + trail.Width - 1) / trail.Width }

// walk calls each for the records from a bundle on. It looks at some bundles before it for the intents of outcomes.
func (t *tail) walk(ctx context.Context, from spot, each func(*entry) error) error {
	for i, p := range t.parts {
		n := bundles(p)
		first := uint64(0)
		switch {
		case i < from.part-1:
			continue
		case i == from.part-1: // an outcome may follow in the next part
			first = n - min(n, lookBack-min(lookBack, from.bundle))
		case i == from.part:
			first = from.bundle - min(from.bundle, lookBack)
		}
		for b := first; b < n; b++ {
			before := i < from.part || i == from.part && b < from.bundle
			if err := t.bundle(ctx, p, b, 0, func(e *entry) error {
				if before {
					return nil
				}
				return each(e)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// bundle calls each for the records of a bundle, but for the first skip, and keeps account of intents.
func (t *tail) bundle(ctx context.Context, p *trail.Part, index uint64, skip int, each func(*entry) error) error {
	entries, err := p.Bundle(ctx, index)
	if err != nil {
		return err
	}
	for i, raw := range entries[min(skip, len(entries)):] {
		e := &entry{part: p.Number, index: index*trail.Width + uint64(skip+i), raw: raw}
		if e.record, e.err = audit.Decode(raw); e.err != nil {
			t.unreadable++
		}
		e.op = e.record.Operation
		switch e.record.Phase {
		case audit.PhaseIntent:
			if e.op != nil && len(t.open) < maxOpen {
				t.open[e.record.ID] = e.op
			}
		case audit.PhaseOutcome:
			e.op = t.open[e.record.ID]
			delete(t.open, e.record.ID)
		}
		if err := each(e); err != nil {
			return err
		}
	}
	return nil
}

// follow shows what is recorded from now on, until ctx ends.
func (t *tail) follow(ctx context.Context) error {
	if t.log.remote && t.o.count == 0 {
		message(t.env.Stderr, "seal: ", "following "+t.log.name)
	}
	seen := map[int]uint64{} // by the number of the part
	for _, p := range t.parts {
		seen[p.Number] = p.Size
	}
	away := false
	for ctx.Err() == nil && !readerGone(t.env.Stdout) {
		err := t.catchUp(ctx, seen)
		switch {
		case err == nil:
			away = false
		case !remote.Passing(err):
			return err
		case !away && ctx.Err() == nil:
			away = true
			message(t.env.Stderr, "seal: ", err.Error()+"; trying again")
		}
		pause(ctx, tailEvery)
	}
	return ctx.Err()
}

// catchUp shows what has been recorded since the last look. seen is how many records of each part were shown.
func (t *tail) catchUp(ctx context.Context, seen map[int]uint64) error {
	if err := t.look(); err != nil {
		return err
	}
	for _, p := range t.parts {
		for seen[p.Number] < p.Size {
			at := seen[p.Number]
			if err := t.bundle(ctx, p, at/trail.Width, int(at%trail.Width), func(e *entry) error {
				seen[p.Number] = e.index + 1
				if !t.o.wants(e.op, e.record.Time) {
					return nil
				}
				return t.show(e, false)
			}); err != nil {
				return err
			}
		}
	}
	return nil
}

// look sees how the log has grown: the last part, and parts after it.
func (t *tail) look() error {
	last := 0
	if len(t.parts) > 0 {
		last = t.parts[len(t.parts)-1].Number
	}
	var more []*trail.Part
	if !t.log.part {
		var err error
		if more, err = trail.PartsAfter(t.log.fsys, last); err != nil {
			return err
		}
	}
	// After the look for others: what is closed by then does not grow any more.
	if last > 0 {
		if err := t.parts[len(t.parts)-1].Grow(); err != nil {
			return err
		}
	}
	t.parts = append(t.parts, more...)
	return nil
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
