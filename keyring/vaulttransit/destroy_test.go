package vaulttransit_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

func TestAKeyIsDeletedInVault(t *testing.T) {
	f := newFakeTransit()
	c := f.custody(t)
	h, other := made(t, c), made(t, c)
	name := strings.TrimSpace(string(h.Kept))
	for range 2 { // what is gone is destroyed
		if err := c.Destroy(t.Context(), "prod-eu", h); err != nil {
			t.Fatal(err)
		}
	}
	found, err := c.Identities(t.Context(), "prod-eu", []secretsource.Held{h, other})
	if err != nil || !errors.Is(found[0].Err, secretsource.ErrGone) || found[1].Err != nil || f.keys[name] != nil || len(f.keys) != 1 {
		t.Errorf("%v, %v; %d keys are left", found, err, len(f.keys))
	}
}

// TestAKeyThatAnotherDeletesMeanwhile has another controller be faster, at each request: a real Vault answers with 400 then.
func TestAKeyThatAnotherDeletesMeanwhile(t *testing.T) {
	for _, at := range []string{"/config", "delete "} {
		f := newFakeTransit()
		c := f.custody(t)
		h := made(t, c)
		f.fail = func(request string) error {
			if !strings.Contains(request, at) {
				return nil
			}
			clear(f.keys)
			return &vault.Error{Kind: vault.Refused, Doing: "deleting x", Status: 400, Msg: "could not delete key; not found"}
		}
		if err := c.Destroy(t.Context(), "prod-eu", h); err != nil {
			t.Errorf("at %q: %v", at, err)
		}
	}
}

func TestAKeyThatIsNotDeletedInVault(t *testing.T) {
	denied := &vault.Error{Kind: vault.Denied, Doing: "writing x", Status: 403, Msg: "permission denied"}
	refused := &vault.Error{Kind: vault.Refused, Doing: "writing x", Status: 400, Msg: "not as it is"}
	for what, tc := range map[string]struct {
		change  func(f *fakeTransit, h *secretsource.Held)
		says    string
		problem bool
	}{
		"another key's recipient": {func(_ *fakeTransit, h *secretsource.Held) { h.Recipient = "waxrsa1other" }, "has another public half than the recipient that is kept with it, and stays", true},
		"another keyring's name":  {func(_ *fakeTransit, h *secretsource.Held) { h.Kept = []byte("dev-01kb8zv3rg9m1x0q2s4t6v8w0y\n") }, "is not of this keyring", true},
		"no right to allow it":    {func(f *fakeTransit, _ *secretsource.Held) { f.failAt("/config", denied) }, "give its role the policy transit-remove.hcl", true},
		"no right to delete":      {func(f *fakeTransit, _ *secretsource.Held) { f.failAt("delete ", denied) }, "give its role the policy transit-remove.hcl", true},
		"it is refused":           {func(f *fakeTransit, _ *secretsource.Held) { f.failAt("/config", refused) }, "see that transit is a Transit engine", true},
		"Vault is away":           {func(f *fakeTransit, _ *secretsource.Held) { f.failAt("", errAway) }, "it is locked", false},
		"away in the middle":      {func(f *fakeTransit, _ *secretsource.Held) { f.failAt("delete ", errAway) }, "it is locked", false},
	} {
		t.Run(what, func(t *testing.T) {
			f := newFakeTransit()
			c := f.custody(t)
			h := made(t, c)
			tc.change(f, &h)
			err := c.Destroy(t.Context(), "prod-eu", h)
			if problem := (*keyring.Problem)(nil); err == nil || !strings.Contains(err.Error(), tc.says) || errors.As(err, &problem) != tc.problem {
				t.Errorf("%v", err)
			}
			if len(f.keys) != 1 {
				t.Error("the key is gone")
			}
			if tc.problem && slices.Contains(f.requests(), "delete transit/keys/"+strings.TrimSpace(string(h.Kept))) != (what == "no right to delete") {
				t.Error("its deletion was asked for")
			}
		})
	}
}

// failAt has each request fail that has part in it.
func (f *fakeTransit) failAt(part string, err error) {
	f.fail = func(request string) error {
		if strings.Contains(request, part) {
			return err
		}
		return nil
	}
}
