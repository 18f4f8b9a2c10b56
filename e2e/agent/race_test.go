package agent_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
)

// gate stands between the agent and the forge. What the agent asks for a push waits in front of it until the test has let it through.
type gate struct {
	*world
	url, ca string
	waiting chan asked
}

// asked is a request for a push: for what the branch stands at, which is the first of two, or to have it stand at something else.
type asked struct {
	first   bool
	through chan struct{}
}

func newGate(w *world) *gate {
	w.t.Helper()
	g := &gate{world: w, waiting: make(chan asked)}
	target, err := url.Parse(w.forge.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(w.forge.CA))
	forward := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	s := httptest.NewTLSServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		first := strings.HasSuffix(r.URL.Path, "/info/refs") && r.URL.Query().Get("service") == "git-receive-pack"
		if first || strings.HasSuffix(r.URL.Path, "/git-receive-pack") {
			a := asked{first, make(chan struct{})}
			select {
			case g.waiting <- a:
				<-a.through
			case <-w.ctx.Done():
			}
		}
		forward.ServeHTTP(rw, r)
	}))
	w.t.Cleanup(s.Close)
	g.url, g.ca = s.URL, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
	return g
}

// passing has something be done while a request waits, and then lets it through.
func (g *gate) passing(first bool, do func()) {
	g.t.Helper()
	select {
	case a := <-g.waiting:
		defer close(a.through)
		if a.first != first {
			g.t.Fatalf("the first request of a push: %t, and wanted was %t", a.first, first)
		}
		if do != nil {
			do()
		}
	case <-g.ctx.Done():
		g.t.Fatal("the agent does not push")
	}
}

// pushing lets the first request of a push through, and has something be done before the second.
func (g *gate) pushing(do func()) {
	g.t.Helper()
	g.passing(true, nil)
	g.passing(false, do)
}

// TestAPersonPushesWhileTheAgentDoes has somebody be faster each time that the agent pushes, four times: before the agent asks where the branch stands, and after. Nothing of theirs is
// lost, not even a value in the very file that the agent is about to change, and the rewrap is one commit upon theirs.
func TestAPersonPushesWhileTheAgentDoes(t *testing.T) {
	w := newWorld(t)
	g := newGate(w)
	first := g.begun()
	agent := w.agent()
	w.follow(func(s *v1alpha1.SecretSyncSpec) {
		s.Source.URL = g.url + "/" + w.repo.FullName() + ".git"
		s.WriteBack = &v1alpha1.WriteBack{Strategy: v1alpha1.WritePush}
	})
	w.applied(first)
	w.secret("api")
	secret := w.secret("db")
	old := w.active().ID
	agent.Signal(t, syscall.SIGSTOP) // so that it finds all of the rotation at once, and pushes it at once
	w.seal("keys", "rotate", "--keyring", w.keyring)
	w.offered("api", "db")
	agent.Signal(t, syscall.SIGCONT)

	theirs := []string{first}
	person := func() {
		n := len(theirs)
		theirs = append(theirs, w.clone.Publish(fmt.Sprintf("docs: note %d", n), map[string]string{fmt.Sprintf("notes/%d.txt", n): "something of mine\n"}))
	}
	g.passing(true, func() {
		w.renewed("prod/db.yaml", "password", canary+"-renewed")
		person()
	})
	g.pushing(person)
	g.passing(true, person)
	g.pushing(person)
	g.pushing(nil)
	g.pushing(nil) // what was renewed meanwhile, for the old key, is rewrapped once the cluster has it
	w.until("the branch does not name the old key", func(s *v1alpha1.SecretSync) bool {
		return len(s.Status.Keys) > 0 && !slices.Contains(s.Status.Keys, old) && ready(s).Reason == "Synced"
	})
	w.clone.Pull()
	subjects := strings.Split(w.clone.Git("log", "--format=%s", theirs[len(theirs)-1]+"..HEAD"), "\n")
	if n := w.clone.Git("rev-list", "--count", "HEAD"); n != fmt.Sprint(len(theirs)+2) || len(subjects) != 2 ||
		!strings.HasPrefix(subjects[0], "chore(seal): rewrap 1 object ") || !strings.HasPrefix(subjects[1], "chore(seal): rewrap 2 objects ") {
		t.Errorf("there are %s commits, and upon theirs are %q", n, subjects)
	}
	w.eventually("their value is in the cluster", func(ctx context.Context) error {
		if err := w.Get(ctx, w.named("db"), secret); err != nil || string(secret.Data["password"]) == canary+"-renewed" {
			return err
		}
		return errors.New("it is another one")
	})
	w.stopped(agent)
	refused, done := w.pushes()
	if !slices.Equal(refused, slices.Repeat([]string{string(source.PushRejected)}, 4)) || done != 2 {
		t.Errorf("the audit log has %d pushes, and others that were refused: %s", done, refused)
	}
}

// begun publishes two sealed objects, and has the agent's credentials be for the gate.
func (g *gate) begun() (commit string) {
	g.t.Helper()
	g.elsewhere = []string{g.url}
	g.initialise()
	g.sealed("prod/db.yaml", "db")
	g.sealed("prod/api.yaml", "api")
	commit = g.clone.Commit("feat: seal them")
	g.clone.Push()
	files := g.token("sync")
	files["ca.crt"] = g.ca
	g.configure(files)
	return commit
}

// pushes are those that the agent's audit log has: the reasons of those that came to nothing, and how many did not.
func (w *world) pushes() (refused []string, done int) {
	w.t.Helper()
	ids := map[string]bool{}
	for _, r := range audittest.Records(w.t, w.agentLog) {
		switch {
		case r.Phase == audit.PhaseIntent:
			ids[r.ID] = r.Operation.Action == audit.ActionSyncPushed
		case r.Phase != audit.PhaseOutcome || !ids[r.ID]:
		case r.Outcome.OK:
			done++
		default:
			refused = append(refused, r.Outcome.Reason)
		}
	}
	return refused, done
}
