package sources_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/sources"
)

// fakeVault logs everybody in and has nothing.
type fakeVault struct {
	*httptest.Server
	mu    sync.Mutex
	asked []string
}

func newFakeVault(t *testing.T) *fakeVault {
	f := &fakeVault{}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.asked = append(f.asked, r.URL.Path)
		if strings.HasSuffix(r.URL.Path, "/login") {
			fmt.Fprint(w, `{"auth":{"client_token":"hvs.fake","lease_duration":3600,"renewable":false}}`)
			return
		}
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, `{"errors":[]}`)
	}))
	t.Cleanup(f.Close)
	return f
}

func (f *fakeVault) count(suffix string) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, path := range f.asked {
		if strings.HasSuffix(path, suffix) {
			n++
		}
	}
	return n
}

// comesTo waits until so many requests were made: the end of a client does not wait long for Vault.
func (f *fakeVault) comesTo(t *testing.T, suffix string, want int) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); f.count(suffix) != want; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d requests for %s, want %d", f.count(suffix), suffix, want)
		}
	}
}

func (f *fakeVault) connection() v1alpha1.VaultConnection {
	return v1alpha1.VaultConnection{Address: f.URL, AllowHTTP: true, Auth: v1alpha1.VaultAuth{Kubernetes: &v1alpha1.VaultServiceAccountAuth{Role: "waxwing"}}}
}

func (f *fakeVault) kv(path string) v1alpha1.KeySource {
	return v1alpha1.KeySource{VaultKV: &v1alpha1.VaultKVSource{Vault: f.connection(), Path: v1alpha1.VaultPath(path)}}
}

func (f *fakeVault) sealedBy(key string) v1alpha1.KeySource {
	return v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{EncryptedBy: &v1alpha1.KeyEncryption{Transit: &v1alpha1.TransitEncryption{Vault: f.connection(), Key: v1alpha1.VaultName(key)}}}}
}

func (f *fakeVault) transit(prefix string) v1alpha1.KeySource {
	return v1alpha1.KeySource{VaultTransit: &v1alpha1.VaultTransitSource{Vault: f.connection(), Prefix: v1alpha1.VaultName(prefix)}}
}

// fakeSecrets has none.
type fakeSecrets struct{ secretsource.Secrets }

func (fakeSecrets) List(context.Context, metav1.ListOptions) (*corev1.SecretList, error) {
	return &corev1.SecretList{}, nil
}

func newSources(t *testing.T, cluster func(context.Context) (string, error)) *sources.Sources {
	s := sources.New(sources.Config{
		Secrets: fakeSecrets{}, Cluster: cluster, ServiceAccountToken: func(context.Context, string) (string, error) { return "jwt", nil },
		Now: time.Now, Rand: rand.Reader, Jitter: func() float64 { return 0 }, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(s.Close)
	return s
}

func uid(context.Context) (string, error) { return "uid-of-the-cluster", nil }

func TestTheSameSpecGivesTheSameSource(t *testing.T) {
	f, s := newFakeVault(t), newSources(t, uid)
	open := func(name string, spec v1alpha1.KeySource) keyring.Source {
		t.Helper()
		src, err := s.Open(t.Context(), name, spec)
		if err != nil || src == nil {
			t.Fatalf("%v, %v", src, err)
		}
		return src
	}
	specs := map[string]func() v1alpha1.KeySource{
		"kv":      func() v1alpha1.KeySource { return f.kv("a") },
		"kv2":     func() v1alpha1.KeySource { return f.kv("b") },
		"sealed":  func() v1alpha1.KeySource { return f.sealedBy("k") },
		"transit": func() v1alpha1.KeySource { return f.transit("p-") },
	}
	seen := map[keyring.Source]string{}
	for name, spec := range specs {
		for _, ring := range []string{"one", "two"} {
			src := open(ring, spec())
			if open(ring, spec()) != src {
				t.Errorf("%s: another source for the same spec", name)
			}
			if other, ok := seen[src]; ok {
				t.Errorf("%s of %s has the source of %s", name, ring, other)
			}
			seen[src] = name + " of " + ring
		}
	}
	clear := v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}
	if open("one", clear) != open("two", clear) {
		t.Error("clear Secrets are not one source")
	}
	if src, err := s.Open(t.Context(), "one", v1alpha1.KeySource{}); src != nil || err != nil {
		t.Errorf("no source: %v, %v", src, err)
	}
	if f.count("") != 0 {
		t.Error("opening asked Vault something")
	}
}

func TestSourcesThatCannotBeOpened(t *testing.T) {
	f := newFakeVault(t)
	plain := f.kv("a")
	plain.VaultKV.Vault.AllowHTTP = false
	_, err := newSources(t, uid).Open(t.Context(), "one", plain)
	var problem *keyring.Problem
	if !errors.As(err, &problem) || !strings.Contains(err.Error(), "set allowHTTP in the Keyring") {
		t.Errorf("an address without TLS: %v", err)
	}
	away := func(context.Context) (string, error) { return "", errors.New("away") }
	if _, err = newSources(t, away).Open(t.Context(), "one", f.sealedBy("k")); err == nil || errors.As(err, &problem) {
		t.Errorf("without the cluster's UID: %v", err)
	}
}

// TestLoginsAreSharedAndGivenBack has two keyrings of one Vault: one login, which ends when neither needs it.
func TestLoginsAreSharedAndGivenBack(t *testing.T) {
	f, s := newFakeVault(t), newSources(t, uid)
	load := func(name string, spec v1alpha1.KeySource) {
		t.Helper()
		src, err := s.Open(t.Context(), name, spec)
		if err != nil {
			t.Fatal(err)
		}
		before := f.count("")
		_, _, _ = src.Load(t.Context(), name) // it finds nothing there, and says so
		if f.count("") == before {
			t.Fatal("Vault was not asked")
		}
	}
	load("one", f.kv("a"))
	load("two", f.kv("b"))
	if n := f.count("/login"); n != 1 {
		t.Errorf("%d logins of two keyrings that reach the same Vault alike", n)
	}
	s.Use("one", f.kv("a"))
	s.Use("two", f.kv("c"), f.kv("b")) // as while keys are moved
	s.Use("one")
	if n := f.count("/revoke-self"); n != 0 {
		t.Errorf("the token was given back while a keyring needs it")
	}
	load("two", f.kv("b"))
	s.Use("two")
	f.comesTo(t, "/revoke-self", 1) // nobody needs the token any more
	load("two", f.kv("b"))
	s.Close()
	f.comesTo(t, "/revoke-self", 2)
	if n := f.count("/login"); n != 2 {
		t.Errorf("%d logins", n)
	}
}

// fakeMaker is an API server whose own audience is api.
type fakeMaker struct {
	err   error
	asked [][]string
}

func (f *fakeMaker) CreateToken(_ context.Context, name string, r *authenticationv1.TokenRequest, _ metav1.CreateOptions) (*authenticationv1.TokenRequest, error) {
	f.asked = append(f.asked, r.Spec.Audiences)
	if f.err != nil {
		return nil, f.err
	}
	if len(r.Spec.Audiences) == 0 {
		r.Spec.Audiences = []string{"api", "https://kubernetes.default.svc"}
	}
	r.Status.Token = fmt.Sprintf("%s for %v, %d s", name, r.Spec.Audiences, *r.Spec.ExpirationSeconds)
	return r, nil
}

func TestTokens(t *testing.T) {
	f := &fakeMaker{err: errors.New("forbidden")}
	token := sources.Tokens(f, "waxwing")
	if _, err := token(t.Context(), "vault"); err == nil || err.Error() != "forbidden" {
		t.Errorf("got %v", err)
	}
	f.err = nil
	for range 2 {
		if got, err := token(t.Context(), "vault"); err != nil || got != "waxwing for [vault], 600 s" {
			t.Errorf("got %q, %v", got, err)
		}
	}
	for _, audience := range []string{"api", "https://kubernetes.default.svc"} {
		if got, err := token(t.Context(), audience); err == nil || got != "" || !strings.Contains(err.Error(), "is an audience of the API server itself") {
			t.Errorf("for %s: %q, %v", audience, got, err)
		}
	}
	// The API server's own audiences are asked for until they are known.
	if want := [][]string{nil, nil, {"vault"}, {"vault"}}; !slices.EqualFunc(f.asked, want, slices.Equal) {
		t.Errorf("asked for %v", f.asked)
	}
	if _, err := sources.Tokens(f, "")(t.Context(), "vault"); err == nil || !strings.Contains(err.Error(), "--service-account") {
		t.Errorf("without a ServiceAccount: %v", err)
	}
}

// fakeNamespaces answers with err, and then with a UID.
type fakeNamespaces struct {
	err   error
	asked int
}

func (f *fakeNamespaces) Get(_ context.Context, name string, _ metav1.GetOptions) (*corev1.Namespace, error) {
	f.asked++
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{UID: types.UID("uid of " + name)}}, f.err
}

func TestTheClusterIsAskedForUntilItIsKnown(t *testing.T) {
	f := &fakeNamespaces{err: errors.New("away")}
	cluster := sources.Cluster(f)
	if _, err := cluster(t.Context()); err == nil {
		t.Error("no error")
	}
	f.err = nil
	for range 2 {
		if got, err := cluster(t.Context()); got != "uid of kube-system" || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
	if f.asked != 2 {
		t.Errorf("asked %d times", f.asked)
	}
}
