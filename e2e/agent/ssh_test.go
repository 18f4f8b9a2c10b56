package agent_test

import (
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// TestAnSSHServerIsAskedOnlyIfItsKeyIsKnown follows a repository over SSH: nothing is fetched before known_hosts has the server's key, nor after the server has shown another one.
func TestAnSSHServerIsAskedOnlyIfItsKeyIsKnown(t *testing.T) {
	w := newWorld(t)
	w.initialise()
	w.sealed("prod/db.yaml", "db")
	first := w.clone.Commit("feat: seal it")
	w.clone.Push()
	files := w.sshKey()
	known := files["known_hosts"]
	delete(files, "known_hosts")
	w.configure(files)
	w.agent()
	w.follow(func(s *v1alpha1.SecretSyncSpec) { s.Source.URL = w.repo.SSHURL() })
	w.stalls(source.HostUnknown, "known_hosts")
	w.configure(map[string]string{"known_hosts": strings.Replace(known, "127.0.0.1", "192.0.2.1", 1)})
	w.askNow()
	w.stalls(source.HostUnknown, "has no key of")
	if w.uid("db") != "" {
		t.Fatal("something was applied that an unknown server has sent")
	}
	w.configure(map[string]string{"known_hosts": known})
	w.askNow()
	w.applied(first)
	w.secret("db")
	before := w.uids("db")

	w.sealed("prod/api.yaml", "api")
	commit := w.clone.Commit("feat: one more")
	w.clone.Push()
	w.forge.ChangeHostKey()
	w.askNow()
	w.stalls(source.HostUnknown, "is not the one in known_hosts")
	if w.uid("api") != "" {
		t.Error("something was applied that an unknown server has sent")
	}
	w.stay(before)

	w.configure(map[string]string{"known_hosts": w.forge.KnownHosts})
	w.askNow()
	w.applied(commit)
	w.secret("api")

	w.configure(map[string]string{"identity": w.newKey("stranger")})
	w.askNow()
	w.stalls(source.AuthenticationFailed, "SSH key")
	w.stay(before)
}

// stalls waits until Ready has a reason that somebody has to do something about, and holds that the message has words.
func (w *world) stalls(reason source.Reason, words ...string) {
	w.t.Helper()
	if s := w.comesTo(string(reason), words...); !is(s, v1alpha1.ConditionStalled) || is(s, v1alpha1.ConditionReconciling) {
		w.t.Errorf("it does not say that somebody has to do something: %+v", s.Status.Conditions)
	}
}
