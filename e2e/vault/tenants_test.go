package vault_test

import (
	"context"
	crand "crypto/rand"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// tenant is a world of its own in the same cluster: a keyring with a source, a Vault role and namespaces of its own.
func (w *world) tenant(name string) *world {
	t := *w
	t.keyring = w.keyring[max(0, len(w.keyring)-30):] + "-" + name
	return &t
}

// in is the same tenant in another namespace, which is made.
func (w *world) in(namespace string) *world {
	w.t.Helper()
	t := *w
	t.namespace = namespace
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	if err := w.Create(w.ctx, ns); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := w.Delete(ctx, ns); err != nil {
			w.t.Error(err)
		}
	})
	return &t
}

// sealed puts an object that is sealed for a scope.
func (w *world) sealed(name, scope string, holders ...seal.Holder) {
	w.t.Helper()
	place := seal.For{Scope: scope, Namespace: w.namespace}
	if scope == seal.ScopeStrict {
		place.Name = name
	}
	spec, err := seal.Sealer{Rand: crand.Reader, Now: time.Now}.Seal(place, seal.Values{"password": seal.NewValue([]byte(canary + "-" + name))}, holders)
	if err != nil {
		w.t.Fatal(err)
	}
	o := &v1alpha1.GitSecret{
		TypeMeta: metav1.TypeMeta{APIVersion: seal.APIVersion, Kind: seal.Kind}, ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: *spec,
	}
	if err := w.Create(w.ctx, o); err != nil {
		w.t.Fatal(err)
	}
}

// TestTenantsHaveKeysOfTheirOwn has two tenants of one Vault: one with sealed keys, for namespaces that match a pattern, and one with keys in the key/value store, for a
// namespace by its name. Neither keyring's login has the rights of the other's.
func TestTenantsHaveKeysOfTheirOwn(t *testing.T) {
	w := newWorld(t)
	v := w.vault(sealedKeys(), vaulttest.Options{})
	base := w.namespace[max(0, len(w.namespace)-30):]
	left, right := w.tenant("left"), w.tenant("right")
	leftOne, leftTwo, near, rightOne := w.in(base+"-left-one"), w.in(base+"-left-two"), w.in(base+"-leftover"), w.in(base+"-right")
	for name, at := range map[string]struct {
		policy string
		place  vaultpolicy.Place
	}{
		"left":  {vaultpolicy.SealedKeys, vaultpolicy.Place{Transit: transit, Key: keyOfKeys}},
		"right": {vaultpolicy.KV, vaultpolicy.Place{KV: kv, Folder: "waxwing/right"}},
	} {
		text, err := vaultpolicy.Read(at.policy, at.place)
		if err != nil {
			t.Fatal(err)
		}
		v.Policy(name, text)
		v.KubernetesRole(auth, name, vaulttest.Role{ServiceAccount: account, Namespace: home, Audience: audience, Policies: []string{name, "login"}, TTL: 10 * time.Minute})
	}
	login := func(name string) v1alpha1.VaultConnection {
		c := connection(v.Address, v.CA())
		c.Auth.Kubernetes.Role = v1alpha1.VaultName(name)
		return c
	}
	spec := sealedKeys().keyring(login("left"))
	spec.Scopes = []string{seal.ScopeStrict}
	left.makeKeyringFor(spec, base+"-left-*")
	spec = v1alpha1.KeyringSpec{Source: v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: login("right"), Path: "waxwing/right"}}}
	spec.Scopes = []string{seal.ScopeStrict, seal.ScopeNamespace}
	right.makeKeyringFor(spec, rightOne.namespace)
	w.controller()
	left.says(keyring.ReasonKeyActive)
	right.says(keyring.ReasonKeyActive)
	l, r := left.holder(), right.holder()

	for _, open := range []struct {
		in     *world
		name   string
		scope  string
		by     []seal.Holder
		reason unseal.Reason
		says   string
	}{
		{leftOne, "own", seal.ScopeStrict, []seal.Holder{l}, unseal.Unsealed, ""},
		{leftTwo, "own", seal.ScopeStrict, []seal.Holder{l}, unseal.Unsealed, ""},
		{rightOne, "own", seal.ScopeStrict, []seal.Holder{r}, unseal.Unsealed, ""},
		{rightOne, "wide", seal.ScopeNamespace, []seal.Holder{r}, unseal.Unsealed, ""},
		{rightOne, "both", seal.ScopeStrict, []seal.Holder{l, r}, unseal.Unsealed, ""},
		{leftOne, "both", seal.ScopeStrict, []seal.Holder{r, l}, unseal.Unsealed, ""},
		{leftOne, "theirs", seal.ScopeStrict, []seal.Holder{r}, unseal.NamespaceNotAllowed, right.keyring},
		{rightOne, "theirs", seal.ScopeStrict, []seal.Holder{l}, unseal.NamespaceNotAllowed, left.keyring},
		{near, "near", seal.ScopeStrict, []seal.Holder{l}, unseal.NamespaceNotAllowed, left.keyring},
		{near, "both", seal.ScopeStrict, []seal.Holder{l, r}, unseal.NamespaceNotAllowed, near.namespace},
		{leftOne, "wide", seal.ScopeNamespace, []seal.Holder{l}, unseal.PolicyDenied, "scope"},
	} {
		open.in.sealed(open.name, open.scope, open.by...)
		open.in.comesTo(open.name, open.reason, open.says)
		if open.reason == unseal.Unsealed {
			open.in.secret(open.name)
		} else if err := w.Get(w.ctx, open.in.key(open.name), &corev1.Secret{}); err == nil {
			t.Errorf("%s/%s was written", open.in.namespace, open.name)
		}
	}

	// Each keyring asks with its own login, which may do nothing about the other's keys.
	for _, req := range v.Requests(0) {
		switch {
		case req.Mount == transit+"/" && !slices.Contains(req.Policies, "left"), req.Mount == kv+"/" && !slices.Contains(req.Policies, "right"):
			t.Errorf("%s %s was asked for with %v", req.Operation, req.Path, req.Policies)
		}
	}

	// What is wrong with one tenant's keys is nothing to the other.
	v.Policy("left", `path "none" { capabilities = ["read"] }`)
	v.Delete(kv + "/data/waxwing/right/statement")
	right.look()
	right.says(keyring.ReasonStatementInvalid, "vault kv undelete")
	leftOne.sealed("later", seal.ScopeStrict, l)
	leftOne.comesTo("later", unseal.Unsealed)
	rightOne.sealed("later", seal.ScopeStrict, r)
	rightOne.comesTo("later", unseal.Unsealed)
	v.Write(kv+"/undelete/waxwing/right/statement", map[string]any{"versions": []int{1, 2, 3}})
	right.look()
	right.says(keyring.ReasonKeyActive)
}
