package desired_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/yaml"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// FuzzRead holds that no content takes a file beside it along, is taken for what it is not, or is passed over although a GitSecret may be in it.
func FuzzRead(f *testing.F) {
	s := newSealer(f)
	good := s.yaml("prod", "db")
	for _, seed := range []string{
		"", good, jsonOf(f, s.object("prod", "db")), "---\n" + good + "---\n" + good, "apiVersion: v1\nkind: List\nitems:\n- kind: GitSecret\n", bomb(), "kind: &a GitSecret\nx: *a\n",
		"apiVersion: v1\nkind: Secret\n", "{{ .Values }}", "\ufeffkind: GitSecret", "\xff\xfek\x00", "%YAML 1.2\n---\nkind: GitSecret\n...\n", `{"kind":"GitSecret"}{"kind":"GitSecret"}`,
	} {
		f.Add([]byte(seed))
	}
	beside := s.yaml("prod", "beside")
	f.Fuzz(func(t *testing.T, content []byte) {
		c := newCommit().with("a.yaml", beside).with("x.yaml", string(content))
		cache := desired.NewCache(desired.Limits{})
		set := c.set(t, "", cache)
		twice := slices.ContainsFunc(set.Refused, func(r desired.Refusal) bool { return r.Path == "a.yaml" && r.Reason == desired.DuplicateObject })
		if !twice && !strings.Contains(keysOf(set), "prod/beside") {
			t.Fatalf("the file beside is gone: %v", refusals(set))
		}
		if seenByOthers(content) && !set.Unknown() && !slices.ContainsFunc(set.Objects, func(o desired.Object) bool { return o.Path == "x.yaml" }) {
			t.Fatalf("others see a GitSecret, and it is passed over: %v", refusals(set))
		}
		for _, r := range set.Refused {
			if r.Message == "" || r.Known != (r.Reason == desired.OtherKind || r.Reason == desired.Plaintext) || !r.Known && !set.Unknown() {
				t.Fatalf("refused: %+v", r)
			}
		}
		all := cache.Manifests(c.read)
		for _, o := range set.Objects {
			m, err := all.Manifest(t.Context(), o)
			if err != nil || m.Metadata.Namespace != o.Key.Namespace || m.Metadata.Name != o.Key.Name || o.Key.Namespace == "" {
				t.Fatalf("%+v: %v", o, err)
			}
			if o.Path == "x.yaml" && !scan.Bytes(content).MayBeSealed() {
				t.Fatal("taken from what cannot be one")
			}
		}
	})
}

// seenByOthers says whether the reader that Kubernetes' programs have finds a GitSecret in a content.
func seenByOthers(content []byte) bool {
	for decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(content), 4096); ; {
		var o map[string]any
		if decoder.Decode(&o) != nil {
			return false
		}
		if o["kind"] == seal.Kind && o["apiVersion"] == seal.APIVersion {
			return true
		}
	}
}
