package unseal_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestNoKeyThatIsNeededIsWithoutAUse plays random histories of objects in Git, with a controller that crashes. A key that an object was ever sealed to, while no other key of its keyring
// opens the object as it is, has a use; one that the object names now is needed by something that is there.
func TestNoKeyThatIsNeededIsWithoutAUse(t *testing.T) {
	keys := []key{newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "prod-eu"), newKey(t, "dr"), newKey(t, "dr")}
	for seed := range uint64(40) {
		h := newHistory(t, seed, keys)
		for range 40 {
			h.step()
			if t.Failed() {
				t.Fatalf("seed %d:\n%s", seed, strings.Join(h.log, "\n"))
			}
		}
	}
}

// history is that of one random test.
type history struct {
	*cluster
	t        *testing.T
	r        *rand.Rand
	log      []string
	versions []*seal.Spec
	named    map[string]bool // ENVELOPE COMMIT KEY that the object was seen with
	opened   *seal.Spec      // as it was opened last
	saved    string
	savedIDs map[string]bool
}

func newHistory(t *testing.T, seed uint64, keys []key) *history {
	return &history{cluster: newCluster(t, keys...), t: t, r: rand.New(rand.NewPCG(seed, 1)), named: map[string]bool{}, savedIDs: map[string]bool{}}
}

func (h *history) key() key { return h.keys[h.r.IntN(len(h.keys))] }

func (h *history) version() *seal.Spec {
	if len(h.versions) == 0 {
		return h.cluster.sealed("db", map[string]string{"user": "u", "password": "p"}, h.key())
	}
	return h.versions[h.r.IntN(len(h.versions))].DeepCopy()
}

func (h *history) step() {
	h.t.Helper()
	h.now = h.now.Add(time.Second)
	spec, crashed := h.version(), false
	k := h.key()
	ops := []struct {
		what string
		do   func()
	}{
		{"seal", func() { spec = h.cluster.sealed("db", map[string]string{"user": "u", "password": "p"}, k) }},
		{"seal for two", func() {
			if other := h.key(); other.KeyID() != k.KeyID() {
				spec = h.cluster.sealed("db", map[string]string{"user": "u", "password": "p"}, k, other)
			}
		}},
		{"put", func() {
			if _, err := seal.Check(spec); err == nil {
				spec = h.put(spec, map[string]string{"user": "v"}, k)
			}
		}},
		{"rewrap", func() { spec = h.mend(spec, k) }},
		{"rewrap", func() { spec = h.mend(spec, k) }},
		{"garble", func() { spec = h.garbled(spec, k) }},
		{"suspend", func() { spec.Suspend = !spec.Suspend }},
		{"put back", func() {}},
		{"delete", func() { spec = nil }},
		{"save", func() { h.saved, h.savedIDs = h.marks["db"], clone(h.named) }},
		{"crash", func() { crashed = true }},
		{"the keys are away", func() { h.away = true }},
		{"the keys are there", func() { h.away = false }},
		{"forge", func() { spec = h.forged(spec.Referenced()[0], map[string]string{"user": "x", "password": "y"}, k) }},
		{"invent", func() { h.invent(spec) }},
	}
	op := ops[h.r.IntN(len(ops))]
	op.do()
	h.log = append(h.log, op.what+" "+keyring.Display(k.KeyID()))
	switch {
	case op.what == "save":
		return
	case crashed:
		h.crash()
	case spec == nil:
		h.remove("db")
	default:
		h.versions = append(h.versions, spec)
		h.apply("db", spec)
	}
	if o := h.objects["db"]; o != nil && unseal.ReasonOf(o.Status) == unseal.Unsealed && o.Status.ObservedGeneration == o.Generation {
		h.opened = o.Spec.DeepCopy()
	}
	h.check()
}

// invent adds 40 key ids to a wrap of each envelope, as those that it was for before, or as another wrap.
func (h *history) invent(spec *seal.Spec) {
	for id, e := range spec.Envelopes {
		for holder, w := range e.Wraps {
			w.WrappedBefore = nil
			for range 40 {
				w.WrappedBefore = append(w.WrappedBefore, fmt.Sprintf("%016x%016x", h.r.Uint64(), h.r.Uint64()))
			}
			if h.r.IntN(4) == 0 {
				e.Wraps["invented"] = seal.Wrap{Age: w.Age, Keys: w.WrappedBefore} // of no valid form: there are too many
			} else {
				e.Wraps[holder] = w
			}
			break
		}
		spec.Envelopes[id] = e
	}
}

// mend rewraps what can be opened at all.
func (h *history) mend(spec *seal.Spec, k key) *seal.Spec {
	spec = spec.DeepCopy()
	var ids []seal.Identity
	for _, k := range h.keys {
		ids = append(ids, k.Identity)
	}
	_, _ = seal.Rewrap(spec, h.holders(k)[0], seal.NewIdentities(ids...))
	return spec
}

// crash loses what was not saved. The object's status stays.
func (h *history) crash() {
	delete(h.marks, "db")
	if h.saved != "" {
		h.marks["db"] = h.saved
	}
	h.named = clone(h.savedIDs)
	if o := h.objects["db"]; o != nil {
		for _, u := range o.Status.Keys {
			h.named[u.Envelope+" "+h.opened.Envelopes[u.Envelope].Commit+" "+u.ID] = true
		}
		h.look("db")
	} else if h.saved != "" {
		h.remove("db")
	}
}

func (h *history) check() {
	h.t.Helper()
	if h.marks["db"] == "" {
		return
	}
	now := map[string]bool{}
	if o := h.objects["db"]; o != nil {
		for _, e := range o.Spec.Referenced() {
			for _, w := range o.Spec.Envelopes[e].Wraps {
				for _, id := range w.Keys {
					now[id] = true
					if !slices.Contains(h.cut["db"], id) { // else it counts for as long as the object is there
						h.named[e+" "+o.Spec.Envelopes[e].Commit+" "+id] = true
					}
				}
			}
		}
	}
	for _, k := range h.keys {
		need := h.need("db", k)
		if now[k.KeyID()] && !strings.Contains(need, "present") {
			h.t.Errorf("%s is named, and %q", keyring.Display(k.KeyID()), need)
		}
		for pair := range h.named {
			parts := strings.Split(pair, " ")
			if e, commit := parts[0], parts[1]; parts[2] == k.KeyID() && need == "" && !h.opensWithout(e, commit, k) {
				h.t.Errorf("%s was named for %s, which no other key of its keyring opens, and it has no use: %s", keyring.Display(k.KeyID()), e, h.marks["db"])
			}
		}
	}
}

// opensWithout says whether another key of the same keyring opens an envelope in any version that there was: the use of this one may have ended then.
func (h *history) opensWithout(envelope, commit string, k key) bool {
	return slices.ContainsFunc(h.versions, func(spec *seal.Spec) bool {
		if spec = spec.DeepCopy(); spec.Envelopes[envelope].Commit != commit {
			return false
		}
		maps.DeleteFunc(spec.Items, func(_ string, i seal.Item) bool { return i.Envelope != envelope })
		checked, err := seal.Check(spec)
		return err == nil && len(spec.Items) > 0 && slices.ContainsFunc(h.keys, func(other key) bool {
			if other.holder != k.holder || other.KeyID() == k.KeyID() {
				return false
			}
			_, err := checked.Open(seal.Target{Namespace: "prod", Name: "db"}, seal.NewIdentities(other.Identity))
			return err == nil
		})
	})
}

func clone(m map[string]bool) map[string]bool {
	out := map[string]bool{}
	maps.Copy(out, m)
	return out
}
