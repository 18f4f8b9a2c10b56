package keyring_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestWhateverIsAskedItEnds goes through all states of three keys, published and claimed in each way, with each request for the first, on a schedule by which all old keys are due.
func TestWhateverIsAskedItEnds(t *testing.T) {
	states := append([]keyring.State{""}, keyring.States()...) // "" is no key
	requests := []string{"", "Suspend", "Resume", "Deactivate", "Compromise", "Destroy"}
	hour := keyring.Rotation{Every: time.Hour, DestroyAfter: time.Hour}
	count := 0
	for i := range len(states) * len(states) * len(states) {
		var keys []keyring.Key
		for n, s := range []keyring.State{states[i%7], states[i/7%7], states[i/49]} {
			if s != "" {
				k := since(string(rune('a'+n)), s, 10+n)
				keys = append(keys, k)
			}
		}
		for j := range 3 * 4 * 4 * len(requests) {
			s := keyring.Situation{Statement: "here", Now: noon, Keys: slices.Clone(keys), Unreadable: j%3 == 1, Moving: j%3 == 2, Rotation: hour}
			if n := j / 3 & 3; n > 0 {
				s.Published = long(string(rune('a' + n - 1)))
			}
			if n := j / 12 & 3; n > 0 {
				s.Claim = long(string(rune('a' + n - 1)))[0]
			}
			if do := requests[j/48]; do != "" {
				s.Requests = ask("a", do)
			}
			if len(keys) > 0 && keys[0].State != keyring.Destroyed && j%5 == 0 {
				s.Buried = []string{keys[0].ID}
			}
			count++
			mustEndAsAsked(t, s)
		}
	}
	if count != 7*7*7*48*6 {
		t.Errorf("%d situations", count)
	}
}

// mustEndAsAsked does what Decide asks for until it has nothing more, and holds each step and the end against what may not be.
func mustEndAsAsked(t *testing.T, s keyring.Situation) {
	begin := s
	begin.Keys = slices.Clone(s.Keys)
	made := 0
	var steps []keyring.Do
	story := func() string { return fmt.Sprintf("%+v: %v", begin, steps) }
	for range 16 {
		n := keyring.Decide(s)
		steps = append(steps, n.Do)
		if n.Do == keyring.DoNothing || n.Do == keyring.DoStop {
			mustHaveEnded(t, s, n, story, made)
			return
		}
		was := slices.Clone(s.Keys)
		perform(&s, n, &made)
		for i, k := range was {
			if to := s.Keys[i].State; to != k.State && keyring.Step(k.State, to) != nil {
				t.Fatalf("%s: %v becomes %s", story(), k, to)
			}
		}
		if active := actives(s); len(active) > 2 && len(active) > len(actives(keyring.Situation{Keys: was})) {
			t.Fatalf("%s: active %v", story(), active)
		}
	}
	t.Fatalf("%s: does not end", story())
}

func actives(s keyring.Situation) (ids []string) {
	for _, k := range s.Keys {
		if k.State == keyring.Active {
			ids = append(ids, k.ID)
		}
	}
	return ids
}

func mustHaveEnded(t *testing.T, s keyring.Situation, last keyring.Next, story func() string, made int) {
	active := actives(s)
	switch {
	case made > 1:
		t.Fatalf("%s: %d keys made", story(), made)
	case last.Do == keyring.DoNothing && (len(active) != 1 || !slices.Equal(s.Published, active)):
		t.Fatalf("%s: ends with %v active and %v published", story(), active, s.Published)
	case last.Do == keyring.DoNothing && !s.Moving && !s.Unreadable:
		// Nothing is in the way: the key is fresh, and what may go has gone.
		for _, k := range s.Keys {
			if k.State == keyring.Active && !k.Activated.Equal(noon) || k.State == keyring.Deactivated && k.Since.Before(noon) {
				t.Fatalf("%s: ends with %v", story(), k)
			}
		}
	}
	if last.Do == keyring.DoNothing && !s.Moving && len(s.Buried) > 0 {
		t.Fatalf("%s: ends with %v half destroyed", story(), s.Buried)
	}
	waits := last.Message
	for _, q := range s.Outcomes(waits) {
		inTheWay := s.Moving || s.Unreadable || last.Do == keyring.DoStop
		if q.Outcome == v1alpha1.RequestWaiting && !inTheWay {
			t.Fatalf("%s: ends with %+v", story(), q)
		}
	}
}
