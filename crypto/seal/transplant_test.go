package seal_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// pairs calls do for every two of names.
func pairs(names []string, do func(a, b string)) {
	for i, a := range names {
		for _, b := range names[i+1:] {
			do(a, b)
		}
	}
}

func item(name string, more ...string) []string {
	return append([]string{"spec", "items", name}, more...)
}

func TestMutationOfItems(t *testing.T) {
	v := newVictim(t, forge.Classical)
	names := slices.Sorted(maps.Keys(v.values))
	pairs(names, func(a, b string) {
		v.want(t, "Tampered", "values of "+a+" and "+b+" exchanged", v.doc.Swap(item(a, "value"), item(b, "value")).JSON())
		v.want(t, "Tampered", "items "+a+" and "+b+" exchanged", v.doc.Swap(item(a), item(b)).JSON())
		v.want(t, "Tampered", b+" in the place of "+a, v.doc.Set(v.doc.Get(item(b)...), item(a)...).JSON())
		v.want(t, "Tampered", b+" under the name of "+a+", which is gone", v.doc.Delete(item(a)...).Rename(a, item(b)...).JSON())
	})
	for _, name := range names {
		for _, to := range []string{"z", strings.ToUpper(name), name + name, "." + name, name + "."} {
			v.want(t, "Tampered", name+" renamed to "+to, v.doc.Rename(to, item(name)...).JSON())
			v.want(t, "Tampered", name+" copied to "+to, v.doc.Set(v.doc.Get(item(name)...), item(to)...).JSON())
		}
		other := map[bool]string{true: v.two.ID, false: v.one.ID}[name != "c"]
		v.want(t, "Tampered", name+" in the other envelope", v.doc.Set(other, item(name, "envelope")...).JSON())
		v.want(t, "InvalidFormat", name+" in no envelope", v.doc.Set(forge.ID(0), item(name, "envelope")...).JSON())
	}
}

// scopes are all kinds of places that allow the victim's target.
func scopes() []seal.For {
	return []seal.For{
		strictDB,
		{Scope: "namespace", Namespace: "prod"},
		{Scope: "cluster"},
		{Scope: "match:prod", Name: "db"},
		{Scope: "match:*", Name: "db"},
	}
}

func TestMutationOfPlaces(t *testing.T) {
	v := newVictim(t, forge.Classical)
	sealed := func(f seal.For) forge.Tree {
		e := forge.New(f, at("2026-11-23T02:22:00Z")())
		spec := &seal.Spec{Format: 1, For: f, Items: map[string]seal.Item{}, Envelopes: map[string]seal.Envelope{e.ID: e.Envelope(e.Wraps(v.prod))}}
		for name, value := range map[string]string{"a": "first", "b": "other", "c": "third"} {
			spec.Items[name] = e.Item(name, []byte(value))
		}
		return forge.Document(spec, prodDB)
	}
	for _, from := range scopes() {
		doc := sealed(from)
		v.want(t, "ok", "sealed for "+from.String(), doc.JSON())
		for _, to := range scopes() {
			if from != to {
				v.want(t, "Tampered", fmt.Sprintf("sealed for %s, bent to %s", from, to), doc.Set(to, "spec", "for").JSON())
			}
		}
		for _, target := range []seal.Target{{Namespace: "dev", Name: "db"}, {Namespace: "prod", Name: "db2"}, {Namespace: "dev", Name: "db2"}, {}} {
			moved := doc.Set(target.Namespace, "metadata", "namespace").Set(target.Name, "metadata", "name")
			what := fmt.Sprintf("sealed for %s, moved to %s/%s", from, target.Namespace, target.Name)
			word := "ScopeMismatch"
			if from.Allows(target) {
				word = "ok"
			}
			v.want(t, word, what, moved.JSON())
			bent := from
			bent.Namespace, bent.Name = keep(from.Namespace, target.Namespace), keep(from.Name, target.Name)
			if bent.Check() == nil && bent != from && bent.Allows(target) {
				v.want(t, "Tampered", what+", for moved along", moved.Set(bent, "spec", "for").JSON())
			}
		}
	}
}

// keep is to where from is bound at all.
func keep(from, to string) string {
	if from == "" {
		return ""
	}
	return to
}

func TestMutationOfWraps(t *testing.T) {
	v := newVictim(t, forge.Classical)
	both := identities(t, v.prod, v.glass)
	wrap := func(e forge.Envelope, holder string, more ...string) []string {
		return v.envelope(e, append([]string{"wraps", holder}, more...)...)
	}
	for _, part := range [][]string{{}, {"age"}} {
		for _, holders := range [][2]string{{"prod", "prod"}, {"prod", "glass"}, {"glass", "prod"}} {
			what := fmt.Sprintf("%v of %v exchanged between the envelopes", part, holders)
			word := "Tampered"
			if len(part) == 0 && holders[1] == "glass" {
				// The first envelope is left with two wraps of glass.
				word = "NoMatchingKey"
			}
			v.want(t, word, what, v.doc.Swap(wrap(v.one, holders[0], part...), wrap(v.two, holders[1], part...)).JSON())
		}
		what := fmt.Sprintf("%v of glass exchanged between the envelopes", part)
		bent := v.doc.Swap(wrap(v.one, "glass", part...), wrap(v.two, "glass", part...)).JSON()
		v.want(t, "ok", what+", opened by prod", bent)
		v.wantFrom(t, "Tampered", what+", opened by glass, which comes first", bent, both)
		v.wantFrom(t, "Tampered", what+", opened by glass alone", bent, identities(t, v.glass))
	}
	for _, e := range []forge.Envelope{v.one, v.two} {
		swap := func(part ...string) []byte {
			return v.doc.Swap(wrap(e, "glass", part...), wrap(e, "prod", part...)).JSON()
		}
		// The name of a holder is no part of what is encrypted: the right key opens the right value under another name.
		v.want(t, "ok", "wraps exchanged between holders", swap())
		v.want(t, "Tampered", "keys exchanged between holders", swap("keys"))
		v.want(t, "Tampered", "age files exchanged between holders", swap("age"))
		v.want(t, "NoMatchingKey", "prod's wrap removed", v.doc.Delete(wrap(e, "prod")...).JSON())
		v.want(t, "ok", "glass's wrap removed", v.doc.Delete(wrap(e, "glass")...).JSON())
		v.want(t, "ok", "prod's wrap under a further name", v.doc.Set(v.doc.Get(wrap(e, "prod")...), wrap(e, "zz")...).JSON())
	}
}

func TestMutationOfKeys(t *testing.T) {
	prod, other, stranger := forge.Classical(), forge.Classical(), forge.Classical()
	v := newVictim(t, forge.Classical)
	wrap := v.envelope(v.one, "wraps", "prod")
	two := v.one.Wrap(v.prod, other)
	doc := v.doc.Set(two, wrap...).Clone()
	set := func(ids ...string) []byte { return doc.Set(ids, append(wrap, "keys")...).JSON() }
	p, o, s, n := v.prod.KeyID(), other.KeyID(), stranger.KeyID(), prod.KeyID()
	for what, c := range map[string]struct {
		word string
		doc  []byte
	}{
		"as sealed":                    {"ok", set(p, o)},
		"exchanged":                    {"Tampered", set(o, p)},
		"the other's replaced":         {"Tampered", set(p, s)},
		"the opener's replaced":        {"NoMatchingKey", set(n, o)},
		"the opener's in both places":  {"InvalidFormat", set(p, p)},
		"the opener's in the other's":  {"Tampered", set(s, p)},
		"one added":                    {"InvalidFormat", set(p, o, s)},
		"the other's removed":          {"InvalidFormat", set(p)},
		"all removed":                  {"InvalidFormat", set()},
		"the opener's cut":             {"InvalidFormat", set(p[:16], o)},
		"the opener's in upper case":   {"InvalidFormat", set(strings.Repeat("A", 32), o)},
		"wrappedBefore added":          {"ok", doc.Set([]string{s, n}, append(wrap, "wrappedBefore")...).JSON()},
		"wrappedBefore with ours only": {"NoMatchingKey", doc.Set([]string{p}, append(wrap, "wrappedBefore")...).Set([]string{n, o}, append(wrap, "keys")...).JSON()},
	} {
		v.want(t, c.word, "keys "+what, c.doc)
	}
}

func TestMutationOfEnvelopes(t *testing.T) {
	v := newVictim(t, forge.Classical)
	elsewhere := newVictim(t, forge.Classical)
	// A second object of the same place, sealed for the same keys.
	sibling := newVictim(t, func() forge.Party { return v.prod })
	foreign := forge.New(seal.For{Scope: "strict", Namespace: "dev", Name: "db"}, at("2026-11-23T02:22:00Z")())
	wraps := map[string]seal.Wrap{"prod": foreign.Wrap(v.prod)}
	transplant := v.doc.Set(foreign.Envelope(wraps), "spec", "envelopes", foreign.ID).Set(foreign.Item("a", []byte("stolen")), item("a")...)
	under := func(id string, e seal.Envelope) forge.Tree { return v.doc.Set(e, "spec", "envelopes", id) }
	renamed := foreign
	renamed.ID = v.one.ID
	for what, c := range map[string]struct {
		word string
		doc  forge.Tree
	}{
		"one of another object, with its item":                  {"Tampered", transplant},
		"one of another object that no item names":              {"ok", v.doc.Set(foreign.Envelope(wraps), "spec", "envelopes", foreign.ID)},
		"one of another object under an id of this one":         {"Tampered", under(v.one.ID, foreign.Envelope(wraps))},
		"one of another object, made for an id of this one":     {"Tampered", under(v.one.ID, renamed.Envelope(map[string]seal.Wrap{"prod": renamed.Wrap(v.prod)}))},
		"the two exchanged":                                     {"Tampered", v.doc.Swap(v.envelope(v.one), v.envelope(v.two))},
		"the commits exchanged":                                 {"Tampered", v.doc.Swap(v.envelope(v.one, "commit"), v.envelope(v.two, "commit"))},
		"all wraps exchanged":                                   {"Tampered", v.doc.Swap(v.envelope(v.one, "wraps"), v.envelope(v.two, "wraps"))},
		"the second in the place of the first, commit included": {"Tampered", v.doc.Set(v.doc.Get(v.envelope(v.two)...), v.envelope(v.one)...)},
		"the first gone":                                        {"InvalidFormat", v.doc.Delete(v.envelope(v.one)...)},
		"both gone":                                             {"InvalidFormat", v.doc.Set(map[string]any{}, "spec", "envelopes")},
		"one for keys that nobody has":                          {"NoMatchingKey", under(v.one.ID, v.one.Envelope(map[string]seal.Wrap{"prod": v.one.Wrap(elsewhere.prod)}))},
		"the envelopes of a sibling":                            {"InvalidFormat", v.doc.Set(sibling.doc.Get("spec", "envelopes"), "spec", "envelopes")},
		"a value of a sibling under its name":                   {"Tampered", v.doc.Set(sibling.doc.Text(item("a", "value")...), item("a", "value")...)},
	} {
		v.want(t, c.word, "envelopes: "+what, c.doc.JSON())
	}
	// What a sealer could have made opens, to what it sealed: moving an item with its envelope between objects of one place is adding it anew.
	moved := v.doc.Set(sibling.doc.Get(sibling.envelope(sibling.one)...), "spec", "envelopes", sibling.one.ID).Set(sibling.doc.Get(item("a")...), item("a")...)
	v.want(t, "ok", "an item of a sibling with its envelope", moved.JSON())
}
