package vaulttransit_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
	"github.com/waxwing-io/waxwing/keyring/vaulttransit"
)

// made is a key, as a Secret would have it.
func made(t *testing.T, c *vaulttransit.Custody) secretsource.Held {
	t.Helper()
	recipient, kept, err := c.NewKey(t.Context(), "prod-eu", seal.Classical)
	if err != nil {
		t.Fatal(err)
	}
	return secretsource.Held{ID: seal.KeyID(recipient), Recipient: recipient, Kept: kept}
}

func TestAKeyIsMadeInVaultAndFoundThere(t *testing.T) {
	f := newFakeTransit()
	c := f.custody(t)
	h := made(t, c)
	name := strings.TrimSpace(string(h.Kept))
	if !strings.HasPrefix(h.Recipient, "waxrsa1") || !strings.HasPrefix(name, "prod-") || len(name) != len("prod-")+26 || name != strings.ToLower(name) {
		t.Errorf("%q is kept for %q", name, h.Recipient)
	}
	if k := f.keys[name].fields; k["type"] != "rsa-4096" || k["exportable"] != false || k["allow_plaintext_backup"] != false {
		t.Errorf("what was made is %v", k)
	}
	found, err := c.Identities(t.Context(), "prod-eu", []secretsource.Held{h})
	if err != nil || len(found) != 1 || found[0].Err != nil || found[0].Identity.Recipient() != h.Recipient {
		t.Fatalf("%v, %v", found, err)
	}
	// The same name under another Vault, restored from before.
	if _, _, err := c.NewKey(t.Context(), "prod-eu", seal.PostQuantum); !strings.Contains(err.Error(), "must be classical") {
		t.Error(err)
	}
}

func TestAVaultThatIsTooSlowDoesNotFillWithKeys(t *testing.T) {
	f := newFakeTransit()
	c := f.custody(t)
	f.late = 3
	for range 3 {
		if _, _, err := c.NewKey(t.Context(), "prod-eu", seal.Classical); !isAway(err) {
			t.Fatal(err)
		}
	}
	if made(t, c); len(f.keys) != 1 {
		t.Errorf("%d keys were made", len(f.keys))
	}
	if made(t, c); len(f.keys) != 2 {
		t.Errorf("the next key is one of %d", len(f.keys))
	}
}

func TestAKeyThatIsNotAsItMustBeIsRefusedWithAWayOut(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*fakeTransit, *secretsource.Held)
		says   string
	}{
		"exportable":           {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"exportable": true}) }, "is exportable, so its private half may be elsewhere than in Vault; that cannot be taken back: open what was sealed to it with break glass"},
		"backups in the clear": {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"allow_plaintext_backup": true}) }, "allow_plaintext_backup"},
		"imported":             {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"imported_key": true}) }, "was imported"},
		"derived":              {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"derived": true}) }, "is derived"},
		"another type":         {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"type": "rsa-2048"}) }, "is of type rsa-2048, not rsa-4096"},
		"an AES key": {func(f *fakeTransit, _ *secretsource.Held) {
			f.change(map[string]any{"type": "aes256-gcm96", "keys": map[string]any{"1": 1764150000}})
		}, "is of type aes256-gcm96"},
		"its version disabled": {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"min_decryption_version": 2}) }, "config min_decryption_version=1"},
		"its version trimmed": {func(f *fakeTransit, _ *secretsource.Held) {
			f.change(map[string]any{"keys": map[string]any{"2": map[string]any{}}})
		}, "has lost its first version"},
		"no public half":      {func(f *fakeTransit, _ *secretsource.Held) { f.change(map[string]any{"keys": map[string]any{"1": 5}}) }, "without its public half"},
		"another public half": {func(_ *fakeTransit, h *secretsource.Held) { h.Recipient = "waxrsa1other" }, "has another public half than the recipient"},
		"gone":                {func(f *fakeTransit, _ *secretsource.Held) { clear(f.keys) }, "Vault does not have: restore a snapshot of Vault that has it, or open what was sealed to it with break glass"},
		"of another keyring":  {func(_ *fakeTransit, h *secretsource.Held) { h.Kept = []byte("dev-01kb8zv3rg9m1x0q2s4t6v8w0y\n") }, "is not of this keyring: its name does not begin with prod-"},
		"no name":             {func(_ *fakeTransit, h *secretsource.Held) { h.Kept = []byte("prod-../../sys/seal") }, "does not name a Transit key"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeTransit()
			custody := f.custody(t)
			h, well := made(t, custody), made(t, custody)
			f.requests()
			bad := []secretsource.Held{h}
			c.change(f, &bad[0])
			found, err := custody.Identities(t.Context(), "prod-eu", bad)
			if err != nil || len(found) != 1 || found[0].Err == nil || !strings.Contains(found[0].Err.Error(), c.says) {
				t.Errorf("%v, %v", found, err)
			}
			if strings.HasPrefix(name, "of another") || name == "no name" || name == "another public half" {
				if both, err := custody.Identities(t.Context(), "prod-eu", append(bad, well)); err != nil || both[0].Err == nil || both[1].Err != nil {
					t.Errorf("another key is hindered: %v, %v", both, err)
				}
			}
		})
	}
}

func TestAKeyThatIsRotatedInVaultGoesOnOpening(t *testing.T) {
	f := newFakeTransit()
	c := f.custody(t)
	h := made(t, c)
	k := f.keys[strings.TrimSpace(string(h.Kept))]
	k.fields["keys"].(map[string]any)["2"] = map[string]any{"public_key": "of the second version"}
	if found, err := c.Identities(t.Context(), "prod-eu", []secretsource.Held{h}); err != nil || found[0].Err != nil {
		t.Errorf("%v, %v", found, err)
	}
}

func TestWhatVaultHasSaidOfAKeyIsAskedForAgainOnceInAWhile(t *testing.T) {
	f, now := newFakeTransit(), time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC)
	c := f.custodyAt(func() time.Time { return now })
	held := []secretsource.Held{made(t, c), made(t, c), made(t, c)}
	look := func(want int) {
		t.Helper()
		f.requests()
		if _, err := c.Identities(t.Context(), "prod-eu", held); err != nil {
			t.Fatal(err)
		}
		if got := f.requests(); len(got) != want {
			t.Errorf("%d requests were made, not %d: %q", len(got), want, got)
		}
	}
	look(3)
	now = now.Add(time.Minute)
	look(1)
	now = now.Add(time.Minute)
	look(1)
	now = now.Add(10 * time.Minute)
	look(3)

	f.fail = func(string) error { return errAway }
	if _, err := c.Identities(t.Context(), "prod-eu", held); !isAway(err) {
		t.Errorf("that Vault is away shows as %v", err)
	}
}

func TestErrorsOfVaultsSetUpAreProblems(t *testing.T) {
	for name, c := range map[string]struct {
		err     error
		problem string // empty: it is tried again
	}{
		"no mount":   {&vault.Error{Kind: vault.Missing, Status: 404, Msg: `no handler for route "transit/keys/x"`, Doing: "writing"}, "spec.source.vaultTransit.mount is transit, and Vault has no Transit engine there: vault secrets enable -path=transit transit"},
		"a KV mount": {&vault.Error{Kind: vault.Missing, Status: 404, Msg: "unsupported path", Doing: "writing"}, "has no Transit engine there"},
		"refused":    {&vault.Error{Kind: vault.Refused, Status: 400, Msg: "unknown key type", Doing: "writing transit/keys/x"}, "see that transit is a Transit engine"},
		"denied":     {&vault.Error{Kind: vault.Denied, Status: 403, Msg: "permission denied", Doing: "writing"}, ""},
		"locked":     {errAway, ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFakeTransit()
			f.fail = func(string) error { return c.err }
			custody := f.custody(t)
			_, _, kerr := custody.NewKey(t.Context(), "prod-eu", seal.Classical)
			_, _, serr := custody.NewSigner(t.Context(), "prod-eu")
			for _, err := range []error{kerr, serr} {
				problem := (*keyring.Problem)(nil)
				if errors.As(err, &problem) != (c.problem != "") || (c.problem != "" && !strings.Contains(err.Error(), c.problem)) {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

func TestAStatementKeySignsInVault(t *testing.T) {
	f := newFakeTransit()
	c := f.custody(t)
	verifierKey, kept, err := c.NewSigner(t.Context(), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	if name := string(kept); !strings.HasPrefix(name, "prod-statement-") {
		t.Errorf("it is called %q", name)
	}
	ctx, requests := keyring.WithRequests(t.Context())
	f.requests()
	signer, err := c.Signer(ctx, "prod-eu", verifierKey, kept)
	if err != nil || len(f.requests()) != 0 {
		t.Fatalf("%v, or a request was made", err)
	}
	signed, err := note.Sign(&note.Note{Text: "text\n"}, signer)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := note.Open(signed, note.VerifierList(verifier)); err != nil {
		t.Error(err)
	}
	if got := requests.String(); got != "request-3 request-4" {
		t.Errorf("the requests are %q", got)
	}

	// The key of that name is another one now.
	other, _, err := c.NewSigner(t.Context(), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	if signer, err = c.Signer(ctx, "prod-eu", other, kept); err != nil {
		t.Fatal(err)
	}
	problem := (*keyring.Problem)(nil)
	if _, err := signer.Sign([]byte("text\n")); !errors.As(err, &problem) || !strings.Contains(err.Error(), "does not sign as the statement key that the keyring has published") {
		t.Errorf("%v", err)
	}
	f.change(map[string]any{"exportable": true})
	if _, err := signer.Sign([]byte("text\n")); !errors.As(err, &problem) || !strings.Contains(err.Error(), "is exportable") {
		t.Errorf("%v", err)
	}
	if _, err := c.Signer(ctx, "prod-eu", verifierKey, []byte("dev-statement-x")); err == nil {
		t.Error("a signer under the name of another keyring's key")
	}
}
