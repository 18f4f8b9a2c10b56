package e2e_test

import (
	"context"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// gate is a proxy before the API server that can hold back some answers, as a slow API server would.
type gate struct {
	holds func(*http.Request) bool

	url string
	ca  []byte // PEM

	mu     sync.Mutex
	closed chan struct{} // nil while open
}

// secretWatches are what the controller's cache of Secrets learns from, keyLists what its keyrings are loaded from.
func secretWatches(r *http.Request) bool {
	return r.URL.Path == "/api/v1/secrets" && r.URL.Query().Get("watch") != ""
}

func keyLists(r *http.Request) bool {
	return r.URL.Path == "/api/v1/namespaces/"+home+"/secrets" && r.Method == http.MethodGet
}

func (w *world) gate(t *testing.T, holds func(*http.Request) bool) *gate {
	t.Helper()
	to, err := url.Parse(w.Config().Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(w.Config()))
	if err != nil {
		t.Fatal(err)
	}
	g := &gate{holds: holds}
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport:     transport,
		FlushInterval: -1,
		ModifyResponse: func(resp *http.Response) error {
			if g.holds(resp.Request) {
				resp.Body = &gated{ReadCloser: resp.Body, gate: g, ctx: resp.Request.Context()}
			}
			return nil
		},
	}
	server := httptest.NewTLSServer(proxy) // clients send no token over plain HTTP
	t.Cleanup(func() {
		g.open()
		server.CloseClientConnections()
		server.Close()
	})
	g.url, g.ca = server.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return g
}

func (g *gate) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed == nil {
		g.closed = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed != nil {
		close(g.closed)
		g.closed = nil
	}
}

// wait returns when the gate is open.
func (g *gate) wait(ctx context.Context) {
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed == nil {
		return
	}
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

type gated struct {
	io.ReadCloser
	gate *gate
	ctx  context.Context
}

func (b *gated) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.gate.wait(b.ctx)
	return n, err
}

// controllerBehind starts the controller with the gate between it and the API server.
func (w *world) controllerBehind(t *testing.T, g *gate) *replica {
	t.Helper()
	return w.behind(t, g).start(t, filepath.Join(t.TempDir(), "audit"))
}

// behind is the world with the gate between its controllers and the API server.
func (w *world) behind(t *testing.T, g *gate) *world {
	t.Helper()
	k, err := clientcmd.LoadFromFile(w.kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range k.Clusters {
		c.Server, c.CertificateAuthorityData = g.url, g.ca
	}
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*k, path); err != nil {
		t.Fatal(err)
	}
	behind := *w
	behind.kubeconfig = path
	return &behind
}

// makesSecrets is the writing of new Secrets of the test's namespace.
func (w *world) makesSecrets(r *http.Request) bool {
	return r.Method == http.MethodPost && r.URL.Path == "/api/v1/namespaces/"+w.namespace+"/secrets"
}

// conflicts counts the attempts to write a Secret that was not the one that was expected.
func (r *replica) conflicts(t *testing.T) int {
	t.Helper()
	n := 0
	for _, rec := range r.records(t) {
		if rec.Outcome != nil && rec.Outcome.Reason == "Conflict" {
			n++
		}
	}
	return n
}

// cached waits until the controller's cache has the object's Secret. What the controller has written itself its status knows without the cache; of what somebody else writes
// only the watch tells.
func (w *world) cached(t *testing.T, name string) {
	t.Helper()
	w.seen(t, name)
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	if err := w.Patch(w.ctx, s, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"somebody/first":"x"}}}`))); err != nil {
		t.Fatal(err)
	}
	w.seen(t, name)
}

// TestAStaleCacheTakesNothingOver holds that what the controller does not know of yet is safe: a Secret of somebody else that has just been made, and
// one of its own that somebody has just been given.
func TestAStaleCacheTakesNothingOver(t *testing.T) {
	w := newWorld(t)
	g := w.gate(t, secretWatches)
	ctl := w.controllerBehind(t, g)
	ctl.ready(t)
	given := w.sealed(t, "given", "user")
	w.create(t, given)
	w.cached(t, "given")
	g.close()

	foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}, Data: map[string][]byte{"theirs": []byte("x")}}
	w.create(t, foreign)
	theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "given"}}
	if err := w.Patch(w.ctx, theirs, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"ownerReferences":null,"annotations":null},"data":{"theirs":"eA=="}}`))); err != nil {
		t.Fatal(err)
	}
	w.create(t, w.sealed(t, "db", "user"))
	w.update(t, given, func() {
		if err := sealer().Put(&given.Spec, values("later"), []seal.Holder{w.holder(t)}); err != nil {
			t.Fatal(err)
		}
	})
	until(w.ctx, t, "both were tried in vain", func() bool { return ctl.intents(t, "db") > 0 && ctl.intents(t, "given") > 1 && ctl.conflicts(t) > 1 })
	unchanged := func(name, version string) {
		t.Helper()
		s := &corev1.Secret{}
		if err := w.Get(w.ctx, w.key(name), s); err != nil || s.ResourceVersion != version || string(s.Data["theirs"]) != "x" {
			t.Errorf("Secret %s was touched (%v)", name, err)
		}
	}
	unchanged("db", foreign.ResourceVersion)
	unchanged("given", theirs.ResourceVersion)
	if o := (&v1alpha1.GitSecret{}); w.Get(w.ctx, w.key("db"), o) != nil || unseal.ReasonOf(o.Status) != "" {
		t.Errorf("a conflict with a cache is nothing to tell: %s", unseal.ReasonOf(o.Status))
	}
	g.open()
	w.eventually(t, "db", unseal.TargetConflict)
	w.eventually(t, "given", unseal.TargetConflict)
	unchanged("db", foreign.ResourceVersion)
	unchanged("given", theirs.ResourceVersion)
}

// TestARestartLeavesStatusesAloneWhileKeysAreLoaded holds that objects that are well stay so in the moments in which a new process has no keys yet.
func TestARestartLeavesStatusesAloneWhileKeysAreLoaded(t *testing.T) {
	w := newWorld(t)
	before := w.controller(t)
	w.create(t, w.sealed(t, "db", "user"))
	w.seen(t, "db")
	before.Signal(t, os.Interrupt)
	before.Wait(t)
	versions := w.versions(t)
	g := w.gate(t, keyLists)
	g.close()
	ctl := w.controllerBehind(t, g)
	looked := regexp.MustCompile(`(?m)^controller_runtime_reconcile_total\{controller="gitsecret",result="requeue_after"\} ([2-9]|\d\d)`)
	until(w.ctx, t, "the object was looked at", func() bool {
		body, err := get("http://" + ctl.metrics + "/metrics")
		return err == nil && looked.Match(body)
	})
	g.open()
	ctl.ready(t)
	w.create(t, w.sealed(t, "next", "user"))
	w.seen(t, "next")
	if after := w.versions(t); after["db"] != versions["db"] || ctl.intents(t, "db") != 0 {
		t.Errorf("versions %s, before %s; %d intents", after["db"], versions["db"], ctl.intents(t, "db"))
	}
}

// TestAStaleCacheDoesNotDeleteWhatItDoesNotKnow holds the same where a Secret is made anew because its type changes.
func TestAStaleCacheDoesNotDeleteWhatItDoesNotKnow(t *testing.T) {
	w := newWorld(t)
	g := w.gate(t, secretWatches)
	ctl := w.controllerBehind(t, g)
	ctl.ready(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	w.cached(t, "db")
	g.close()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}
	if err := w.Patch(w.ctx, s, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"somebody/note":"x"}}}`))); err != nil {
		t.Fatal(err)
	}
	w.update(t, o, func() { o.Spec.Type = "example.com/other" })
	until(w.ctx, t, "it was tried in vain", func() bool { return ctl.conflicts(t) > 0 })
	if err := w.Get(w.ctx, w.key("db"), s); err != nil || s.Type != corev1.SecretTypeOpaque {
		t.Errorf("the Secret was replaced (%v)", err)
	}
	g.open()
	harness.Eventually(w.ctx, t, "the Secret is of the new type", func(ctx context.Context) error {
		got := &corev1.Secret{}
		if err := w.Get(ctx, w.key("db"), got); apierrors.IsNotFound(err) || (err == nil && got.Type != "example.com/other") {
			return errors.New("it is not")
		} else if err != nil {
			return err
		}
		return holdsExactly(got, []string{"user"})
	})
}
