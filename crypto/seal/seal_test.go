package seal_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

func at(text string) func() time.Time {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		panic(err)
	}
	return func() time.Time { return t }
}

func sealer() seal.Sealer {
	return seal.Sealer{Rand: rand.Reader, Now: at("2026-11-23T02:22:00Z")}
}

type party struct {
	seal.Recipient
	seal.Identity
}

func hybrid(t testing.TB) party {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return partyOf(t, id.String())
}

func classical(t testing.TB) party {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return partyOf(t, id.String())
}

func partyOf(t testing.TB, identity string) party {
	t.Helper()
	i, err := seal.ParseIdentity(identity)
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(i.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	return party{Recipient: r, Identity: i}
}

func holder(name string, parties ...party) seal.Holder {
	h := seal.Holder{Name: name}
	for _, p := range parties {
		h.Recipients = append(h.Recipients, p.Recipient)
	}
	return h
}

func values(kv ...string) seal.Values {
	v := seal.Values{}
	for i := 0; i < len(kv); i += 2 {
		v[kv[i]] = seal.NewValue([]byte(kv[i+1]))
	}
	return v
}

var strictDB = seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
var prodDB = seal.Target{Namespace: "prod", Name: "db"}

func mustSeal(t testing.TB, f seal.For, v seal.Values, hs ...seal.Holder) *seal.Spec {
	t.Helper()
	spec, err := sealer().Seal(f, v, hs)
	if err != nil {
		t.Fatal(err)
	}
	return spec
}

func open(spec *seal.Spec, target seal.Target, ids ...party) (map[string]string, error) {
	c, err := seal.Check(spec)
	if err != nil {
		return nil, err
	}
	keys := seal.Identities{}
	for _, p := range ids {
		for id, k := range seal.NewIdentities(p.Identity) {
			keys[id] = k
		}
	}
	o, err := c.Open(target, keys)
	if err != nil {
		return nil, err
	}
	m := map[string]string{}
	for name, v := range o.Values {
		m[name] = string(v.Bytes())
	}
	return m, nil
}

func document(spec *seal.Spec, t seal.Target) []byte {
	b, err := json.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind,
		"metadata": map[string]any{"namespace": t.Namespace, "name": t.Name}, "spec": spec})
	if err != nil {
		panic(err)
	}
	return b
}

func TestSealThenOpen(t *testing.T) {
	prod, glass := hybrid(t), hybrid(t)
	spec := mustSeal(t, strictDB, values("user", "app", "password", "canary-not-a-secret"), holder("prod", prod), holder("breakglass", glass))
	for _, p := range []party{prod, glass} {
		got, err := open(spec, prodDB, p)
		if err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != "map[password:canary-not-a-secret user:app]" {
			t.Errorf("got %v", got)
		}
	}
	if _, err := seal.ParseDocument(document(spec, prodDB)); err != nil {
		t.Error(err)
	}
	if _, err := open(spec, prodDB, hybrid(t)); seal.Outcome(err) != "NoMatchingKey" {
		t.Errorf("a stranger's key: %v", err)
	}
	if _, err := open(spec, seal.Target{Namespace: "dev", Name: "db"}, prod); seal.Outcome(err) != "ScopeMismatch" {
		t.Errorf("another namespace: %v", err)
	}
}
