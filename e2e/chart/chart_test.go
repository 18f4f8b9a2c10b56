// Package chart_test holds charts/waxwing to real helm, kubeconform and a real control plane.
package chart_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

const (
	root     = "../.."
	chartDir = root + "/charts/waxwing"
)

func TestMain(m *testing.M) {
	// controller-runtime's clients ask for a logger after a while; what they say is of no interest here.
	log.SetLogger(logr.Discard())
	// The tests delete the kinds, so it is always a cluster of their own.
	_ = os.Unsetenv("WAXWING_TEST_KUBECONFIG")
	harness.Main(m)
}

// helm is one version of helm, which sees nothing of the settings of whoever runs the tests.
type helm struct {
	path string
	env  []string
}

// newHelm is the helm of the tool's name. The kubeconfig may be empty.
func newHelm(t testing.TB, tool, kubeconfig string) helm {
	t.Helper()
	path, err := harness.Tool(t.Context(), tool)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	return helm{path, []string{"HELM_CONFIG_HOME=" + dir, "HELM_CACHE_HOME=" + dir, "HELM_DATA_HOME=" + dir, "HELM_NAMESPACE=", "KUBECONFIG=" + kubeconfig}}
}

// run is what helm prints to standard output; it fails the test where helm does.
func (h helm) run(t testing.TB, values string, args ...string) string {
	t.Helper()
	stdout, stderr, code := h.try(t, values, args...)
	if code != 0 {
		t.Fatalf("helm %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout
}

// try runs helm with the values, YAML, on its standard input where they are not empty.
func (h helm) try(t testing.TB, values string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	c := harness.Command{Name: "helm", Path: h.path, Args: args, Env: h.env}
	if values != "" {
		c.Args = append(slices.Clone(args), "--values", "-")
		c.Stdin = strings.NewReader(values)
	}
	p := harness.StartProcess(t, c)
	code = p.Wait(t)
	return p.Stdout(), p.Stderr(), code
}

// rendered is what helm template makes of values.
type rendered struct {
	text    string
	objects []*unstructured.Unstructured
}

// renders remembers what was rendered in this process, because most tests look at all sets of values.
var renders sync.Map

// render is what helm template makes of values. It is shared: it must not be changed.
func (h helm) render(t testing.TB, values string, args ...string) rendered {
	t.Helper()
	args = append([]string{"template", "waxwing", chartDir, "--namespace", "waxwing-system"}, args...)
	key := strings.Join(append([]string{h.path, values}, args...), "\x00")
	if r, ok := renders.Load(key); ok {
		return r.(rendered)
	}
	text := h.run(t, values, args...)
	r := rendered{text, parse(t, text)}
	renders.Store(key, r)
	return r
}

func parse(t testing.TB, text string) []*unstructured.Unstructured {
	t.Helper()
	var all []*unstructured.Unstructured
	for dec := utilyaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096); ; {
		o := &unstructured.Unstructured{}
		switch err := dec.Decode(&o.Object); {
		case errors.Is(err, io.EOF):
			return all
		case err != nil:
			t.Fatal(err)
		}
		if len(o.Object) > 0 {
			all = append(all, o)
		}
	}
}

// ids are KIND/NAME of all objects, with the namespace before the name where it is not the release's.
func (r rendered) ids() []string {
	var all []string
	for _, o := range r.objects {
		id := o.GetKind() + "/" + o.GetName()
		if ns := o.GetNamespace(); ns != "" && ns != "waxwing-system" {
			id = o.GetKind() + "/" + ns + "/" + o.GetName()
		}
		all = append(all, id)
	}
	return all
}

// only is the one object of a kind.
func (r rendered) only(t testing.TB, kind string) *unstructured.Unstructured {
	t.Helper()
	var found []*unstructured.Unstructured
	for _, o := range r.objects {
		if o.GetKind() == kind {
			found = append(found, o)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d objects of kind %s", len(found), kind)
	}
	return found[0]
}

// release is an installed chart in a namespace of its own, with Pod Security "restricted".
type release struct {
	helm
	*harness.Cluster
	name, namespace string
}

// install installs the chart under a name, and at the end of the test takes everything away again, kinds included.
func install(t *testing.T, name, values string) *release {
	t.Helper()
	c := harness.Start(t)
	r := &release{helm: newHelm(t, "helm", c.Kubeconfig()), Cluster: c, name: name, namespace: c.Namespace(t)}
	r.kubectl(t, "label", "namespace", r.namespace, "pod-security.kubernetes.io/enforce=restricted")
	r.run(t, values, "install", name, chartDir, "--namespace", r.namespace)
	t.Cleanup(func() { r.remove(t) })
	// helm does not wait for them.
	harness.Eventually(t.Context(), t, "the kinds are served", func(ctx context.Context) error {
		for _, kind := range ownKinds() {
			list := &unstructured.UnstructuredList{}
			list.SetAPIVersion("waxwing.io/v1alpha1")
			list.SetKind(kind + "List")
			if err := c.Client(t).List(ctx, list); err != nil {
				return err
			}
		}
		return nil
	})
	return r
}

// remove uninstalls the release with the kinds, as docs/install.md says, unless the test has done so.
func (r *release) remove(t *testing.T) {
	t.Helper()
	if _, _, code := r.try(t, "", "status", r.name, "--namespace", r.namespace); code != 0 {
		return
	}
	r.run(t, "", "upgrade", r.name, chartDir, "--namespace", r.namespace, "--reuse-values", "--set", "crds.keep=false")
	r.run(t, "", "uninstall", r.name, "--namespace", r.namespace)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), collectorPatience)
	defer cancel()
	harness.Eventually(ctx, t, "the kinds are gone", func(ctx context.Context) error {
		return r.absent(ctx, t, crd("keyrings"), crd("gitsecrets"), crd("secretsyncs"))
	})
}

// kubectl is what kubectl prints as the administrator.
func (r *release) kubectl(t *testing.T, args ...string) string {
	t.Helper()
	path, err := harness.Tool(context.WithoutCancel(t.Context()), "kubectl")
	if err != nil {
		t.Fatal(err)
	}
	return harness.Run(t, harness.Command{Path: path, Args: append([]string{"--kubeconfig", r.Kubeconfig()}, args...)})
}

// absent is nil if the cluster has none of the objects.
func (r *release) absent(ctx context.Context, t testing.TB, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		there := o.DeepCopy()
		err := r.Client(t).Get(ctx, client.ObjectKeyFromObject(o), there)
		if client.IgnoreNotFound(err) != nil {
			return err
		}
		if err == nil {
			status, _, _ := unstructured.NestedFieldNoCopy(there.Object, "status", "conditions")
			return fmt.Errorf("%s %s is there, deleted at %v, with the finalizers %q and the conditions %v", o.GetKind(), o.GetName(), there.GetDeletionTimestamp(), there.GetFinalizers(), status)
		}
	}
	return nil
}

// present is nil if the cluster has all objects.
func (r *release) present(ctx context.Context, t testing.TB, objects ...*unstructured.Unstructured) error {
	for _, o := range objects {
		if err := r.Client(t).Get(ctx, client.ObjectKeyFromObject(o), o.DeepCopy()); err != nil {
			return err
		}
	}
	return nil
}

// object names one, such as object("apps/v1", "StatefulSet", NAMESPACE, NAME).
func object(apiVersion, kind, namespace, name string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

func crd(plural string) *unstructured.Unstructured {
	return object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", plural+".waxwing.io")
}

// read is a file of the repository.
func read(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(b)
}
