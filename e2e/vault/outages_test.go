package vault_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/e2e/harness/vaulttest"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// scene is a keyring whose Vault is behind a proxy, a controller that has its keys, and a Secret that is there already.
type scene struct {
	*world
	kind       kind
	vault      *vaulttest.Vault
	empty      []byte // a snapshot of it, before there was any key
	proxy      *faultproxy.Proxy
	holder     seal.Holder
	log        string
	controller *harness.Process
	old        *corev1.Secret
}

func newScene(t *testing.T, k kind) *scene {
	t.Helper()
	w := newWorld(t)
	s := &scene{world: w, kind: k, vault: w.vault(k, vaulttest.Options{}), log: t.TempDir() + "/audit"}
	s.proxy, s.empty = s.vault.Proxy(), s.vault.Snapshot()
	w.makeKeyring(k.keyring(connection(s.proxy.URL(), s.proxy.CA())))
	t.Cleanup(func() { w.recordAudit(s.log) })
	s.start()
	// Keys of RSA that Vault makes take it seconds of a processor each.
	made, cancel := context.WithTimeout(w.ctx, 3*time.Minute)
	defer cancel()
	w.saysWithin(made, keyring.ReasonKeyActive)
	s.holder = w.holder()
	s.old = w.opened("old", s.holder)
	return s
}

// start starts the controller, again if it ran before.
func (s *scene) start() {
	s.t.Helper()
	s.controller = s.controllerWithLog(s.log)
}

// outage is a way in which a Vault does not answer as it should.
type outage struct {
	name       string
	begin, end func()
	// says is what the keyring's status has of it.
	says []string
}

func (s *scene) outages() []outage {
	v := s.vault
	return []outage{
		{"locked", v.Lock, v.Unlock, []string{"it is locked", "vault operator unseal"}},
		{"away", v.Stop, v.StartAgain, []string{"see that Vault runs"}},
		s.fault("cut off in the middle of its answers", []string{"see that Vault runs"}, faultproxy.Fault{
			After: func(faultproxy.Request, int) faultproxy.Verdict { return faultproxy.CutBody(10) }}),
		s.slow(30 * time.Second),
		s.fault("failing", []string{"500"}, faultproxy.Fault{
			Before: func(faultproxy.Request) faultproxy.Verdict {
				return faultproxy.Reply(http.StatusInternalServerError, []byte(`{"errors":[]}`))
			}}),
		{"refusing", func() { v.Policy(policy, "# nothing") }, func() { s.allow(v, s.kind) }, []string{"permission denied", "docs/vault.md"}},
		{"of other roles", func() { v.Delete("auth/" + auth + "/role/" + role); v.RevokeLogins(auth) },
			func() { v.KubernetesRole(auth, role, s.role()) }, []string{"invalid role name", role}},
	}
}

// fault is an outage that the proxy makes.
func (s *scene) fault(name string, says []string, f faultproxy.Fault) outage {
	var active *faultproxy.Active
	return outage{name, func() { active = s.proxy.Add(f) }, func() { active.Remove() }, says}
}

// slow has every answer take so long.
func (s *scene) slow(long time.Duration) outage {
	over := make(chan struct{})
	end := sync.OnceFunc(func() { close(over) })
	s.t.Cleanup(end) // requests that wait would keep the proxy from closing
	o := s.fault("slow", []string{"no answer in time", "see how Vault and its storage do"}, faultproxy.Fault{
		Before: func(faultproxy.Request) faultproxy.Verdict {
			select {
			case <-time.After(long):
			case <-over:
			}
			return faultproxy.Pass()
		}})
	remove := o.end
	o.end = func() { remove(); end() }
	return o
}

// fewRequests holds that Vault was asked no more than it takes: some requests for each time that somebody looked, and a few a second.
func (s *scene) fewRequests(since time.Time, requests int) {
	s.t.Helper()
	took := time.Since(since)
	if most := 10 + 2*int(took.Seconds()); requests > most {
		s.t.Errorf("%d requests in %s", requests, took)
	}
	s.t.Logf("%d requests in %s", requests, took.Round(time.Second))
}

// TestVaultGoesAwayAndComesBack breaks each source's Vault in each way under a controller that has its keys in memory. What needs Vault waits for it and says why;
// what does not goes on; nothing that is there is touched; all is well again when Vault is, without a restart, and in between nobody storms it.
func TestVaultGoesAwayAndComesBack(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			s := newScene(t, k)
			process := s.controller.PID()
			for i, o := range s.outages() {
				t.Logf("a Vault that is %s", o.name)
				began, before := time.Now(), s.proxy.Count(nil)
				o.begin()
				s.look()
				name := fmt.Sprintf("in-outage-%d", i)
				s.put(name, s.holder)
				for j := range 10 {
					s.put(fmt.Sprintf("%s-more-%d", name, j), s.holder)
				}
				if k.remote {
					s.comesTo(name, unseal.KeySourceUnavailable, o.says...)
				} else {
					s.comesTo(name, unseal.Unsealed)
				}
				asked := s.proxy.Count(nil) - before
				if k.quiet {
					s.says(keyring.ReasonKeyActive)
					if asked > 0 {
						t.Errorf("%d requests for keys that are in memory", asked)
					}
				} else {
					s.says(keyring.ReasonKeySourceUnavailable, o.says...)
				}
				s.untouched(s.old)
				s.fewRequests(began, s.proxy.Count(nil)-before)
				o.end()
				s.says(keyring.ReasonKeyActive)
				s.comesTo(name, unseal.Unsealed)
				for j := range 10 {
					s.comesTo(fmt.Sprintf("%s-more-%d", name, j), unseal.Unsealed)
				}
				s.untouched(s.old)
			}
			if s.controller.PID() != process || !s.controller.Running() {
				t.Error("the controller did not live through it")
			}
		})
	}
}

// TestTheControllerStartsWhileVaultIsAway has it start without any key: nothing is opened, what is there stays as it is, and the keys come when Vault does.
func TestTheControllerStartsWhileVaultIsAway(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			s := newScene(t, k)
			for i, o := range s.outages()[:2] {
				t.Logf("a Vault that is %s", o.name)
				s.controller.Kill()
				o.begin()
				began, before := time.Now(), s.proxy.Count(nil)
				s.start()
				s.look() // so that the status is of this process
				s.says(keyring.ReasonKeySourceUnavailable, o.says...)
				name := fmt.Sprintf("at-start-%d", i)
				s.put(name, s.holder)
				s.comesTo(name, unseal.KeySourceUnavailable, s.keyring)
				s.fewRequests(began, s.proxy.Count(nil)-before)
				s.untouched(s.old)
				o.end()
				s.says(keyring.ReasonKeyActive)
				s.comesTo(name, unseal.Unsealed)
				s.untouched(s.old)
			}
		})
	}
}

// TestATokenIsRevoked has the controller log in again, once, and nothing else comes of it.
func TestATokenIsRevoked(t *testing.T) {
	for _, k := range kinds(t) {
		t.Run(k.name, func(t *testing.T) {
			s := newScene(t, k)
			s.vault.RevokeLogins(auth)
			mark := s.vault.Mark()
			s.look()
			s.opened("after", s.holder)
			s.says(keyring.ReasonKeyActive)
			s.untouched(s.old)
			most := 1
			if k.quiet {
				most = 0
			}
			if logins := s.vault.Requests(mark, vaulttest.To("auth/*/login")); len(logins) > most {
				t.Errorf("%d logins", len(logins))
			}
			if refused := s.vault.Requests(mark, func(r vaulttest.Request) bool { return strings.Contains(r.Error, "permission denied") }); len(refused) > 4 {
				t.Errorf("%d requests with a token that is gone", len(refused))
			}
		})
	}
}
