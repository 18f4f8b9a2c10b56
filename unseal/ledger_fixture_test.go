package unseal_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// cluster plays a controller that looks at objects, in memory: what it remembers goes through the text of marks each time.
type cluster struct {
	t       testing.TB
	states  map[string]keyring.State // by key id
	known   map[string]bool          // destroyed keys that were compromised before
	keys    []key
	macs    *unseal.MACKey
	now     time.Time
	objects map[string]*v1alpha1.GitSecret
	secrets map[string]*metav1.ObjectMeta
	marks   map[string]string
	cut     map[string][]string // what the mark has no room for, as the controller keeps it
	away    bool                // the keys are not read at present
	unread  string              // nor are those of this keyring
	opens   int
}

func newCluster(t testing.TB, keys ...key) *cluster {
	t.Helper()
	macs, err := unseal.NewMACKey([]byte("0123456789abcdef0123456789abcdef"))
	if err != nil {
		t.Fatal(err)
	}
	c := &cluster{t: t, keys: keys, macs: macs, now: now(), states: map[string]keyring.State{}, known: map[string]bool{},
		objects: map[string]*v1alpha1.GitSecret{}, secrets: map[string]*metav1.ObjectMeta{}, marks: map[string]string{}, cut: map[string][]string{}}
	for _, k := range keys {
		c.states[k.KeyID()] = keyring.Active
	}
	return c
}

func (c *cluster) ring() *keyring.Ring {
	parts := map[string]keyring.Part{}
	for _, k := range c.keys {
		if k.holder == c.unread {
			continue
		}
		p, ok := parts[k.holder]
		if !ok {
			p = k.part(keyring.Active)
			p.Keys = nil
		}
		made := k.in(c.states[k.KeyID()])
		made.WasCompromised = c.known[k.KeyID()]
		p.Keys = append(p.Keys, made)
		parts[k.holder] = p
	}
	var unavailable []string
	if c.unread != "" {
		unavailable = []string{c.unread}
	}
	return keyring.NewRing(slices.Collect(maps.Values(parts)), unavailable)
}

func (c *cluster) sealer() seal.Sealer {
	return seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return c.now.Add(-time.Minute) }}
}

// holders are one for each holder of the keys.
func (c *cluster) holders(keys ...key) (all []seal.Holder) {
	c.t.Helper()
	for _, k := range keys {
		r, err := seal.ParseRecipient(k.Recipient())
		if err != nil {
			c.t.Fatal(err)
		}
		i := slices.IndexFunc(all, func(h seal.Holder) bool { return h.Name == k.holder })
		if i < 0 {
			i, all = len(all), append(all, seal.Holder{Name: k.holder})
		}
		all[i].Recipients = append(all[i].Recipients, r)
	}
	return all
}

// sealed is the sealed part of prod/NAME.
func (c *cluster) sealed(name string, values map[string]string, keys ...key) *seal.Spec {
	c.t.Helper()
	all := seal.Values{}
	for item, v := range values {
		all[item] = value(v)
	}
	spec, err := c.sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: name}, all, c.holders(keys...))
	if err != nil {
		c.t.Fatal(err)
	}
	return spec
}

// put seals some values of a sealed part anew, in an envelope of their own.
func (c *cluster) put(spec *seal.Spec, values map[string]string, keys ...key) *seal.Spec {
	c.t.Helper()
	spec = spec.DeepCopy()
	all := seal.Values{}
	for item, v := range values {
		all[item] = value(v)
	}
	if err := c.sealer().Put(spec, all, c.holders(keys...)); err != nil {
		c.t.Fatal(err)
	}
	return spec
}

// rewrapped is spec with the wraps of the first key's holder for these keys; all private keys of the cluster are at hand.
func (c *cluster) rewrapped(spec *seal.Spec, keys ...key) *seal.Spec {
	c.t.Helper()
	spec = spec.DeepCopy()
	var ids []seal.Identity
	for _, k := range c.keys {
		ids = append(ids, k.Identity)
	}
	if _, err := seal.Rewrap(spec, c.holders(keys...)[0], seal.NewIdentities(ids...)); err != nil {
		c.t.Fatal(err)
	}
	return spec
}

// garbled is spec with wraps that say they are for a key, and are of another envelope.
func (c *cluster) garbled(spec *seal.Spec, k key) *seal.Spec {
	c.t.Helper()
	spec = spec.DeepCopy()
	other := c.sealed("other", map[string]string{"a": "b"}, k)
	for id, e := range spec.Envelopes {
		for _, o := range other.Envelopes {
			e.Wraps[k.holder] = o.Wraps[k.holder]
		}
		spec.Envelopes[id] = e
	}
	return spec
}

// forged is another envelope of prod/db, under the id of one that is there: what somebody can make who has no key.
func (c *cluster) forged(id string, values map[string]string, k key) *seal.Spec {
	c.t.Helper()
	all := seal.Values{}
	for item, v := range values {
		all[item] = value(v)
	}
	u := ulid.MustParseStrict(strings.ToUpper(id))
	s := seal.Sealer{Rand: io.MultiReader(bytes.NewReader(u.Entropy()), rand.Reader), Now: func() time.Time { return ulid.Time(u.Time()) }}
	made, err := s.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, all, c.holders(k))
	if err != nil || made.Referenced()[0] != id {
		c.t.Fatal(err, made)
	}
	return made
}

// apply has the object prod/NAME be of this spec, and looks at it.
func (c *cluster) apply(name string, spec *seal.Spec) unseal.Outcome {
	c.t.Helper()
	o := c.objects[name]
	if o == nil {
		o = &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: name, UID: types.UID(name)}, Status: v1alpha1.GitSecretStatus{ObservedGeneration: -1}}
		c.objects[name] = o
	}
	o.Generation++
	o.Spec = *spec.DeepCopy()
	return c.look(name)
}

func (c *cluster) input(name string) unseal.Input {
	c.t.Helper()
	in := unseal.Input{Object: c.objects[name], Secret: c.secrets[name], Ring: c.ring(), Now: c.now, Home: "waxwing-system", Marks: unseal.Marks{Loaded: true}}
	if c.away {
		in.Ring, in.Starting = nil, true
	}
	if text, ok := c.marks[name]; ok {
		mark, err := unseal.ParseMark(text)
		if err != nil {
			c.t.Fatalf("%s: %v", text, err)
		}
		in.Marks.Mark = mark
	}
	return in
}

// look does what the controller does.
func (c *cluster) look(name string) (out unseal.Outcome) {
	c.t.Helper()
	in := c.input(name)
	o, d := in.Object, unseal.Decide(in)
	out, mark := d.Outcome, d.Claims
	c.cut[name] = d.Cut
	switch {
	case d.Action == unseal.Report && d.Remember != nil:
		mark = d.Remember
	case d.Action == unseal.Open:
		c.opens++
		contents, err := d.Plan.Open(target(o))
		if err != nil {
			r, ok := err.(*unseal.Refusal)
			if !ok {
				c.t.Fatal(err)
			}
			out = r.Outcome()
			out.Exposure = d.Exposure
			break
		}
		contents.MAC(target(o), c.macs)
		mark, _ = d.Plan.Remember(contents.MACs)
		if d.Plan.Proves != nil {
			out = d.Plan.Proved(contents)
			break
		}
		secret := ours(o)
		secret.ManagedFields = []metav1.ManagedFieldsEntry{entry(unseal.FieldManager, metav1.ManagedFieldsOperationApply, asApplied)}
		c.secrets[name] = secret
		out = d.Plan.Written(contents, o, *secret)
	}
	if mark != nil {
		c.marks[name] = mark.Text()
	}
	if d.Action == unseal.Leave {
		return out
	}
	o.Status = out.Status(o.Status, o.Generation, c.now)
	return out
}

// remove has the object go, and the controller notice.
func (c *cluster) remove(name string) {
	c.t.Helper()
	delete(c.objects, name)
	delete(c.secrets, name)
	if c.marks[name] == "" {
		return
	}
	if left, news := c.mark(name).Left(c.now); news {
		c.marks[name] = left.Text()
	}
}

func (c *cluster) mark(name string) unseal.Mark {
	c.t.Helper()
	mark, err := unseal.ParseMark(c.marks[name])
	if err != nil {
		c.t.Fatalf("%s: %v", c.marks[name], err)
	}
	return mark
}

// need is what is known of a key, as "present", "gone", "present gone" or "".
func (c *cluster) need(name string, k key) string {
	c.t.Helper()
	n := c.mark(name).Needed()[k.KeyID()]
	n.Present = n.Present || (c.objects[name] != nil && slices.Contains(c.cut[name], k.KeyID()))
	switch {
	case n.Present && n.Gone:
		return "present gone"
	case n.Present:
		return "present"
	case n.Gone:
		return "gone"
	}
	return ""
}
