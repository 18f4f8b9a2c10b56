package harness

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// FieldManager owns what Apply writes.
const FieldManager = "waxwing-e2e"

// Apply applies the objects of YAML or JSON documents server-side, in their order, but namespaces and custom resource
// definitions first. Objects of namespaced kinds that name no namespace go into the given one. It returns the objects
// as the API server answered them; at the first refusal it stops with the API server's error.
func (c *Cluster) Apply(ctx context.Context, namespace string, documents []byte) ([]*unstructured.Unstructured, error) {
	objects, err := parseObjects(documents)
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(objects, func(a, b *unstructured.Unstructured) int { return rank(a) - rank(b) })
	for i, o := range objects {
		if err := c.applyOne(ctx, namespace, o); err != nil {
			return objects[:i], err
		}
	}
	return objects, nil
}

func (c *Cluster) applyOne(ctx context.Context, namespace string, o *unstructured.Unstructured) error {
	namespaced, err := c.client.IsObjectNamespaced(o)
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	if namespaced && o.GetNamespace() == "" {
		o.SetNamespace(namespace)
	}
	err = c.client.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(FieldManager), client.ForceOwnership)
	if err != nil {
		return fmt.Errorf("applying %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

// ApplyYAML is Apply that fails the test.
func (c *Cluster) ApplyYAML(t testing.TB, namespace, documents string) []*unstructured.Unstructured {
	t.Helper()
	objects, err := c.Apply(t.Context(), namespace, []byte(documents))
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// ApplyDir is ApplyYAML for all YAML and JSON files of a folder, not of those in it.
func (c *Cluster) ApplyDir(t testing.TB, namespace, dir string) []*unstructured.Unstructured {
	t.Helper()
	documents, err := readDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return c.ApplyYAML(t, namespace, string(documents))
}

// InstallCRDs applies the custom resource definitions of a folder and waits until the API server serves all their
// versions. It does not remove them, because all tests of the process share them.
func (c *Cluster) InstallCRDs(t testing.TB, dir string) {
	t.Helper()
	crds := c.ApplyDir(t, "", dir)
	for _, crd := range crds {
		if crd.GetKind() != "CustomResourceDefinition" {
			t.Fatalf("installing custom resource definitions: %s holds the %s %s", dir, crd.GetKind(), crd.GetName())
		}
	}
	c.awaitCRDs(t, crds)
}

// awaitCRDs waits until the API server serves all versions of custom resource definitions.
func (c *Cluster) awaitCRDs(t testing.TB, crds []*unstructured.Unstructured) {
	t.Helper()
	for _, crd := range crds {
		Eventually(t.Context(), t, crd.GetName()+" is established", func(ctx context.Context) error {
			if err := c.client.Get(ctx, client.ObjectKeyFromObject(crd), crd); err != nil {
				return err
			}
			return conditionTrue(crd, "Established")
		})
		group, _, _ := unstructured.NestedString(crd.Object, "spec", "group")
		kind, _, _ := unstructured.NestedString(crd.Object, "spec", "names", "kind")
		versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
		for _, v := range versions {
			version, _ := v.(map[string]any)
			if served, _ := version["served"].(bool); !served {
				continue
			}
			name, _ := version["name"].(string)
			gvk := schema.GroupVersionKind{Group: group, Version: name, Kind: kind}
			Eventually(t.Context(), t, gvk.String()+" is served", func(ctx context.Context) error { return c.served(ctx, gvk) })
		}
	}
}

// served tells whether objects of a kind can be listed, which is when they can be written.
func (c *Cluster) served(ctx context.Context, gvk schema.GroupVersionKind) error {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk.GroupVersion().WithKind(gvk.Kind + "List"))
	return c.client.List(ctx, list, client.Limit(1))
}

// conditionTrue is nil if the object's status has the condition with status "True", otherwise it tells what it has.
func conditionTrue(o *unstructured.Unstructured, kind string) error {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, entry := range conditions {
		c, _ := entry.(map[string]any)
		if c["type"] != kind {
			continue
		}
		if c["status"] == "True" {
			return nil
		}
		return fmt.Errorf("condition %s is %v: %v: %v", kind, c["status"], c["reason"], c["message"])
	}
	return fmt.Errorf("no condition %s", kind)
}

// rank orders what others depend on before the others.
func rank(o *unstructured.Unstructured) int {
	switch o.GetKind() {
	case "Namespace":
		return 0
	case "CustomResourceDefinition":
		return 1
	}
	return 2
}

func parseObjects(documents []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	r := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(documents)))
	for {
		document, err := r.Read()
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, fmt.Errorf("splitting documents: %w", err)
		}
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal(document, &o.Object); err != nil {
			return nil, fmt.Errorf("parsing an object: %w", err)
		}
		if len(o.Object) > 0 { // a document may be empty
			objects = append(objects, o)
		}
	}
}

func readDir(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var all [][]byte
	for _, e := range entries {
		if !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(e.Name())) {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, b)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no YAML or JSON file in %s", dir)
	}
	return bytes.Join(all, []byte("\n---\n")), nil
}
