package desired_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

func TestWhatIsApplied(t *testing.T) {
	s := newSealer(t)
	o := s.object("prod", "db")
	o["metadata"] = map[string]any{
		"name": "db", "namespace": "prod", "uid": "u", "resourceVersion": "7", "finalizers": []string{"example.com/stay"}, "generateName": "x",
		"ownerReferences": []any{map[string]any{"apiVersion": "v1", "kind": "Node", "name": "n", "uid": "u"}}, "managedFields": []any{},
		"labels":      map[string]any{"app": "db", "kustomize.toolkit.fluxcd.io/name": "x", "gone": nil},
		"annotations": map[string]any{"waxwing.io/rollback-from": "x", "agent.waxwing.io/sync": "team/other", "audit.waxwing.io/applied-by": "me", "kubectl.kubernetes.io/last-applied-configuration": "{}", "argocd.argoproj.io/tracking-id": "x"},
	}
	o["status"] = map[string]any{"observedGeneration": 7}
	c := newCommit().with("x.yaml", "# first\nkind: ConfigMap\napiVersion: v1\n---\n"+yamlOf(t, o))
	cache := desired.NewCache(desired.Limits{})
	set := c.set(t, "", cache)
	all := cache.Manifests(c.read)
	m, err := all.Manifest(t.Context(), set.Objects[0])
	if err != nil {
		t.Fatal(err)
	}
	want := s.object("prod", "db")
	want["metadata"] = map[string]any{
		"name": "db", "namespace": "prod", "labels": map[string]any{"app": "db"}, "annotations": map[string]any{"waxwing.io/rollback-from": "x"},
	}
	want["spec"] = o["spec"]
	var got map[string]any
	if err := json.Unmarshal([]byte(jsonOf(t, m)), &got); err != nil {
		t.Fatal(err)
	}
	if jsonOf(t, got) != jsonOf(t, want) {
		t.Errorf("applied is %s\nand should be %s", jsonOf(t, got), jsonOf(t, want))
	}
	// What is changed here is not what the next one gets.
	m.Metadata.Annotations["agent.waxwing.io/sync"] = "team/infra"
	if again, err := all.Manifest(t.Context(), set.Objects[0]); err != nil || len(again.Metadata.Annotations) != 1 {
		t.Errorf("it is %+v (%v)", again, err)
	}
	if m.Digest() != set.Objects[0].Digest || m.SpecDigest() != set.Objects[0].SpecDigest {
		t.Error("the agent's mark counts")
	}
}

// TestDigestsAreOfWhatIsApplied has an object go through the cluster's form and come back with the same digest, and each change give another one.
func TestDigestsAreOfWhatIsApplied(t *testing.T) {
	s := newSealer(t)
	o := s.object("prod", "db")
	spec := o["spec"].(map[string]any)
	spec["template"] = map[string]any{"metadata": map[string]any{"labels": map[string]any{}}, "data": map[string]any{"x": "<{{ .a }}>"}}
	spec["suspend"], spec["immutable"], spec["type"] = false, false, ""
	digest := func() string { return newCommit().with("x.yaml", yamlOf(t, o)).wants(t).Objects[0].Digest }
	before := digest()
	var live seal.Spec
	if err := json.Unmarshal([]byte(jsonOf(t, spec)), &live); err != nil {
		t.Fatal(err)
	}
	if got := (&desired.Manifest{Metadata: desired.Metadata{Labels: map[string]string{}, Annotations: map[string]string{"agent.waxwing.io/sync": "x"}}, Spec: &live}).Digest(); got != before {
		t.Errorf("as it is in the cluster: %s, in Git: %s", got, before)
	}
	seen := map[string]bool{before: true}
	for name, change := range map[string]func(){
		"a label":      func() { o["metadata"].(map[string]any)["labels"] = map[string]any{"a": "b"} },
		"another":      func() { o["metadata"].(map[string]any)["labels"] = map[string]any{"a": "c"} },
		"annotation":   func() { o["metadata"].(map[string]any)["annotations"] = map[string]any{"a": "c"} },
		"suspend":      func() { spec["suspend"] = true },
		"immutable":    func() { spec["immutable"] = true },
		"a retained":   func() { spec["deletionPolicy"] = "Retain" },
		"the template": func() { spec["template"].(map[string]any)["data"] = map[string]any{"x": "y"} },
	} {
		change()
		if d := digest(); seen[d] {
			t.Errorf("%s: the digest stays", name)
		} else {
			seen[d] = true
		}
	}
}

func TestManifestsOfManyDocuments(t *testing.T) {
	s := newSealer(t)
	var items []any
	var docs strings.Builder
	for i := range 50 {
		item := s.object("prod", fmt.Sprint("item", i))
		item["metadata"].(map[string]any)["labels"] = map[string]any{"app": "db"}
		items = append(items, item)
		docs.WriteString("---\n" + s.yaml("prod", fmt.Sprint("doc", i)))
	}
	c := newCommit().
		with("list.json", "\ufeff"+jsonOf(t, map[string]any{"apiVersion": "v1", "kind": "List", "items": items})).
		with("docs.yaml", "\ufeff# first\n"+docs.String())
	cache := desired.NewCache(desired.Limits{})
	set := c.set(t, "", cache)
	if len(set.Objects) != 100 {
		t.Fatalf("%d objects: %v", len(set.Objects), refusals(set))
	}
	c.reads = nil
	all := cache.Manifests(c.read)
	for _, o := range set.Objects {
		m, err := all.Manifest(t.Context(), o)
		if err != nil || m.Metadata.Name != o.Key.Name || m.Digest() != o.Digest {
			t.Fatalf("%s: %+v (%v)", o.Key, m, err)
		}
		if m.Metadata.Labels != nil {
			m.Metadata.Labels["mine"] = "x"
		}
	}
	if m, err := all.Manifest(t.Context(), set.Objects[99]); err != nil || len(m.Metadata.Labels) != 1 {
		t.Errorf("what one has changed the next one gets: %+v (%v)", m, err)
	}
	if len(c.reads) != 51 {
		t.Errorf("a list is read more than once: %d reads", len(c.reads))
	}
	o := set.Objects[0]
	o.Digest = "another"
	if _, err := all.Manifest(t.Context(), o); err == nil {
		t.Error("what is other than decided upon is given")
	}
	c.blobs[o.Blob] = "gone"
	o = set.Objects[1]
	if _, err := all.Manifest(t.Context(), o); err == nil {
		t.Error("what is not there any more is given")
	}
}

// TestLabelsAreReadHoweverTheyAreWritten has a file hide the word, which is looked for before the labels are read.
func TestLabelsAreReadHoweverTheyAreWritten(t *testing.T) {
	o := newSealer(t).object("prod", "db")
	none := newCommit().with("x.json", jsonOf(t, o)).wants(t).Objects[0].Digest
	o["metadata"].(map[string]any)["labels"] = map[string]any{"app": "db"}
	plain := jsonOf(t, o)
	want := newCommit().with("x.json", plain).wants(t).Objects[0].Digest
	hidden := newCommit().with("x.json", strings.Replace(plain, `"labels"`, `"l\u0061bels"`, 1)).wants(t).Objects[0].Digest
	if want == none || hidden != want {
		t.Errorf("without labels %s, with %s, hidden %s", none, want, hidden)
	}
}
