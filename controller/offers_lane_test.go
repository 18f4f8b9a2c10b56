package controller

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"
	"github.com/prometheus/client_golang/prometheus"
	signednote "golang.org/x/mod/sumdb/note"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// noMarks remembers nothing.
type noMarks struct{ marks }

func (noMarks) of(context.Context, types.NamespacedName) unseal.Marks {
	return unseal.Marks{Loaded: true}
}

// fakeRings is a keyring whose statement key lies in memory.
type fakeRings struct {
	holder      seal.Holder
	set         uint64
	signer      signednote.Signer
	verifierKey string
	asked       int
	fail        error
}

func (f *fakeRings) Offerer(context.Context, string) (keyring.Offerer, error) {
	f.asked++
	return keyring.Offerer{Holder: f.holder, Set: f.set, Signer: f.signer}, f.fail
}

func (f *fakeRings) Published() []keyring.Published {
	return []keyring.Published{{Keyring: f.holder.Name, VerifierKey: f.verifierKey}}
}

// offerTrail is an audit log in memory.
type offerTrail struct {
	audit.Log
	mu    sync.Mutex
	trail []string
	fail  error
}

func (l *offerTrail) say(format string, args ...any) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail == nil {
		l.trail = append(l.trail, fmt.Sprintf(format, args...))
	}
	return l.fail
}

func (l *offerTrail) Intent(_ context.Context, op audit.Operation, _ ...audit.Standing) (string, error) {
	return op.Object.Name, l.say("intent %s %s/%s keys=%d", op.Action, op.Object.Kind, op.Object.Name, len(op.Keys))
}

func (l *offerTrail) Outcome(_ context.Context, id string, out audit.Outcome) error {
	return l.say("outcome %s %t %s keys=%d", id, out.OK, out.Reason, len(out.Keys))
}

func (l *offerTrail) Note(_ context.Context, op audit.Operation, _ audit.Outcome) error {
	return l.say("note %s %s/%s keys=%d", op.Action, op.Object.Kind, op.Object.Name, len(op.Keys))
}

// offerStage is a lane over a fake API server, with the keyring default whose key old has given way to now.
type offerStage struct {
	*offerLane
	kube     client.Client
	trail    *offerTrail
	signs    *fakeRings
	told     *events.FakeRecorder
	old, new seal.Identity
	patch    func(*v1alpha1.GitSecret) error // before each write of a status
}

func identity(t *testing.T) seal.Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return seal.NewIdentity(id.Recipient().String(), id)
}

func holderOf(t *testing.T, name string, ids ...seal.Identity) seal.Holder {
	t.Helper()
	h := seal.Holder{Name: name}
	for _, id := range ids {
		r, err := seal.ParseRecipient(id.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		h.Recipients = append(h.Recipients, r)
	}
	return h
}

func newOfferStage(t *testing.T) *offerStage {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), clientscheme.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	s := &offerStage{trail: &offerTrail{}, told: events.NewFakeRecorder(10), old: identity(t), new: identity(t)}
	s.kube = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.GitSecret{}).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			if s.patch != nil {
				if err := s.patch(&v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName()}}); err != nil {
					return err
				}
			}
			return c.SubResource(sub).Patch(ctx, o, p, opts...)
		},
	}).Build()
	s.signs = &fakeRings{holder: holderOf(t, "default", s.new), set: 2}
	signerKey, verifierKey, err := statement.GenerateKey(rand.Reader, "default")
	if err != nil {
		t.Fatal(err)
	}
	if s.signs.signer, err = statement.NewSigner(signerKey); err != nil {
		t.Fatal(err)
	}
	s.signs.verifierKey = verifierKey
	live := &keyring.Live{}
	live.Store(s.ringOf(keyring.NewKey("default", s.old, keyring.Deactivated, time.Now(), time.Now())))
	quiet, half := slog.New(slog.DiscardHandler), func() float64 { return 0.5 }
	cfg := Config{Now: time.Now, Jitter: half, Log: quiet, OffersAtMost: 500}
	s.offerLane = newOfferLane(cfg, newOffers(), live, s.trail)
	seen := newMemory(half)
	s.gather = &gatherer{cache: s.kube, live: s.kube, ring: live, seen: seen, marks: noMarks{}, home: "home", namespaced: true, now: time.Now}
	s.report = &reporter{status: s.kube, events: newAnnouncer(s.told, func() {}, time.Now), audit: s.trail, seen: seen, now: time.Now, log: quiet}
	s.status, s.rings, s.epoch, s.last = s.kube, s.signs, 1, live.Load()
	s.made = prometheus.NewCounter(prometheus.CounterOpts{Name: "made"})
	return s
}

// ringOf is the ring with old as it is given.
func (s *offerStage) ringOf(old keyring.Key) *keyring.Ring {
	return keyring.NewRing([]keyring.Part{{
		Keyring: "default", Policy: keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}},
		Keys: []keyring.Key{old, keyring.NewKey("default", s.new, keyring.Active, time.Now(), time.Now())},
		Set:  statement.Recipients{Holder: "default", Set: s.signs.set, Recipients: s.signs.holder.Recipients},
	}}, nil)
}

// object makes prod/NAME with so many envelopes for the old key, with its Secret and the status of that.
func (s *offerStage) object(t *testing.T, name string, envelopes int) types.NamespacedName {
	t.Helper()
	spec := &seal.Spec{Format: 1, For: seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: name}}
	spec.Items, spec.Envelopes = map[string]seal.Item{}, map[string]seal.Envelope{}
	for i := range envelopes {
		one, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(spec.For, seal.Values{fmt.Sprintf("i%04d", i): seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{holderOf(t, "default", s.old)})
		if err != nil {
			t.Fatal(err)
		}
		maps.Copy(spec.Items, one.Items)
		maps.Copy(spec.Envelopes, one.Envelopes)
	}
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: name, UID: types.UID(name), Generation: 1}, Spec: *spec}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: name, UID: "s", Annotations: map[string]string{v1alpha1.AnnotationOrigin: "prod/" + name}}}
	if err := errors.Join(s.kube.Create(t.Context(), o), s.kube.Create(t.Context(), secret)); err != nil {
		t.Fatal(err)
	}
	var uses []v1alpha1.KeyUse
	for _, id := range spec.Referenced() {
		uses = append(uses, v1alpha1.KeyUse{Keyring: "default", ID: s.old.KeyID(), Envelope: id})
	}
	o.Status = unseal.Outcome{
		Reason: unseal.Unsealed, Keys: uses, Secret: &v1alpha1.SecretRef{Name: name, UID: "s", ResourceVersion: secret.ResourceVersion, Generation: 1},
	}.Status(o.Status, 1, time.Now())
	if err := s.kube.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	s.index.shown(o)
	s.index.looked(o, s.ring.Load())
	return keyOf(o)
}

func (s *offerStage) get(t *testing.T, key types.NamespacedName) *v1alpha1.GitSecret {
	t.Helper()
	o := &v1alpha1.GitSecret{}
	if err := s.kube.Get(t.Context(), key, o); err != nil {
		t.Fatal(err)
	}
	return o
}

// deals deals with one object.
func (s *offerStage) deals(t *testing.T, key types.NamespacedName) error {
	t.Helper()
	return s.deal(t.Context(), offerJob{key: key}, newOfferSigners(t.Context(), s.rings))
}

func (s *offerStage) jobs() int {
	jobs, _ := s.index.plan(s.now(), s.epoch, s.ring.Load(), s.atMost, offerBatch)
	return len(jobs)
}

// TestAnOfferIsMadeBetweenIntentAndOutcome follows one object from its offer until that is taken back.
func TestAnOfferIsMadeBetweenIntentAndOutcome(t *testing.T) {
	s := newOfferStage(t)
	key := s.object(t, "db", 2)
	if err := s.deals(t, key); err != nil {
		t.Fatal(err)
	}
	o := s.get(t, key)
	if len(o.Status.Rewrap) != 1 || unseal.ReasonOf(o.Status) != unseal.Unsealed {
		t.Fatalf("%+v", o.Status)
	}
	offer, err := statement.OpenOffer([]byte(o.Status.Rewrap[0].Note), s.signs.verifierKey)
	if err != nil || offer.Namespace != "prod" || offer.Name != "db" || offer.Set != 2 || len(offer.Wraps) != 2 {
		t.Fatalf("%+v, %v", offer, err)
	}
	if want := []string{"intent rewrap.offered GitSecret/db keys=2", "outcome db true  keys=2"}; !slices.Equal(s.trail.trail, want) {
		t.Errorf("%q", s.trail.trail)
	}
	if s.jobs() != 0 || s.index.outstanding() != 1 {
		t.Errorf("%d jobs, %d outstanding", s.jobs(), s.index.outstanding())
	}
	if status, version := s.report.seen.latest(o); version != o.ResourceVersion || strings.Contains(fmt.Sprint(status), "AGE") {
		t.Errorf("the memory has %s of %s, with the note: %v", version, o.ResourceVersion, status.Rewrap)
	}
	if err := s.deals(t, key); err != nil || len(s.trail.trail) != 2 || s.get(t, key).ResourceVersion != o.ResourceVersion {
		t.Errorf("an offer that is there is made again: %v, %q", err, s.trail.trail)
	}
	// It comes back, as Git has it, and is opened with the new key.
	for _, w := range offer.Wraps {
		o.Spec.Envelopes[w.Envelope].Wraps["default"] = w.Wrap
	}
	o.Generation = 2
	if err := s.kube.Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := s.deals(t, key); err != nil || len(s.get(t, key).Status.Rewrap) != 1 {
		t.Errorf("the offer goes before the object was opened: %v", err)
	}
	for i := range o.Status.Keys {
		o.Status.Keys[i].ID = s.new.KeyID()
	}
	o.Status.ObservedGeneration, o.Status.Secret.Generation = 2, 2
	if err := s.kube.Status().Update(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := s.deals(t, key); err != nil || len(s.get(t, key).Status.Rewrap) != 0 {
		t.Errorf("the offer stays: %v", err)
	}
	if want := "note rewrap.seen GitSecret/db keys=2"; len(s.trail.trail) != 3 || s.trail.trail[2] != want {
		t.Errorf("%q", s.trail.trail)
	}
}

// TestOffersThatCannotBeStored holds what is recorded where somebody else writes the object meanwhile, where the API server is away, and where the audit log is.
func TestOffersThatCannotBeStored(t *testing.T) {
	s := newOfferStage(t)
	key := s.object(t, "db", 1)
	s.patch = func(*v1alpha1.GitSecret) error {
		s.patch = nil
		o := s.get(t, key)
		o.Status.OpenedWith = "somebody else"
		return s.kube.Status().Update(t.Context(), o)
	}
	if err := s.deals(t, key); err != nil {
		t.Errorf("a conflict is an error: %v", err)
	}
	if o := s.get(t, key); len(o.Status.Rewrap) != 0 || o.Status.OpenedWith != "somebody else" {
		t.Errorf("%+v", o.Status)
	}
	away := errors.New("the API server is away")
	s.patch = func(*v1alpha1.GitSecret) error { return away }
	if err := s.deals(t, key); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	want := []string{"intent rewrap.offered GitSecret/db keys=1", "outcome db false NotStored keys=0"}
	if !slices.Equal(s.trail.trail, append(want, want...)) {
		t.Errorf("%q", s.trail.trail)
	}
	s.patch, s.trail.fail = nil, errors.New("the disk is full")
	if err := s.deals(t, key); !errors.Is(err, errOffersHeld) || len(s.get(t, key).Status.Rewrap) != 0 {
		t.Errorf("offered without an intent: %v", err)
	}
	if wait := s.turn(t.Context()); wait != 0 && wait > auditRetry {
		t.Errorf("it is tried again after %s", wait)
	}
	s.trail.fail, s.signs.fail = nil, errors.New("no statement key")
	if err := s.deals(t, key); !errors.Is(err, s.signs.fail) || len(s.trail.trail) != 4 {
		t.Errorf("opened what cannot be signed for: %v, %q", err, s.trail.trail)
	}
	s.signs.fail, s.signs.set = nil, 3
	if err := s.deals(t, key); err != nil || len(s.trail.trail) != 4 {
		t.Errorf("opened for a set that has been replaced: %v, %q", err, s.trail.trail)
	}
	s.signs.set = 2
	if err := s.deals(t, key); err != nil || len(s.get(t, key).Status.Rewrap) != 1 {
		t.Errorf("it is not offered after all: %v", err)
	}
}

// TestWhatIsTooLargeIsSaidOnce holds objects whose offers would be too large: with more envelopes than can fit, and with as many as might.
func TestWhatIsTooLargeIsSaidOnce(t *testing.T) {
	for envelopes, opened := range map[int]int{statement.MaxOffer/leastOffered + 1: 0, 600: 2} {
		s := newOfferStage(t)
		key := s.object(t, "db", envelopes)
		for range 2 {
			if err := s.deals(t, key); err != nil {
				t.Fatal(err)
			}
		}
		if n := len(s.trail.trail); n != 2*opened || len(s.get(t, key).Status.Rewrap) != 0 {
			t.Errorf("%d envelopes: %q", envelopes, s.trail.trail)
		}
		if n := len(s.told.Events); n != 1 {
			t.Errorf("%d envelopes: %d events", envelopes, n)
		} else if e := <-s.told.Events; !strings.Contains(e, "RewrapNotOffered") || !strings.Contains(e, "seal rewrap") {
			t.Errorf("the event says %q", e)
		}
		if s.jobs() != 0 {
			t.Error("it is tried again")
		}
	}
}

// TestAnObjectThatLeavesNoRoomIsNotOffered holds that an offer never keeps the outcome of a later look from being stored.
func TestAnObjectThatLeavesNoRoomIsNotOffered(t *testing.T) {
	o := &v1alpha1.GitSecret{}
	o.Spec.Items = map[string]seal.Item{"a": {Value: strings.Repeat("x", seal.MaxDocument-100<<10)}}
	if fits(o, 90<<10) || !fits(o, 50<<10) {
		t.Error("what fits is something else")
	}
}

// TestTheLaneDealsWithAllOfThem has the whole lane at work, while ordinary work waits for some time and the audit log is away for some.
func TestTheLaneDealsWithAllOfThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newOfferStage(t)
		var keys []types.NamespacedName
		for i := range 200 {
			keys = append(keys, s.object(t, fmt.Sprintf("db%03d", i), 1))
		}
		var busy atomic.Bool
		waits := func() int {
			if busy.Load() {
				return 1
			}
			return 0
		}
		s.queue.Store(&waits)
		busy.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Start(ctx) }()
		time.Sleep(time.Minute)
		if n := s.index.outstanding(); n == 0 || n > 60 {
			t.Errorf("%d objects were dealt with in a minute in which ordinary work waited", n)
		}
		s.trail.mu.Lock()
		s.trail.fail = errors.New("the disk is full")
		s.trail.mu.Unlock()
		busy.Store(false)
		time.Sleep(10 * time.Second)
		held := s.index.outstanding()
		s.trail.mu.Lock()
		s.trail.fail = nil
		s.trail.mu.Unlock()
		time.Sleep(30 * time.Second)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, key := range keys {
			if len(s.get(t, key).Status.Rewrap) != 1 {
				t.Errorf("%s has no offer", key)
			}
		}
		if held > 60 {
			t.Errorf("%d objects were offered without the audit log", held)
		}
		if s.signs.asked == 0 || s.signs.asked > 30 {
			t.Errorf("the statement key was read %d times for %d objects", s.signs.asked, len(keys))
		}
	})
}

// fakeRSA is a fake of an RSA key in Vault: what it was not asked to decrypt beforehand it does not open.
type fakeRSA struct {
	*fakeElsewhere
	mu   sync.Mutex
	have map[string]bool
}

func (f *fakeRSA) Prefetch(ctx context.Context, ciphertexts [][]byte) error {
	if err := f.fakeElsewhere.Prefetch(ctx, ciphertexts); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, c := range ciphertexts {
		f.have[string(c)] = true
	}
	return nil
}

func (f *fakeRSA) Prefetched(c []byte) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.have[string(c)]
}

// TestKeysElsewhereAreAskedForManyAtATime has the old key in a place like Vault.
func TestKeysElsewhereAreAskedForManyAtATime(t *testing.T) {
	private, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := seal.NewRSARecipient(&private.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		key := &fakeRSA{fakeElsewhere: &fakeElsewhere{}, have: map[string]bool{}}
		opens := seal.NewRSAIdentity(recipient.String(), func(c []byte) ([]byte, error) {
			if !key.Prefetched(c) {
				return nil, &seal.Unusable{Err: errors.New("nobody has asked for it")}
			}
			return rsa.DecryptOAEP(sha256.New(), nil, private, c, nil)
		})
		key.Identity = seal.NewIdentities(opens)[opens.KeyID()]
		s := newOfferStage(t)
		s.old = seal.NewIdentity(recipient.String(), key)
		s.ring.Store(s.ringOf(keyring.NewKey("default", s.old, keyring.Deactivated, time.Now(), time.Now())))
		var objects []types.NamespacedName
		for i := range 40 {
			objects = append(objects, s.object(t, fmt.Sprintf("db%02d", i), 1))
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Start(ctx) }()
		time.Sleep(time.Minute)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, o := range objects {
			if len(s.get(t, o).Status.Rewrap) != 1 {
				t.Errorf("%s has no offer", o)
			}
		}
		if n := len(key.batches); n == 0 || n > 20 {
			t.Errorf("%d requests for %d ciphertexts", n, len(key.asked))
		}
		if len(s.unwrapper.lanes) != 0 {
			t.Error("something still waits for the key")
		}
	})
}
