package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// doctor runs seal doctor and looks for lines in its report, spaces between columns aside.
func (c *checkout) doctor(t *testing.T, code int, wants ...string) {
	t.Helper()
	stdout, _ := c.run(t, code, "doctor", "--cluster", "--timeout", "1m")
	got := gaps.ReplaceAllString(stdout, " ")
	for _, want := range wants {
		if !strings.Contains(got, want) {
			t.Errorf("seal doctor does not say %q, but\n%s", want, got)
		}
	}
}

// clone is a repository whose settings pin the default keyring.
func (w *world) clone(t *testing.T) *checkout {
	t.Helper()
	c := &checkout{w: w, dir: t.TempDir(), kubeconfig: w.Kubeconfig()}
	harness.Run(t, harness.Command{Path: "git", Args: []string{"init", "-q"}, Dir: c.dir})
	w.holder(t)
	c.run(t, 0, "init", "--keyring", "default")
	return c
}

func TestDoctorLooksAtTheCluster(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	c := w.clone(t)
	c.doctor(t, 0,
		"ok cluster Kubernetes v1.", "ok clock the clocks here and of the API server agree", "ok CRDs gitsecrets v1alpha1 is established and served",
		"ok CRDs keyrings v1alpha1 is established and served", "ok rights you may list gitsecrets.waxwing.io in namespace default (seal status), get keyrings",
		"ok keyring default is ready: sealing to key ", "ok keyring default: the note is what the cluster publishes, set ", "ok controller ", " leads\n",
		"skip volume there is no StatefulSet of the controller in namespace waxwing-system",
	)

	t.Run("a StatefulSet whose pods do not run", func(t *testing.T) {
		var set string
		for _, o := range harness.RenderWaxwing(t) {
			if o.GetKind() == "StatefulSet" {
				set = file(t, o)
			}
		}
		w.run(t, "apply", "-f", set, "-n", home)
		t.Cleanup(func() { w.run(t, "delete", "-f", set, "-n", home) })
		c.doctor(t, 5, "fail controller none of 1 replica of StatefulSet waxwing-controller is ready", "hint: kubectl -n waxwing-system describe statefulset waxwing-controller",
			"fail volume the audit log has no volume yet: audit-waxwing-controller-0 (", "ok versions seal v0.0.0-e2e, controller 0.1.0")
	})
	t.Run("the clock here is ahead", func(t *testing.T) {
		ahead := *c
		ahead.kubeconfig = fakeClock(t, w, -10*time.Minute)
		ahead.doctor(t, 5, "fail clock the clock here is 10 minutes ahead of the API server's, and the controller refuses what is dated more than 5 minutes ahead", "hint: set the clock here")
	})
	t.Run("the clock here is behind", func(t *testing.T) {
		behind := *c
		behind.kubeconfig = fakeClock(t, w, time.Hour)
		behind.doctor(t, 5, "warn clock the clock here is ", "behind the API server's: what is sealed here may look older", "fail controller no controller runs: ")
	})
	t.Run("a person without rights", func(t *testing.T) {
		nobody := *c
		nobody.kubeconfig = w.person(t, "nobody")
		nobody.doctor(t, 5, "skip CRDs waxwing.io/v1alpha1 is served", "warn rights you may not list gitsecrets.waxwing.io in namespace "+w.namespace, "warn rights you may not get keyrings.waxwing.io",
			"fail keyring default: not allowed: keyrings.waxwing.io \"default\" is forbidden", "skip controller you may not look at it", "skip volume you may not look at it")
	})
	t.Run("another pin", func(t *testing.T) {
		_, other, err := statement.GenerateKey(rand.Reader, "default")
		if err != nil {
			t.Fatal(err)
		}
		settings := filepath.Join(c.dir, ".seal.yaml")
		b, err := os.ReadFile(settings)
		if err != nil {
			t.Fatal(err)
		}
		b = regexp.MustCompile(`statementKey: \S+`).ReplaceAll(b, []byte("statementKey: "+other))
		if err := os.WriteFile(settings, b, 0o600); err != nil {
			t.Fatal(err)
		}
		c.doctor(t, 5, "fail keyring default: what the cluster publishes is not signed by the key that is pinned", "hint: if the keyring was made anew, check its new key")
	})
}

// fakeClock is a kubeconfig that leads to the real API server by a proxy which moves the Date of every answer; nobody sets the clock of a machine for a test.
func fakeClock(t *testing.T, w *world, by time.Duration) string {
	t.Helper()
	name := "clock-" + strings.ToLower(rand.Text()[:8])
	kubeconfig := w.ServiceAccountKubeconfig(t, w.namespace, name)
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: name}}}
	w.create(t, binding)
	t.Cleanup(func() {
		if err := w.Delete(context.Background(), binding); err != nil {
			t.Error(err)
		}
	})
	w.may(t, asAccount(w.namespace, name, authorizationv1.ResourceAttributes{Verb: "get", Group: "coordination.k8s.io", Resource: "leases", Namespace: home}), true)
	config := w.Config()
	to, err := url.Parse(config.Host)
	if err != nil {
		t.Fatal(err)
	}
	// The proxy forwards the user's own token, and has no credentials.
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(config))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(to) },
		Transport: transport,
		ModifyResponse: func(r *http.Response) error {
			r.Header.Set("Date", time.Now().Add(by).UTC().Format(http.TimeFormat))
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	return elsewhere(t, kubeconfig, proxy.URL, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: proxy.Certificate().Raw}))
}

// TestDoctorFollowsAnInstallation meets a cluster of its own: without Waxwing, with kinds that are too old for this seal, and with the right ones before the
// controller has started.
func TestDoctorFollowsAnInstallation(t *testing.T) {
	binary, err := harness.Tool(t.Context(), "controlplane")
	if err != nil {
		t.Fatal(err)
	}
	kubectl, err := harness.Tool(t.Context(), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	p, err := harness.LaunchControlPlane(t.Context(), harness.ControlPlaneOptions{Binary: binary, Controllers: "namespace-controller"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Stop() })
	c := &checkout{dir: t.TempDir(), kubeconfig: p.Kubeconfig}
	harness.Run(t, harness.Command{Path: "git", Args: []string{"init", "-q"}, Dir: c.dir})
	c.doctor(t, 5, "ok cluster Kubernetes v1.", "fail CRDs the cluster does not know gitsecrets: there is no CRD gitsecrets.waxwing.io", "hint: install Waxwing there")

	crd, err := os.ReadFile("../charts/waxwing/files/crds/waxwing.io_gitsecrets.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var old map[string]any
	if err := yaml.Unmarshal(crd, &old); err != nil {
		t.Fatal(err)
	}
	spec, found, err := unstructured.NestedFieldNoCopy(old["spec"].(map[string]any)["versions"].([]any)[0].(map[string]any), "schema", "openAPIV3Schema", "properties", "spec", "properties")
	if err != nil || !found {
		t.Fatalf("the CRD has no schema: %v", err)
	}
	delete(spec.(map[string]any), "suspend")
	apply := func(path string) {
		harness.Run(t, harness.Command{Path: kubectl, Args: []string{"--kubeconfig", p.Kubeconfig, "apply", "--server-side", "-f", path}})
		harness.Run(t, harness.Command{Path: kubectl, Args: []string{"--kubeconfig", p.Kubeconfig, "wait", "--for=condition=Established", "crd", "--all"}})
	}
	apply(file(t, old))
	apply("../charts/waxwing/files/crds/waxwing.io_keyrings.yaml")
	c.doctor(t, 5, "fail CRDs gitsecrets: the CRD is older than this seal: it does not know spec.suspend, and drops or refuses that", "hint: apply the CRDs of this version")
	apply("../charts/waxwing/files/crds")
	c.doctor(t, 5, "ok CRDs gitsecrets", "fail keyring the cluster has no keyring", "hint: is the controller running?", "fail controller no controller has ever led in namespace waxwing-system")
}
