package seal_test

import (
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// world is a sealed object with two items, two holders and everything else that a change must leave alone.
type world struct {
	prod, next, glass party
	spec              *seal.Spec
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{prod: classical(t), next: classical(t), glass: classical(t)}
	w.spec = mustSeal(t, strictDB, values("user", "app", "password", "canary-not-a-secret"), w.holders()...)
	w.spec.Type = "Opaque"
	immutable := true
	w.spec.Immutable = &immutable
	w.spec.Template = &seal.Template{Data: map[string]string{"dsn": "{{ .user }}"}}
	sign(t, w.spec)
	return w
}

func (w *world) holders() []seal.Holder {
	return []seal.Holder{holder("glass", w.glass), holder("prod", w.prod)}
}

func sign(t testing.TB, spec *seal.Spec) {
	t.Helper()
	c, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Sign(nil, sshSigner(t), rand.Reader); err != nil {
		t.Fatal(err)
	}
}

func keysOf(parties ...party) seal.Identities {
	var ids []seal.Identity
	for _, p := range parties {
		ids = append(ids, p.Identity)
	}
	return seal.NewIdentities(ids...)
}

func wantValues(t *testing.T, spec *seal.Spec, p party, want map[string]string) {
	t.Helper()
	got, err := open(spec, prodDB, p)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

// wantSame compares all but items, envelopes and the signature, and the items and envelopes that were there and still are.
func wantSame(t *testing.T, before, after *seal.Spec, changed ...string) {
	t.Helper()
	for name, item := range after.Items {
		if old, ok := before.Items[name]; ok && !slices.Contains(changed, name) && old != item {
			t.Errorf("item %s changed", name)
		}
	}
	for id, e := range after.Envelopes {
		if old, ok := before.Envelopes[id]; ok {
			if diff := cmp.Diff(old, e); diff != "" {
				t.Errorf("envelope %s changed:\n%s", id, diff)
			}
		}
	}
	a, b := *before, *after
	a.Items, a.Envelopes, a.Signature = nil, nil, nil
	b.Items, b.Envelopes, b.Signature = nil, nil, nil
	if diff := cmp.Diff(a, b); diff != "" {
		t.Errorf("other members changed:\n%s", diff)
	}
}

func TestPut(t *testing.T) {
	for name, c := range map[string]struct {
		put       seal.Values
		want      map[string]string
		envelopes int
	}{
		"a further item gets an envelope of its own": {
			values("token", "t"), map[string]string{"user": "app", "password": "canary-not-a-secret", "token": "t"}, 2},
		"an item that is replaced moves to the new envelope": {
			values("password", "new"), map[string]string{"user": "app", "password": "new"}, 2},
		"two items share the new envelope": {
			values("password", "new", "token", ""), map[string]string{"user": "app", "password": "new", "token": ""}, 2},
		"an envelope that no item names any more is dropped": {
			values("user", "u", "password", "p"), map[string]string{"user": "u", "password": "p"}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			before := w.spec.DeepCopy()
			if err := sealer().Put(w.spec, c.put, w.holders()); err != nil {
				t.Fatal(err)
			}
			wantSame(t, before, w.spec, c.put.Names()...)
			if len(w.spec.Envelopes) != c.envelopes {
				t.Errorf("%d envelopes, want %d", len(w.spec.Envelopes), c.envelopes)
			}
			if w.spec.Signature != nil {
				t.Error("the signature was kept")
			}
			wantValues(t, w.spec, w.prod, c.want)
			wantValues(t, w.spec, w.glass, c.want)
		})
	}
}

func TestPutDropsAnEnvelopeThatNobodyNamed(t *testing.T) {
	w := newWorld(t)
	other := mustSeal(t, strictDB, values("x", "y"), holder("prod", w.prod))
	maps.Copy(w.spec.Envelopes, other.Envelopes)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 2 || slices.Contains(slices.Collect(maps.Keys(w.spec.Envelopes)), other.Items["x"].Envelope) {
		t.Errorf("envelopes are %v", slices.Sorted(maps.Keys(w.spec.Envelopes)))
	}
}

func TestPutOfNothingChangesNothing(t *testing.T) {
	w := newWorld(t)
	before := w.spec.DeepCopy()
	if err := sealer().Put(w.spec, nil, nil); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(before, w.spec); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestSealOfNothingIsChecked(t *testing.T) {
	spec, err := sealer().Seal(strictDB, nil, nil)
	if err != nil || len(spec.Items) != 0 {
		t.Errorf("%v, %v", spec, err)
	}
	if spec, err := sealer().Seal(seal.For{Scope: "strict"}, nil, nil); seal.Outcome(err) != "InvalidFormat" || spec != nil {
		t.Errorf("a wrong place: %v, %v", spec, err)
	}
}

func TestACheckedObjectOutlivesAChange(t *testing.T) {
	w := newWorld(t)
	c, err := seal.Check(w.spec.DeepCopy())
	if err != nil {
		t.Fatal(err)
	}
	if err := sealer().Put(c.Spec(), values("user", "other"), w.holders()); err != nil {
		t.Fatal(err)
	}
	if got, err := open(c.Spec(), prodDB, w.prod); err != nil || got["user"] != "other" {
		t.Errorf("the changed spec: %v, %v", got, err)
	}
}

func TestRemove(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	sign(t, w.spec)
	before := w.spec.DeepCopy()
	if err := seal.Remove(w.spec, "token"); err != nil {
		t.Fatal(err)
	}
	wantSame(t, before, w.spec)
	if len(w.spec.Envelopes) != 1 || w.spec.Signature != nil {
		t.Errorf("%d envelopes, signature %v", len(w.spec.Envelopes), w.spec.Signature)
	}
	wantValues(t, w.spec, w.prod, map[string]string{"user": "app", "password": "canary-not-a-secret"})
	if err := seal.Remove(w.spec, "user", "password"); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 0 {
		t.Error("an envelope is left without items")
	}
	wantValues(t, w.spec, w.prod, map[string]string{})
}

func TestRewrap(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), []seal.Holder{holder("glass", w.glass)}); err != nil {
		t.Fatal(err)
	}
	sign(t, w.spec)
	before := w.spec.DeepCopy()
	// The envelope of token has no wrap of prod, so that prod's key is enough.
	if n, err := seal.Rewrap(w.spec, holder("prod", w.next), keysOf(w.prod)); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	want := before.DeepCopy()
	for id, e := range w.spec.Envelopes {
		if wrap, ok := e.Wraps["prod"]; ok {
			if diff := cmp.Diff([]string{w.prod.Identity.KeyID()}, wrap.WrappedBefore); diff != "" {
				t.Errorf("wrappedBefore:\n%s", diff)
			}
			if diff := cmp.Diff([]string{w.next.Identity.KeyID()}, wrap.Keys); diff != "" {
				t.Errorf("keys:\n%s", diff)
			}
			want.Envelopes[id].Wraps["prod"] = wrap
		}
	}
	if diff := cmp.Diff(want, w.spec); diff != "" {
		t.Errorf("more than one wrap changed:\n%s", diff)
	}
	if _, err := mustCheck(t, w.spec).VerifySignature(nil); err != nil {
		t.Errorf("the signature: %v", err)
	}
	if err := seal.Remove(w.spec, "token"); err != nil {
		t.Fatal(err)
	}
	wantValues(t, w.spec, w.next, map[string]string{"user": "app", "password": "canary-not-a-secret"})
	if _, err := open(w.spec, prodDB, w.prod); seal.Outcome(err) != "NoMatchingKey" {
		t.Errorf("the old key: %v", err)
	}
}

func mustCheck(t testing.TB, spec *seal.Spec) *seal.Checked {
	t.Helper()
	c, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestARewrapThatFailsHalfWayChangesNothing(t *testing.T) {
	w := newWorld(t)
	later := seal.Sealer{Rand: rand.Reader, Now: at("2026-11-24T00:00:00Z")}
	if err := later.Put(w.spec, values("token", "t"), []seal.Holder{holder("prod", w.next)}); err != nil {
		t.Fatal(err)
	}
	before := w.spec.DeepCopy()
	if n, err := seal.Rewrap(w.spec, holder("prod", w.glass), keysOf(w.prod)); seal.Outcome(err) != "NoMatchingKey" || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if diff := cmp.Diff(before, w.spec); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestRewrapLeavesAnEnvelopeThatNoItemNames(t *testing.T) {
	w := newWorld(t)
	other := mustSeal(t, strictDB, values("x", "y"), holder("prod", w.prod))
	maps.Copy(w.spec.Envelopes, other.Envelopes)
	id := other.Items["x"].Envelope
	before := w.spec.DeepCopy().Envelopes[id]
	if n, err := seal.Rewrap(w.spec, holder("prod", w.next), keysOf(w.prod)); err != nil || n != 1 {
		t.Fatalf("%d, %v", n, err)
	}
	if diff := cmp.Diff(before, w.spec.Envelopes[id]); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestWrappedBeforeIsASortedUnionWithoutThePresentKeys(t *testing.T) {
	w := newWorld(t)
	ring := []party{w.prod, classical(t), classical(t), classical(t)}
	var used []string
	for i := 1; i < len(ring); i++ {
		if _, err := seal.Rewrap(w.spec, holder("prod", ring[i]), keysOf(ring[i-1])); err != nil {
			t.Fatal(err)
		}
		used = append(used, ring[i-1].Identity.KeyID())
		slices.Sort(used)
		for _, e := range w.spec.Envelopes {
			if diff := cmp.Diff(used, e.Wraps["prod"].WrappedBefore); diff != "" {
				t.Errorf("after %d:\n%s", i, diff)
			}
		}
	}
	// Back to a key that was used before: it leaves the list.
	if _, err := seal.Rewrap(w.spec, holder("prod", ring[1], ring[3]), keysOf(ring[3])); err != nil {
		t.Fatal(err)
	}
	want := slices.DeleteFunc(used, func(id string) bool { return id == ring[1].Identity.KeyID() })
	for _, e := range w.spec.Envelopes {
		if diff := cmp.Diff(want, e.Wraps["prod"].WrappedBefore); diff != "" {
			t.Errorf("back again:\n%s", diff)
		}
	}
}

func TestRewrapBeyondWrappedBeforeSaysReseal(t *testing.T) {
	w := newWorld(t)
	for id := range w.spec.Envelopes {
		wrap := w.spec.Envelopes[id].Wraps["prod"]
		for i := range seal.MaxWrappedBefore {
			wrap.WrappedBefore = append(wrap.WrappedBefore, forge.KeyID(strings.Repeat("x", i)))
		}
		w.spec.Envelopes[id].Wraps["prod"] = wrap
	}
	before := w.spec.DeepCopy()
	_, err := seal.Rewrap(w.spec, holder("prod", w.next), keysOf(w.prod))
	var e *seal.Error
	if !errors.As(err, &e) || seal.Outcome(err) != "InvalidFormat" || !strings.Contains(e.Hint, "reseal") {
		t.Errorf("got %v", err)
	}
	if diff := cmp.Diff(before, w.spec); diff != "" {
		t.Errorf("changed:\n%s", diff)
	}
}

func TestReseal(t *testing.T) {
	w := newWorld(t)
	if err := sealer().Put(w.spec, values("token", "t"), w.holders()); err != nil {
		t.Fatal(err)
	}
	sign(t, w.spec)
	before := w.spec.DeepCopy()
	if err := sealer().Reseal(w.spec, prodDB, []seal.Holder{holder("prod", w.next)}, keysOf(w.glass)); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 1 || w.spec.Signature != nil {
		t.Errorf("%d envelopes, signature %v", len(w.spec.Envelopes), w.spec.Signature)
	}
	for name, item := range w.spec.Items {
		if item.Value == before.Items[name].Value || item.Envelope == before.Items[name].Envelope {
			t.Errorf("%s was not sealed again", name)
		}
	}
	wantSame(t, before, w.spec, "user", "password", "token")
	wantValues(t, w.spec, w.next, map[string]string{"user": "app", "password": "canary-not-a-secret", "token": "t"})
}

func TestResealOfNothingDropsWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	w.spec.Items = nil
	sign(t, w.spec)
	if err := sealer().Reseal(w.spec, prodDB, w.holders(), keysOf(w.prod)); err != nil {
		t.Fatal(err)
	}
	if len(w.spec.Envelopes) != 0 || w.spec.Signature != nil {
		t.Errorf("%d envelopes, signature %v", len(w.spec.Envelopes), w.spec.Signature)
	}
}

func TestEveryEnvelopeAndCiphertextIsNew(t *testing.T) {
	w := newWorld(t)
	a := mustSeal(t, strictDB, values("x", "same", "y", "same"), holder("prod", w.prod))
	b := mustSeal(t, strictDB, values("x", "same", "y", "same"), holder("prod", w.prod))
	if a.Items["x"].Value == b.Items["x"].Value || a.Items["x"].Value == a.Items["y"].Value || a.Items["x"].Envelope == b.Items["x"].Envelope {
		t.Error("two sealings of one value share bytes")
	}
}

// failing reads from the system and fails for good at its nth read.
type failing struct{ left *int }

var errRand = errors.New("the random source failed")

func (f failing) Read(p []byte) (int, error) {
	if *f.left--; *f.left < 0 {
		return 0, errRand
	}
	return rand.Read(p)
}

func TestARandomSourceThatFailsAnywhereChangesNothing(t *testing.T) {
	for name, change := range map[string]func(w *world, s seal.Sealer) error{
		"put":    func(w *world, s seal.Sealer) error { return s.Put(w.spec, values("a", "1", "user", "2"), w.holders()) },
		"reseal": func(w *world, s seal.Sealer) error { return s.Reseal(w.spec, prodDB, w.holders(), keysOf(w.prod)) },
		"seal": func(w *world, s seal.Sealer) error {
			spec, err := s.Seal(strictDB, values("a", "1", "b", "2"), w.holders())
			if err != nil && spec != nil {
				t.Error("a spec beside an error")
			}
			return err
		},
	} {
		// An id, a key and a nonce for each of two items.
		for n := range 5 {
			w := newWorld(t)
			before := w.spec.DeepCopy()
			left := n
			err := change(w, seal.Sealer{Rand: failing{&left}, Now: at("2026-11-23T02:22:00Z")})
			if n == 4 {
				if err != nil {
					t.Errorf("%s with %d reads: %v", name, n, err)
				}
				continue
			}
			if !errors.Is(err, errRand) {
				t.Errorf("%s with %d reads: %v", name, n, err)
			}
			if diff := cmp.Diff(before, w.spec); diff != "" {
				t.Errorf("%s with %d reads changed:\n%s", name, n, diff)
			}
		}
	}
}

type brokenRecipient struct{}

func (brokenRecipient) Wrap([]byte) ([]*age.Stanza, error) { return nil, io.ErrClosedPipe }

func TestARefusedChangeChangesNothing(t *testing.T) {
	w := newWorld(t)
	pq, stranger := hybrid(t), classical(t)
	prod := holder("prod", w.prod)
	var many []seal.Holder
	for i := range seal.MaxWraps + 1 {
		many = append(many, holder("h"+strings.Repeat("x", i), w.prod))
	}
	nine := seal.Holder{Name: "prod"}
	for range seal.MaxRecipients + 1 {
		nine.Recipients = append(nine.Recipients, classical(t).Recipient)
	}
	put := func(v seal.Values, hs ...seal.Holder) error { return sealer().Put(w.spec, v, hs) }
	rewrap := func(h seal.Holder, parties ...party) error {
		_, err := seal.Rewrap(w.spec, h, keysOf(parties...))
		return err
	}
	x := values("x", "y")
	year10000 := func() time.Time { return time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) }
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"put without holders":                             {put(x), ""},
		"put with 33 holders":                             {put(x, many...), ""},
		"put with a holder without recipients":            {put(x, holder("prod")), ""},
		"put with 9 recipients":                           {put(x, nine), ""},
		"put with a holder twice":                         {put(x, prod, prod), ""},
		"put with a recipient twice":                      {put(x, holder("prod", w.prod, w.prod)), ""},
		"put with a holder's name that is none":           {put(x, holder("Prod", w.prod)), ""},
		"put with a recipient that fails":                 {put(x, seal.Holder{Name: "prod", Recipients: []seal.Recipient{seal.NewRecipient("x", brokenRecipient{}, seal.Classical)}}), ""},
		"put in a year of five digits":                    {seal.Sealer{Rand: rand.Reader, Now: year10000}.Put(w.spec, x, []seal.Holder{prod}), ""},
		"put with mixed recipients":                       {put(x, holder("prod", w.prod, pq)), "InvalidFormat"},
		"put with mixed holders":                          {put(x, prod, holder("pq", pq)), "InvalidFormat"},
		"put of another class than what is there":         {put(x, holder("prod", pq)), "InvalidFormat"},
		"put of a class that is not what it says":         {put(x, prod, seal.Holder{Name: "pq", Recipients: []seal.Recipient{mislabelled(t)}}), "InvalidFormat"},
		"put of an item with a wrong name":                {put(values("ok", "1", "a/b", "2"), prod), "InvalidFormat"},
		"put of more than 1 MiB":                          {put(values("x", strings.Repeat("v", seal.MaxValues+1)), prod), "TooLarge"},
		"put of more than 1 MiB in sum":                   {put(values("x", strings.Repeat("v", seal.MaxValues), "y", "v"), prod), "TooLarge"},
		"remove of an item that is not there":             {seal.Remove(w.spec, "user", "ghost"), "InvalidFormat"},
		"remove of an item twice":                         {seal.Remove(w.spec, "user", "user"), "InvalidFormat"},
		"rewrap without a key":                            {rewrap(prod, stranger), "NoMatchingKey"},
		"rewrap without recipients":                       {rewrap(holder("prod"), w.prod), ""},
		"rewrap for another class":                        {rewrap(holder("prod", pq), w.prod), "InvalidFormat"},
		"rewrap with a recipient that fails":              {rewrap(seal.Holder{Name: "prod", Recipients: []seal.Recipient{seal.NewRecipient("x", brokenRecipient{}, seal.Classical)}}, w.prod), ""},
		"reseal without a key":                            {sealer().Reseal(w.spec, prodDB, []seal.Holder{prod}, keysOf(stranger)), "NoMatchingKey"},
		"reseal elsewhere":                                {sealer().Reseal(w.spec, seal.Target{}, []seal.Holder{prod}, keysOf(w.prod)), "ScopeMismatch"},
		"reseal for nobody":                               {sealer().Reseal(w.spec, prodDB, nil, keysOf(w.prod)), ""},
		"seal with a recipient under a class not its own": {sealWith(mislabelled(t), w.prod), "InvalidFormat"},
	} {
		if c.err == nil || seal.Outcome(c.err) != c.want {
			t.Errorf("%s: %q (%v), want %q", name, seal.Outcome(c.err), c.err, c.want)
		}
	}
	if _, err := mustCheck(t, w.spec).VerifySignature(nil); err != nil {
		t.Errorf("the object changed: %v", err)
	}
	wantValues(t, w.spec, w.prod, map[string]string{"user": "app", "password": "canary-not-a-secret"})
}

// mislabelled is a post-quantum recipient that its maker calls classical.
func mislabelled(t testing.TB) seal.Recipient {
	t.Helper()
	p := forge.Hybrid()
	return seal.NewRecipient(p.Recipient, p.Age, seal.Classical)
}

func sealWith(r seal.Recipient, p party) error {
	_, err := sealer().Seal(strictDB, values("x", "y"), []seal.Holder{holder("a", p), {Name: "b", Recipients: []seal.Recipient{r}}})
	return err
}
