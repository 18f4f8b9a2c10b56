package sync

import (
	"time"

	"k8s.io/apimachinery/pkg/types"
)

// Memory is what is remembered of one SecretSync from plan to plan. Losing it has pruning begin anew, and is no harm otherwise. It is for one goroutine at a time.
type Memory struct {
	missing map[types.NamespacedName]time.Time
	applied map[types.NamespacedName]Applied
}

// Decide is the function Decide with what is remembered.
func (m *Memory) Decide(in Input) Plan {
	in.Missing, in.Applied = m.missing, m.applied
	p := Decide(in)
	m.missing = p.Missing
	if len(m.applied) > 2*len(p.Inventory) {
		kept := make(map[types.NamespacedName]Applied, len(p.Inventory))
		for _, key := range p.Inventory {
			if a, ok := m.applied[key]; ok {
				kept[key] = a
			}
		}
		m.applied = kept
	}
	return p
}

// Anew has pruning begin anew: what was missing was so by another spec, or in another repository.
func (m *Memory) Anew() { m.missing = nil }

// Done notes what came of an object that was to be applied.
func (m *Memory) Done(a Apply, failure *Failure, at time.Time) {
	if failure != nil && (failure.Reason == Unavailable || failure.Reason == ChangedMeanwhile) {
		return // that has nothing to do with what was written
	}
	if m.applied == nil {
		m.applied = map[types.NamespacedName]Applied{}
	}
	before, known := m.applied[a.Object.Key]
	pace := firstPace
	switch {
	case !known || before.Digest != a.Object.Digest:
	case failure != nil && before.Failure != nil:
		pace = min(2*before.Pace, lastRest)
	// Somebody who undoes it each time has it applied more and more rarely; who has left it alone for a while begins anew.
	case failure == nil && a.Why == Drifted && at.Sub(before.At) < 2*before.Pace:
		pace = min(2*before.Pace, lastPace)
	}
	m.applied[a.Object.Key] = Applied{Digest: a.Object.Digest, At: at, Pace: pace, Failure: failure}
}
