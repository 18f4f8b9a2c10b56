package unseal_test

import (
	"crypto/rand"
	"testing"
	"time"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

const canary = "canary-not-a-secret"

// now is a moment after the objects of these tests were sealed.
func now() time.Time { return time.Date(2026, 11, 23, 2, 30, 0, 0, time.UTC) }

// key is one sealing key of a test.
type key struct {
	seal.Identity
	holder string
}

func newKey(t testing.TB, holder string) key {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := seal.ParseIdentity(id.String())
	if err != nil {
		t.Fatal(err)
	}
	return key{Identity: parsed, holder: holder}
}

func (k key) in(state keyring.State) keyring.Key {
	return keyring.NewKey(k.holder, k.Identity, state, now(), now())
}

func (k key) part(state keyring.State) keyring.Part {
	return keyring.Part{
		Keyring: k.holder, Keys: []keyring.Key{k.in(state)},
		Policy: keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict", "namespace"}},
	}
}

func ringOf(parts ...keyring.Part) *keyring.Ring { return keyring.NewRing(parts, nil) }

func strict() seal.For { return seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"} }

// sealed is prod/db with the items user and password, sealed for all keys.
func sealed(t testing.TB, f seal.For, keys ...key) *v1alpha1.GitSecret {
	t.Helper()
	byHolder := map[string]*seal.Holder{}
	var order []string
	for _, k := range keys {
		r, err := seal.ParseRecipient(k.Recipient())
		if err != nil {
			t.Fatal(err)
		}
		if byHolder[k.holder] == nil {
			byHolder[k.holder] = &seal.Holder{Name: k.holder}
			order = append(order, k.holder)
		}
		byHolder[k.holder].Recipients = append(byHolder[k.holder].Recipients, r)
	}
	var holders []seal.Holder
	for _, name := range order {
		holders = append(holders, *byHolder[name])
	}
	s := seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return now().Add(-time.Hour) }}
	spec, err := s.Seal(f, seal.Values{"user": value("canary-user"), "password": value(canary)}, holders)
	if err != nil {
		t.Fatal(err)
	}
	return &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: "uid-of-db", Generation: 3},
		Spec:       *spec,
		Status:     v1alpha1.GitSecretStatus{ObservedGeneration: -1},
	}
}

func value(s string) seal.Value { return seal.NewValue([]byte(s)) }

func input(o *v1alpha1.GitSecret, ring *keyring.Ring) unseal.Input {
	return unseal.Input{Object: o, Ring: ring, Now: now(), Home: "waxwing-system"}
}

// ours is the metadata of the Secret that belongs to o.
func ours(o *v1alpha1.GitSecret) *metav1.ObjectMeta {
	yes := true
	return &metav1.ObjectMeta{
		Namespace: o.Namespace, Name: o.Name, UID: "uid-of-secret", ResourceVersion: "77",
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "waxwing.io/v1alpha1", Kind: "GitSecret", Name: o.Name, UID: o.UID, Controller: &yes}},
	}
}

// sealedWith is the sealed part of prod/db with the given values.
func sealedWith(t testing.TB, k key, values seal.Values) *seal.Spec {
	t.Helper()
	r, err := seal.ParseRecipient(k.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	s := seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return now().Add(-time.Hour) }}
	spec, err := s.Seal(strict(), values, []seal.Holder{{Name: k.holder, Recipients: []seal.Recipient{r}}})
	if err != nil {
		t.Fatal(err)
	}
	return spec
}
