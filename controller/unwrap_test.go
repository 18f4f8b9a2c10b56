package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// fakeElsewhere is a fake of a key in Vault: each ciphertext takes it 10 ms.
type fakeElsewhere struct {
	age.Identity
	mu      sync.Mutex
	batches []int
	at      []time.Time
	flying  int
	most    int
	fail    error
	asked   [][]byte
	hang    time.Duration
	each    time.Duration // besides, for each ciphertext
}

func (f *fakeElsewhere) Prefetched([]byte) bool { return false }

func (f *fakeElsewhere) Prefetch(ctx context.Context, ciphertexts [][]byte) error {
	f.mu.Lock()
	f.batches, f.at, f.asked = append(f.batches, len(ciphertexts)), append(f.at, time.Now()), append(f.asked, ciphertexts...)
	f.flying++
	f.most = max(f.most, f.flying)
	fail, wait := f.fail, f.hang+time.Duration(len(ciphertexts))*(10*time.Millisecond+f.each)
	f.mu.Unlock()
	keyring.NoteRequest(ctx, "request")
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.flying--
	}()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return fail
	}
}

// trailLog is an audit log in memory.
type trailLog struct {
	audit.Log
	mu    sync.Mutex
	trail []string
	fail  error
	slow  time.Duration // of outcomes
	n     int
}

func (l *trailLog) Intent(_ context.Context, op audit.Operation, _ ...audit.Standing) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return "", l.fail
	}
	l.n++
	l.trail = append(l.trail, fmt.Sprintf("intent %d %s %s/%s keys=%d %s", l.n, op.Action, op.Object.Kind, op.Object.Name, len(op.Keys), op.Keys[0].Envelope))
	return fmt.Sprint(l.n), nil
}

func (l *trailLog) Outcome(_ context.Context, id string, out audit.Outcome) error {
	time.Sleep(l.slow)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trail = append(l.trail, fmt.Sprintf("outcome %s %t %s %s", id, out.OK, out.Reason, out.VaultRequest))
	return nil
}

// stage is an unwrapper whose queue is a list, over one key elsewhere.
type stage struct {
	*unwrapper
	key   *fakeElsewhere
	log   *trailLog
	keyID string

	qmu    sync.Mutex
	queued []types.NamespacedName
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{key: &fakeElsewhere{}, log: &trailLog{}}
	id := seal.NewIdentity("waxrsa1x", s.key)
	s.keyID = id.KeyID()
	live := &keyring.Live{}
	live.Store(keyring.NewRing([]keyring.Part{{Keyring: "prod-eu", Keys: []keyring.Key{keyring.NewKey("prod-eu", id, keyring.Active, time.Now(), time.Now())}}}, nil))
	half := func() float64 { return 0.5 }
	s.unwrapper = newUnwrapper(live, s.log, newMemory(half), Config{Now: time.Now, Jitter: half, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	s.ctx = ctx
	s.queue = func(keys []types.NamespacedName) {
		s.qmu.Lock()
		defer s.qmu.Unlock()
		s.queued = append(s.queued, keys...)
	}
	return s
}

func waiter(n int) types.NamespacedName {
	return types.NamespacedName{Namespace: "prod", Name: fmt.Sprintf("db-%05d", n)}
}

func (s *stage) need(n int) unseal.Remote {
	return unseal.Remote{
		KeyID: s.keyID, Uses: []v1alpha1.KeyUse{{Keyring: "prod-eu", ID: s.keyID, Envelope: fmt.Sprintf("envelope-%05d", n)}}, Ciphertexts: [][]byte{fmt.Append(nil, n)},
	}
}

func (s *stage) take() []types.NamespacedName {
	s.qmu.Lock()
	defer s.qmu.Unlock()
	all := s.queued
	s.queued = nil
	return all
}

func TestOneObjectAloneIsNotDelayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		if out := s.ask(waiter(1), s.need(1)); out != nil {
			t.Fatalf("%+v", out)
		}
		time.Sleep(15 * time.Millisecond) // 10 of them are the key's
		synctest.Wait()
		if got := s.take(); !slices.Equal(got, []types.NamespacedName{waiter(1)}) {
			t.Errorf("queued are %v", got)
		}
		if p := s.come(waiter(1), []unseal.Remote{{KeyID: s.keyID}}); !p.fetched || p.missing != nil {
			t.Errorf("%+v", p)
		}
		want := []string{"intent 1 key.unwrap Keyring/prod-eu keys=1 envelope-00001", "outcome 1 true  request"}
		if !slices.Equal(s.log.trail, want) {
			t.Errorf("%q", s.log.trail)
		}
		if len(s.lanes) != 0 {
			t.Error("its lane stays")
		}
	})
}

func TestAColdStartOfTwoThousandTakesAtMostTwentyRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		began := time.Now()
		go func() {
			for n := range 2000 {
				s.ask(waiter(n), s.need(n))
				time.Sleep(time.Millisecond)
			}
		}()
		opened := map[types.NamespacedName]bool{}
		for len(opened) < 2000 && time.Since(began) < time.Minute {
			time.Sleep(time.Millisecond)
			for _, key := range s.take() {
				s.come(key, []unseal.Remote{{KeyID: s.keyID}})
				opened[key] = true
			}
		}
		synctest.Wait() // for the records of the last request
		if len(opened) != 2000 || len(s.key.batches) > 20 || slices.Max(s.key.batches) > keyring.MaxPrefetch || s.key.most > maxFlying {
			t.Errorf("%d objects were opened, after %d requests of %v, %d at a time", len(opened), len(s.key.batches), s.key.batches, s.key.most)
		}
		if len(s.log.trail) != 2*len(s.key.batches) {
			t.Errorf("%d records", len(s.log.trail))
		}
		// With two at a time the key is at work all the time but for the beginning and the end.
		if took := time.Since(began); took > 2000*10*time.Millisecond*6/10 {
			t.Errorf("it took %s", took)
		}
	})
}

func TestNoMoreIsAskedForThanIsUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for n := range 2000 {
			s.ask(waiter(n), s.need(n))
		}
		time.Sleep(30 * time.Second)
		if n := len(s.take()); n < maxFetched || n > maxFetched+maxFlying*keyring.MaxPrefetch {
			t.Errorf("%d are in memory and not used", n)
		}
		time.Sleep(10 * time.Minute) // nobody comes: they are gone, or were changed
		synctest.Wait()
		if n := len(s.key.asked); n != 2000 {
			t.Errorf("%d were asked for", n)
		}
	})
}

func TestWhatIsNewDoesNotWaitForAllThatIsOld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		for n := range 1000 {
			s.ask(waiter(n), s.need(n))
		}
		time.Sleep(time.Second)
		s.ask(waiter(5000), s.need(5000))
		time.Sleep(4 * time.Second)
		synctest.Wait()
		if got := s.take(); !slices.Contains(got, waiter(5000)) || !slices.Contains(got, waiter(1)) || len(got) == 1001 {
			t.Errorf("of all objects, %d were queued, among them the newest: %t, and one of the oldest: %t", len(got), slices.Contains(got, waiter(5000)), slices.Contains(got, waiter(1)))
		}
	})
}

func TestAKeyThatCannotBeAskedIsToldOnceAndAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.key.fail = errors.New("it is locked (hint: unlock it)")
		for n := range 300 {
			if out := s.ask(waiter(n), s.need(n)); out != nil {
				t.Fatalf("%+v", out)
			}
		}
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		told := s.take()
		if len(told) != 300 {
			t.Errorf("%d were queued to be told", len(told))
		}
		out := s.ask(waiter(7), s.need(7))
		if out == nil || out.Reason != unseal.KeySourceUnavailable || !strings.Contains(out.Message, "the source of keyring prod-eu cannot open with the key "+keyring.Display(s.keyID)+": it is locked (hint: unlock it)") {
			t.Errorf("%+v", out)
		}
		if n := len(s.key.batches); n < 15 || n > 40 {
			t.Errorf("%d requests in ten minutes", n)
		}
		if wait := s.key.at[len(s.key.at)-1].Sub(s.key.at[len(s.key.at)-2]); wait > lastUnwrapRetry+2*time.Second {
			t.Errorf("the last two are %s apart", wait)
		}
		if last := s.log.trail[len(s.log.trail)-1]; !strings.HasSuffix(last, "false KeySourceUnavailable request") {
			t.Error(last)
		}
		// Another that comes while it is away is told at once.
		if out := s.ask(waiter(999), s.need(999)); out == nil {
			t.Error("nothing is told of a failure that lasts")
		}
		s.key.mu.Lock()
		s.key.fail = nil
		s.key.mu.Unlock()
		time.Sleep(lastUnwrapRetry + 5*time.Second)
		synctest.Wait()
		if n := len(s.take()); n != 301 {
			t.Errorf("%d were queued when it was back", n)
		}
	})
}

func TestNothingIsAskedForWithoutAnIntent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.log.fail = errors.New("disk full")
		s.ask(waiter(1), s.need(1))
		time.Sleep(time.Minute)
		synctest.Wait()
		if out := s.ask(waiter(1), s.need(1)); len(s.key.batches) != 0 || out == nil || out.Reason != unseal.AuditUnavailable {
			t.Errorf("%d requests; %+v", len(s.key.batches), out)
		}
		s.take()
		s.log.mu.Lock()
		s.log.fail = nil
		s.log.mu.Unlock()
		time.Sleep(auditRetry + time.Second)
		synctest.Wait()
		if got := s.take(); len(got) != 1 {
			t.Errorf("queued are %v", got)
		}
	})
}

func TestAKeyThatIsSlowHoldsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.key.hang = time.Hour
		began := time.Now()
		for n := range 300 {
			s.ask(waiter(n), s.need(n))
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("asking took %s", took)
		}
		time.Sleep(unwrapTimeout + 5*time.Second)
		synctest.Wait()
		if out := s.ask(waiter(1), s.need(1)); out == nil || out.Reason != unseal.KeySourceUnavailable {
			t.Errorf("after %s: %+v", unwrapTimeout, out)
		}
	})
}

func TestAKeyThatIsNotElsewhereAnyMoreIsDecidedAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.ask(waiter(1), s.need(1))
		s.ring.Store(keyring.NewRing(nil, nil))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.take(); len(got) != 1 || len(s.key.batches) != 0 || len(s.log.trail) != 0 || len(s.lanes) != 0 {
			t.Errorf("queued are %v, after %d requests", got, len(s.key.batches))
		}
	})
}

func TestAnObjectThatIsGoneIsNotAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.ask(waiter(1), s.need(1))
		s.ask(waiter(2), s.need(2))
		s.forget(waiter(1))
		time.Sleep(time.Second)
		synctest.Wait()
		if got := s.take(); !slices.Equal(got, []types.NamespacedName{waiter(2)}) || len(s.key.asked) != 1 {
			t.Errorf("queued are %v, %d were asked for", got, len(s.key.asked))
		}
	})
}

func TestAnObjectWithMoreThanOneRequestTakesComesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		large := s.need(1)
		large.Ciphertexts = slices.Repeat(large.Ciphertexts, 300)
		s.ask(waiter(1), large)
		s.ask(waiter(2), s.need(2))
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := s.take(); len(got) != 2 || slices.Max(s.key.batches) > keyring.MaxPrefetch {
			t.Errorf("queued are %v, after %v", got, s.key.batches)
		}
		large.Ciphertexts = large.Ciphertexts[128:]
		if p := s.come(waiter(1), []unseal.Remote{large}); !p.fetched || p.missing == nil {
			t.Errorf("%+v", p)
		}
	})
}

// until opens what is queued until so many objects are, and gives which, in their order.
func (s *stage) until(n int, most time.Duration, others func()) (opened []types.NamespacedName) {
	for began := time.Now(); len(opened) < n && time.Since(began) < most; time.Sleep(time.Millisecond) {
		for _, key := range s.take() {
			s.come(key, []unseal.Remote{{KeyID: s.keyID}})
			opened = append(opened, key)
		}
		others()
	}
	return opened
}

// What does not fit beside others is split: or it would wait for as long as others come, and all behind it too.
func TestALargeObjectIsNotPassedOverAndBlocksNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		large := s.need(0)
		large.Ciphertexts = slices.Repeat(large.Ciphertexts, 110)
		s.ask(waiter(0), large)
		for n := range 600 {
			s.ask(waiter(n+1), s.need(n+1))
		}
		next := 1000
		opened := s.until(400, time.Minute, func() {
			s.ask(waiter(next), s.need(next))
			next++
		})
		if !slices.Contains(opened, waiter(0)) {
			t.Error("a large one waits for as long as others come")
		}
		if !slices.Contains(opened, waiter(1)) {
			t.Error("so do those behind it")
		}
	})
}

func TestAKeyThatIsTooSlowForAFullRequestIsAskedForLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.key.each = 500 * time.Millisecond // a full request takes 64 s
		for n := range 300 {
			s.ask(waiter(n), s.need(n))
		}
		opened := map[types.NamespacedName]bool{}
		for range 20 {
			time.Sleep(time.Minute)
			for _, key := range s.take() {
				if s.come(key, []unseal.Remote{{KeyID: s.keyID}}).fetched {
					opened[key] = true
				}
			}
		}
		if len(opened) != 300 {
			t.Errorf("after 20 minutes, %d of 300 were decrypted, by requests for %v", len(opened), s.key.batches)
		}
	})
}

// Somebody who suspends his objects while they are being decrypted would have a key stand still for a minute.
func TestAnObjectThatIsNotToBeOpenedAnyMoreTakesNoPlace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.ask(waiter(1), s.need(1))
		s.ask(waiter(2), s.need(2))
		time.Sleep(time.Second)
		synctest.Wait()
		s.ask(waiter(3), s.need(3))
		r := &gitSecrets{marks: &kept{}, unwrapper: s.unwrapper, gather: &gatherer{seen: newMemory(func() float64 { return 0 })}}
		for _, n := range []int{1, 3} {
			o := &v1alpha1.GitSecret{}
			o.Namespace, o.Name = waiter(n).Namespace, waiter(n).Name
			if _, err := r.act(t.Context(), &unseal.Input{Object: o}, unseal.Decision{Action: unseal.Leave}); err != nil {
				t.Fatal(err)
			}
		}
		s.come(waiter(2), []unseal.Remote{{KeyID: "another"}})
		time.Sleep(time.Second)
		synctest.Wait()
		if len(s.lanes) != 0 || len(s.key.asked) != 2 {
			t.Errorf("%d lanes are left, %d were asked for", len(s.lanes), len(s.key.asked))
		}
	})
}

func TestWhatWaitsHoldsNoMoreThanOneRequestTakes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		large := s.need(1)
		large.Ciphertexts = slices.Repeat(large.Ciphertexts, 4000)
		s.ask(waiter(1), large)
		s.ask(waiter(1), large)
		if n := cap(s.lanes[s.keyID].wants[waiter(1)].need.Ciphertexts); n > keyring.MaxPrefetch {
			t.Errorf("%d ciphertexts are held", n)
		}
	})
}

// The audit log is closed when the manager has ended. What was asked for by then has its outcome in it, or the next start finds an intent without one.
func TestTheEndWaitsForTheOutcomeOfWhatIsBeingAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		s.key.hang, s.log.slow = time.Hour, time.Second
		ctx, cancel := context.WithCancel(t.Context())
		s.ctx = ctx
		ended := make(chan error, 1)
		go func() { ended <- s.Start(ctx) }()
		s.ask(waiter(1), s.need(1))
		time.Sleep(time.Second)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(s.log.trail) != 2 || !strings.HasPrefix(s.log.trail[1], "outcome 1 false") {
			t.Errorf("%q", s.log.trail)
		}
		s.ask(waiter(2), s.need(2))
		time.Sleep(time.Minute)
		if len(s.key.batches) != 1 {
			t.Error("after the end something is asked for")
		}
	})
}

// A record has room for some hundreds of keys: an object with thousands would leave none for the others of its batch.
func TestARecordNamesTheEnvelopesThatAreAskedForAndNoOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStage(t)
		large := s.need(0)
		large.Uses, large.Ciphertexts = slices.Repeat(large.Uses, 4000), slices.Repeat(large.Ciphertexts, 4000)
		s.ask(waiter(0), large)
		s.ask(waiter(1), s.need(1))
		time.Sleep(time.Second + 300*time.Millisecond)
		synctest.Wait()
		if want := "intent 1 key.unwrap Keyring/prod-eu keys=128 envelope-00001"; len(s.log.trail) == 0 || s.log.trail[0] != want {
			t.Errorf("%q", s.log.trail)
		}
	})
}
