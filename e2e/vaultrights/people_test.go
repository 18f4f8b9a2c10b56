package vaultrights_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	vaultapi "github.com/hashicorp/vault/api"

	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
)

// place is where one case works: nothing in it is shared with another.
type place struct {
	vaultpolicy.Place
	bare bool // nothing is mounted yet
}

// fresh makes the nth place.
func fresh(v *vaulttest.Vault, n int, bare bool) place {
	p := place{bare: bare, Place: vaultpolicy.Place{
		Transit: fmt.Sprintf("transit-%d", n), KV: fmt.Sprintf("kv-%d", n), Auth: fmt.Sprintf("cluster-%d", n), Key: "waxwing", Folder: "waxwing/prod", Prefix: "waxwing-prod-",
	}}
	if bare {
		return p
	}
	v.EnableTransit(p.Transit)
	v.TransitKey(p.Transit, p.Key, nil)
	for _, name := range []string{"old", "doomed"} {
		v.TransitKey(p.Transit, p.Prefix+name, map[string]any{"type": "ed25519"})
	}
	v.Write(p.Transit+"/keys/"+p.Prefix+"doomed/config", map[string]any{"deletion_allowed": true})
	v.EnableKV(p.KV)
	for _, name := range []string{"keys/one", "statement"} {
		v.Write(p.KV+"/data/"+p.Folder+"/"+name, map[string]any{"data": map[string]any{"a": "b"}})
	}
	v.Write("sys/auth/"+p.Auth, map[string]any{"type": "jwt"})
	v.Write("auth/"+p.Auth+"/config", authSettings())
	v.Write("auth/"+p.Auth+"/role/waxwing-prod", roleSettings())
	v.Policy("waxwing-prod", nothing)
	return p
}

// authSettings are those of an auth method that has a configuration, as Kubernetes auth has.
func authSettings() map[string]any {
	return map[string]any{"jwt_supported_algs": "EdDSA", "jwks_url": "", "jwt_validation_pubkeys": anybody}
}

func roleSettings() map[string]any {
	return map[string]any{"role_type": "jwt", "user_claim": "sub", "bound_audiences": "vault", "token_policies": "waxwing-login"}
}

// anybody is a public key that nobody has the other half of.
const anybody = `-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----`

// asked is a request that somebody makes with a right.
type asked struct {
	right
	bare bool
	do   func(ctx context.Context, c *vaultapi.Logical, p place) error
}

func read(path func(place) string) func(context.Context, *vaultapi.Logical, place) error {
	return func(ctx context.Context, c *vaultapi.Logical, p place) error {
		s, err := c.ReadWithContext(ctx, path(p))
		return something(s, err)
	}
}

func list(path func(place) string) func(context.Context, *vaultapi.Logical, place) error {
	return func(ctx context.Context, c *vaultapi.Logical, p place) error {
		s, err := c.ListWithContext(ctx, path(p))
		return something(s, err)
	}
}

func write(path func(place) string, data map[string]any) func(context.Context, *vaultapi.Logical, place) error {
	return func(ctx context.Context, c *vaultapi.Logical, p place) error {
		_, err := c.WriteWithContext(ctx, path(p), data)
		return err
	}
}

func remove(path func(place) string) func(context.Context, *vaultapi.Logical, place) error {
	return func(ctx context.Context, c *vaultapi.Logical, p place) error {
		_, err := c.DeleteWithContext(ctx, path(p))
		return err
	}
}

func something(s *vaultapi.Secret, err error) error {
	if err == nil && s == nil {
		err = errors.New("nothing is there")
	}
	return err
}

func denied(err error) bool {
	var r *vaultapi.ResponseError
	return errors.As(err, &r) && r.StatusCode == http.StatusForbidden
}

// TestEachRightOfPeopleIsNeeded holds a request against each right of those policies that programs of ours do not use: with the policy it is answered, without the right refused.
func TestEachRightOfPeopleIsNeeded(t *testing.T) {
	v := vaulttest.Start(t, vaulttest.Options{})
	n := 0
	rows := map[right]asked{}
	for _, a := range requests() {
		rows[a.right] = a
	}
	for _, policy := range []string{vaultpolicy.Operator, vaultpolicy.Auditor, vaultpolicy.TransitRemove, vaultpolicy.KVRemove, vaultpolicy.Login} {
		for _, r := range rightsOf(t, policy, shipped(t)[policy]) {
			a, ok := rows[r]
			if !ok {
				t.Errorf("no request shows what this is for: %s", r)
				continue
			}
			delete(rows, r)
			t.Run(r.String(), func(t *testing.T) {
				for _, all := range []bool{true, false} {
					n++
					p := fresh(v, n, a.bare)
					err := a.do(t.Context(), as(t, v, p, r, all), p)
					if all && err != nil {
						t.Errorf("with the policy: %v", err)
					}
					if !all && !denied(err) {
						t.Errorf("without the right Vault answers all the same: %v", err)
					}
				}
			})
		}
	}
	for r := range rows {
		t.Errorf("no policy has the right that a request is for: %s", r)
	}
}

// TestWhatPoliciesMustNotAllow holds the requests that would undo what a policy is for: with all of it they are refused.
func TestWhatPoliciesMustNotAllow(t *testing.T) {
	v := vaulttest.Start(t, vaulttest.Options{})
	for n, a := range forbidden() {
		t.Run(fmt.Sprintf("%s, %d", a.policy, n), func(t *testing.T) {
			p := fresh(v, n, false)
			if err := a.do(t.Context(), as(t, v, p, a.right, true), p); !denied(err) {
				t.Errorf("Vault does not refuse it: %v", err)
			}
			if err := a.do(t.Context(), v.Root().Logical(), p); denied(err) {
				t.Errorf("nobody may do that, so nothing is shown: %v", err)
			}
		})
	}
}

// as is somebody with a policy, or with all of it but r.
func as(t *testing.T, v *vaulttest.Vault, p place, r right, all bool) *vaultapi.Logical {
	t.Helper()
	text := render(t, r.policy, p.Place)
	if !all {
		text = without(t, text, p.Fill(r.path), r.capability)
	}
	name := "test-" + p.Transit
	v.Policy(name, text)
	return v.As((&world{Vault: v}).token(t, name)).Logical()
}

func render(t *testing.T, policy string, p vaultpolicy.Place) string {
	t.Helper()
	text, err := vaultpolicy.Read(policy, p)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
