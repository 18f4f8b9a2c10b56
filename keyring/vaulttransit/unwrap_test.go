package vaulttransit_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaulttransit"
)

// opening is a custody with one key, and objects that are sealed to it.
type opening struct {
	*fakeTransit
	keys seal.Identities
	from keyring.Prefetcher
	docs []*seal.Checked
	// ciphertexts of docs.
	ciphertexts [][]byte
}

func newOpening(t *testing.T, objects int) *opening {
	t.Helper()
	f := newFakeTransit()
	return openingOf(t, f, f.custody(t), objects)
}

func openingOf(t *testing.T, f *fakeTransit, c *vaulttransit.Custody, objects int) *opening {
	t.Helper()
	h := made(t, c)
	found, err := c.Identities(t.Context(), "prod-eu", []secretsource.Held{h})
	if err != nil || found[0].Err != nil {
		t.Fatalf("%v, %v", found, err)
	}
	o := &opening{fakeTransit: f, keys: seal.NewIdentities(found[0].Identity)}
	identity, _ := o.keys.Identity(h.ID)
	o.from = identity.(keyring.Prefetcher)
	r, err := seal.ParseRecipient(h.Recipient)
	if err != nil {
		t.Fatal(err)
	}
	for range objects {
		spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"},
			seal.Values{"a": seal.NewValue([]byte("x"))}, []seal.Holder{{Name: "prod-eu", Recipients: []seal.Recipient{r}}})
		if err != nil {
			t.Fatal(err)
		}
		checked, err := seal.Check(spec)
		if err != nil {
			t.Fatal(err)
		}
		o.docs = append(o.docs, checked)
		o.ciphertexts = append(o.ciphertexts, checked.RSACiphertexts(o.keys)[h.ID]...)
	}
	f.requests()
	return o
}

func (o *opening) open(i int) error {
	_, err := o.docs[i].Open(seal.Target{Namespace: "prod", Name: "db"}, o.keys)
	return err
}

func TestManyAreDecryptedByOneRequestAndUsedOnce(t *testing.T) {
	o := newOpening(t, 5)
	ctx, requests := keyring.WithRequests(t.Context())
	if err := o.from.Prefetch(ctx, o.ciphertexts); err != nil {
		t.Fatal(err)
	}
	if requests.String() == "" {
		t.Error("no request is noted")
	}
	for i := range o.docs {
		if !o.from.Prefetched(o.ciphertexts[i]) {
			t.Errorf("%d is not there", i)
		}
		if err := o.open(i); err != nil {
			t.Error(err)
		}
		if o.from.Prefetched(o.ciphertexts[i]) {
			t.Errorf("%d is still there after its use", i)
		}
	}
	if got := o.requests(); len(got) != 1 || !strings.HasSuffix(got[0], " 5") {
		t.Errorf("%q", got)
	}
	// What nobody has asked for before is asked for then.
	if err := o.open(0); err != nil {
		t.Error(err)
	}
	if got := o.requests(); len(got) != 1 || !strings.HasSuffix(got[0], " 1") {
		t.Errorf("%q", got)
	}
	if err := o.from.Prefetch(ctx, make([][]byte, keyring.MaxPrefetch+1)); err == nil {
		t.Error("a batch of any length is sent")
	}
}

func TestACiphertextThatVaultRefusesIsItsObjectsAlone(t *testing.T) {
	for name, only := range map[string]bool{"among others": false, "alone": true} {
		t.Run(name, func(t *testing.T) {
			o := newOpening(t, 3)
			foreign := strings.Repeat("x", 512)
			batch := [][]byte{o.ciphertexts[0], []byte(foreign), o.ciphertexts[1]}
			if only {
				batch = batch[1:2]
			}
			if err := o.from.Prefetch(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
			stanza := &age.Stanza{Type: "waxwing.io/rsa4096", Args: []string{""}, Body: []byte(foreign)}
			for id, identity := range o.keys {
				stanza.Args[0] = id
				if _, err := identity.Unwrap([]*age.Stanza{stanza}); err == nil || errors.As(err, new(*seal.Unusable)) {
					t.Errorf("it says %v", err)
				}
			}
			if !only {
				if err := errors.Join(o.open(0), o.open(1)); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestABatchThatCannotBeAskedForSaysNothingOfItsObjects(t *testing.T) {
	spoiled := func(change func([]map[string]any) []map[string]any) func(*opening) {
		return func(o *opening) { o.spoil = change }
	}
	for name, c := range map[string]struct {
		set  func(*opening)
		says string
	}{
		"locked": {func(o *opening) { o.fail = func(string) error { return errAway } }, "it is locked"},
		"denied": {func(o *opening) {
			o.fail = func(string) error { return &vault.Error{Kind: vault.Denied, Status: 403, Msg: "permission denied"} }
		}, "permission denied"},
		"500": {func(o *opening) {
			o.fail = func(string) error { return &vault.Error{Kind: vault.Unreachable, Status: 500, Msg: "internal error"} }
		}, "internal error"},
		"key gone": {func(o *opening) { clear(o.fakeTransit.keys) }, "Vault does not have: restore a snapshot"},
		"its version disabled": {spoiled(func(r []map[string]any) []map[string]any {
			r[1]["error"] = "ciphertext or signature version is disallowed by policy (too old)"
			return r
		}), "disallowed by policy"},
		"too few results":  {spoiled(func(r []map[string]any) []map[string]any { return r[1:] }), "has not answered as Transit's decrypt does"},
		"in another order": {spoiled(func(r []map[string]any) []map[string]any { r[0], r[1] = r[1], r[0]; return r }), "in another order"},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOpening(t, 2)
			c.set(o)
			if err := o.from.Prefetch(t.Context(), o.ciphertexts); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v", err)
			}
			if o.from.Prefetched(o.ciphertexts[0]) {
				t.Error("something was kept all the same")
			}
			if len(o.docs) == 0 || name == "its version disabled" || name == "too few results" || name == "in another order" {
				return
			}
			if err := o.open(0); !errors.As(err, new(*seal.Unusable)) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("opening says %v", err)
			}
		})
	}
}

func TestWhatIsNotUsedIsForgotten(t *testing.T) {
	oneRSAKey()
	synctest.Test(t, func(t *testing.T) {
		o := newOpening(t, 2)
		if err := o.from.Prefetch(t.Context(), o.ciphertexts); err != nil {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Second)
		if !o.from.Prefetched(o.ciphertexts[0]) {
			t.Fatal("it is gone after 50 s")
		}
		time.Sleep(30 * time.Second)
		if !o.from.Prefetched(o.ciphertexts[0]) {
			t.Error("it was asked after, and is gone after 30 s more")
		}
		if o.from.Prefetched(o.ciphertexts[1]) {
			t.Error("nobody has asked after it, and it is there after 80 s")
		}
		time.Sleep(2 * time.Minute)
		if o.from.Prefetched(o.ciphertexts[0]) {
			t.Error("it is never forgotten")
		}
	})
}

func TestNothingPrintsAKey(t *testing.T) {
	o := newOpening(t, 1)
	if err := o.from.Prefetch(t.Context(), o.ciphertexts); err != nil {
		t.Fatal(err)
	}
	plain, err := o.fileKey()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.from.Prefetch(t.Context(), o.ciphertexts); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprintf("%v %+v %#v", o.keys, o.keys, o.keys), fmt.Sprintf("%v %+v %#v", o.from, o.from, o.from)} {
		if strings.Contains(text, fmt.Sprint(plain)) || strings.Contains(text, string(plain)) {
			t.Errorf("%s", text)
		}
	}
}

// fileKey takes a file key out, as opening does.
func (o *opening) fileKey() (plain []byte, err error) {
	for id, identity := range o.keys {
		return identity.Unwrap([]*age.Stanza{{Type: "waxwing.io/rsa4096", Args: []string{id}, Body: o.ciphertexts[0]}})
	}
	return nil, errors.New("no key")
}

// One sealed object may stand in many namespaces, so that many wait for the same ciphertext.
func TestWhatManyAskForTogetherIsDecryptedOnceAndThereForEach(t *testing.T) {
	o := newOpening(t, 2)
	asked := append(slices.Repeat(o.ciphertexts[:1], 20), o.ciphertexts[1])
	if err := o.from.Prefetch(t.Context(), asked); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if !o.from.Prefetched(o.ciphertexts[0]) {
			t.Fatal("it is there for one of them alone")
		}
		if err := o.open(0); err != nil {
			t.Fatal(err)
		}
	}
	if err := o.open(1); err != nil {
		t.Fatal(err)
	}
	if o.from.Prefetched(o.ciphertexts[0]) || o.from.Prefetched(o.ciphertexts[1]) {
		t.Error("it is kept after its last use")
	}
	if got := o.requests(); len(got) != 1 || !strings.HasSuffix(got[0], " 2") {
		t.Errorf("%q", got)
	}
}
