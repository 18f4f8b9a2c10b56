package keyring_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/keyring"
)

// memoryLog is a fake audit log that counts: each intent has one outcome. The real one is under the other tests; a disk for each of thousands of runs would take too long.
type memoryLog struct {
	mu   sync.Mutex
	n    int
	open map[string]audit.Action
}

func (l *memoryLog) Intent(_ context.Context, op audit.Operation, _ ...audit.Standing) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n++
	id := strconv.Itoa(l.n)
	l.open[id] = op.Action
	return id, nil
}

func (l *memoryLog) Outcome(_ context.Context, id string, _ audit.Outcome) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.open[id]; !ok {
		return fmt.Errorf("an outcome of %s, which is not open", id)
	}
	delete(l.open, id)
	return nil
}

func (l *memoryLog) Note(context.Context, audit.Operation, audit.Outcome) error { return nil }

// life is a keyring to which things happen at random.
type life struct {
	*bench
	log  *memoryLog
	dice *rand.Rand
	kr   *v1alpha1.Keyring
	u    useTable
	seen map[string]keyring.State // every key that ever was, in its last state
	ever map[keyring.State]int    // how often a key was seen in a state
	what []string
}

func newLife(t *testing.T, seed uint64) *life {
	l := &life{dice: rand.New(rand.NewPCG(seed, 7)), kr: ring("default"), seen: map[string]keyring.State{}, ever: map[keyring.State]int{}}
	l.bench, l.log = newQuickBench(t, l.u.of)
	return l
}

// newQuickBench is a bench with a memoryLog.
func newQuickBench(t *testing.T, uses keyring.UsesFunc) (*bench, *memoryLog) {
	b, log := &bench{t: t, src: newMemorySource(t), now: noon, uses: uses}, &memoryLog{open: map[string]audit.Action{}}
	b.src.now = func() time.Time { return b.now }
	b.restart(log)
	return b, log
}

func (l *life) fail(format string, args ...any) {
	l.t.Helper()
	l.t.Fatalf("%s\n%s", fmt.Sprintf(format, args...), fmt.Sprint(l.what))
}

// happens changes something.
func (l *life) happens() {
	pick := func(of ...string) string { return of[l.dice.IntN(len(of))] }
	var ids []string
	for id := range l.seen {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	switch what := pick("time", "time", "every", "renew", "keep", "ask", "ask", "ask", "take back", "uses", "restart"); {
	case what == "time":
		l.now = l.now.Add(time.Duration(l.dice.IntN(180)) * time.Minute)
		l.say("+%s", l.now.Sub(noon))
	case what == "every":
		l.spec().Every = map[string]*metav1.Duration{"": nil, "2h": {Duration: 2 * time.Hour}}[pick("", "2h")]
		l.say("every %v", l.spec().Every)
	case what == "keep":
		l.spec().DestroyAfter = map[string]*metav1.Duration{"": nil, "3h": {Duration: 3 * time.Hour}}[pick("", "3h")]
		l.say("destroyAfter %v", l.spec().DestroyAfter)
	case what == "renew":
		l.spec().RenewBefore = &metav1.Time{Time: l.now.Add(time.Duration(l.dice.IntN(3)-1) * time.Minute)}
		l.say("renewBefore %v", l.spec().RenewBefore)
	case what == "take back" || len(ids) == 0:
		l.kr.Spec.Requests = nil
		l.say("no requests")
	case what == "ask":
		r := v1alpha1.KeyRequest{Key: ids[l.dice.IntN(len(ids))], Do: pick("Suspend", "Resume", "Resume", "Deactivate", "Compromise", "Destroy", "Destroy"), Despite: pick("", "", "Gone", "Any")}
		l.kr.Spec.Requests = append(slices.DeleteFunc(l.kr.Spec.Requests, func(o v1alpha1.KeyRequest) bool { return o.Key == r.Key }), r)
		l.say("%s %s despite %q", r.Do, r.Key[:4], r.Despite)
	case what == "uses":
		id := ids[l.dice.IntN(len(ids))]
		before := func(long ...time.Duration) time.Time { return l.now.Add(-long[l.dice.IntN(len(long))]) }
		l.u.uses = keyring.Uses{
			Unseen: pick("", "", "", "x"), Since: before(0, time.Hour, 100*time.Hour, 10000*time.Hour), Again: before(0, time.Minute, 50*time.Hour, 100*time.Hour),
			Keys: map[string]keyring.KeyUses{id: {Objects: l.dice.IntN(2), Gone: l.dice.IntN(2), LastGone: before(time.Minute, time.Hour)}},
		}
		l.say("uses %+v", l.u.uses)
	case what == "restart":
		l.restart(l.log)
	}
}

func (l *life) say(format string, args ...any) { l.what = append(l.what, fmt.Sprintf(format, args...)) }

func (l *life) spec() *v1alpha1.Rotation {
	if l.kr.Spec.Rotation == nil {
		l.kr.Spec.Rotation = &v1alpha1.Rotation{}
	}
	return l.kr.Spec.Rotation
}

// watch holds each state of the source against what may not be. It is called with its lock.
func (l *life) watch() {
	active := 0
	for id, k := range l.src.keys {
		if k.State == keyring.Active {
			active++
		}
		before, known := l.seen[id]
		l.seen[id] = k.State
		l.ever[k.State]++
		if known && before != k.State && k.State == keyring.Destroyed && !l.mayGo(id, before) {
			l.fail("key %s was destroyed from %s", id[:4], before)
		}
		if !known || before == k.State {
			continue
		}
		if proved := keyring.Probe(k.Key, func() time.Time { return l.now }, zeros{}) == nil; proved == (k.State == keyring.Destroyed) {
			l.fail("key %s is %s, and can be proved: %t", id[:4], k.State, proved)
		}
	}
	if active > 2 {
		l.fail("%d keys are active", active)
	}
	for id := range l.seen {
		if l.src.keys[id] == nil {
			l.fail("key %s is lost", id[:4])
		}
	}
}

// zeros are random enough for probes that prove nothing to anybody.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// mayGo says whether the policy lets a key be destroyed, in other words than the code has it.
func (l *life) mayGo(id string, from keyring.State) bool {
	u := l.u.uses.Keys[id]
	after := keyring.RotationOf(&l.kr.Spec).DestroyAfter
	gone := u.Gone > 0 && (after == 0 || l.now.Sub(u.LastGone) < after)
	k, memory, again := l.src.keys[id], l.now.Sub(l.u.uses.Since), l.now.Sub(l.u.uses.Again)
	held := 72 * time.Hour
	if after > 0 && after < held {
		held = after
	}
	first := from == keyring.PreActive || !k.Created.Before(l.u.uses.Since.Add(-10*time.Minute)) || l.u.uses.Since.IsZero()
	last := from == keyring.PreActive || !k.Created.Before(l.u.uses.Again.Add(-10*time.Minute)) || l.u.uses.Again.IsZero()
	remembered := (first || after > 0 && memory >= after) && (last || again >= held)
	given := (first || memory >= 15*time.Minute) && (last || again >= 15*time.Minute)
	for _, r := range l.kr.Spec.Requests {
		if r.Key != id || r.Do != "Destroy" {
			continue
		}
		return from != keyring.Active && from != keyring.Suspended && (r.Despite == "Any" || u.Objects == 0 && l.u.uses.Unseen == "" && (remembered || r.Despite == "Gone" && given) && (!gone || r.Despite == "Gone" && l.now.Sub(u.LastGone) >= 15*time.Minute))
	}
	return from == keyring.Deactivated && after > 0 && u.Objects == 0 && !gone && l.u.uses.Unseen == "" && (l.u.uses.Since.IsZero() || memory >= after) && (l.u.uses.Again.IsZero() || again >= held)
}

// rests runs the Manager, killed at a random operation, until it gets through, and holds the end against what may not be.
func (l *life) rests() {
	killed := 0
	hook := func(string, int) error {
		l.watch()
		if killed < 3 && l.dice.IntN(12) == 0 {
			killed++
			return errCrash
		}
		return nil
	}
	l.src.before, l.src.after = hook, hook
	res, err := l.m.Ensure(l.t.Context(), l.kr)
	for ; errors.Is(err, errCrash); res, err = l.m.Ensure(l.t.Context(), l.kr) {
		l.restart(l.log)
	}
	l.src.before, l.src.after = nil, nil
	l.watch()
	l.say("%s: %s", res.Reason, res.Message)
	suspended := len(l.src.inState(keyring.Suspended)) > 0
	switch {
	case err != nil:
		l.fail("%v", err)
	case len(l.log.open) > 0:
		l.fail("intents without an outcome: %v", l.log.open)
	case !res.Ready && (res.Reason != keyring.ReasonNoActiveKey || !suspended || len(l.src.inState(keyring.Active)) > 0):
		l.fail("not ready, and no key is suspended")
	case res.Ready:
		mustBeWhole(l.t, l.src, res)
	}
	for _, q := range res.Requests {
		if q.Outcome == v1alpha1.RequestWaiting && res.Ready {
			l.fail("%+v", q)
		}
	}
	for _, k := range l.src.inState(keyring.Active) {
		if at := res.NextRotation; at != nil && !at.After(l.now) {
			l.fail("key %s should have been replaced at %s", k[:4], at)
		}
	}
	if again, err := l.m.Ensure(l.t.Context(), l.kr); err != nil || len(again.Done) > 0 {
		l.fail("it does not rest: %v, %v", again.Done, err)
	}
}

// TestWhateverHappensNoKeyIsLost has things happen to keyrings at random, with a Manager that is killed again and again.
func TestWhateverHappensNoKeyIsLost(t *testing.T) {
	all := map[keyring.State]int{}
	for seed := range uint64(40) {
		l := newLife(t, seed)
		l.say("seed %d", seed)
		for range 40 {
			l.happens()
			l.rests()
		}
		for state, n := range l.ever {
			all[state] += n
		}
	}
	for _, state := range []keyring.State{keyring.Active, keyring.Suspended, keyring.Deactivated, keyring.Compromised, keyring.Destroyed} {
		if all[state] == 0 {
			t.Errorf("no key came to be %s, so this test proves less: %v", state, all)
		}
	}
}
