package tiles

import (
	"encoding/json"
	"slices"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/waxwing-io/waxwing/audit"
)

// lost are intents without outcome, oldest first, at most audit.MaxUnmatched of them; more counts the others.
type lost struct {
	ids  []string
	more int
}

// maxLookBack is how many records of the process before this one are looked at for intents without outcome; a million takes some seconds.
const maxLookBack = 1 << 20

// unmatched looks back from the end of a part to the record with which the process before this one started, through the parts before if need be.
func (s *Store) unmatched(k keys, number int, size int64) (lost, error) {
	var open []string // newest first
	outcomes := map[string]bool{}
	looked := 0
	for ; number > 0; number-- {
		p, err := s.part(k, number)
		if err != nil {
			return lost{}, err
		}
		if size < 0 {
			t, err := p.state()
			if isAltered(err) {
				break
			}
			if err != nil {
				return lost{}, err
			}
			size = t.size
		}
		began, err := p.backwards(size, func(r summary) {
			looked++
			switch {
			case r.Phase == audit.PhaseOutcome:
				outcomes[r.ID] = true
			case r.Phase == audit.PhaseIntent && outcomes[r.ID]:
				delete(outcomes, r.ID)
			case r.Phase == audit.PhaseIntent:
				open = append(open, r.ID)
			}
		})
		if isAltered(err) { // a part that was given up
			break
		}
		if err != nil {
			return lost{}, err
		}
		if began || looked >= maxLookBack {
			break
		}
		size = -1
	}
	slices.Reverse(open)
	l := lost{ids: open[:min(len(open), audit.MaxUnmatched)]}
	l.more = len(open) - len(l.ids)
	return l, nil
}

// summary is as much of a record as matching needs.
type summary struct {
	ID        string      `json:"id"`
	Phase     audit.Phase `json:"phase"`
	Operation struct {
		Action audit.Action `json:"action"`
	} `json:"operation"`
}

// first is the action of the part's first record, empty for none.
func (p part) first() (audit.Action, error) {
	now, err := p.state()
	if err != nil || now.size == 0 {
		return "", err
	}
	records, err := p.bundle(0, int(min(now.size, layout.EntryBundleWidth)))
	if err != nil {
		return "", err
	}
	var r summary
	if err := json.Unmarshal(records[0], &r); err != nil {
		return "", altered("it holds something that is not a record")
	}
	return r.Operation.Action, nil
}

// backwards gives the records of a part from its end to one that says that a process started, and whether there was such a record.
func (p part) backwards(size int64, see func(summary)) (bool, error) {
	for looked := 0; size > 0 && looked < maxLookBack; {
		index, n := uint64(size-1)/layout.EntryBundleWidth, int(uint64(size-1)%layout.EntryBundleWidth)+1
		records, err := p.bundle(index, n)
		if err != nil {
			return false, err
		}
		for _, raw := range slices.Backward(records) {
			var r summary
			if err := json.Unmarshal(raw, &r); err != nil {
				return false, altered("it holds something that is not a record")
			}
			if r.Operation.Action == audit.ActionLogStarted {
				return true, nil
			}
			see(r)
		}
		size -= int64(n)
		looked += n
	}
	return false, nil
}
