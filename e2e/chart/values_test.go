package chart_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

// TestReadmeListsEachValueWithItsDefault holds the chart's README to values.yaml.
func TestReadmeListsEachValueWithItsDefault(t *testing.T) {
	got := map[string]string{}
	for line := range strings.Lines(string(read(t, "charts/waxwing/README.md"))) {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || !strings.HasPrefix(cells[1], " `") || !strings.HasPrefix(cells[2], " `") {
			continue
		}
		got[strings.Trim(cells[1], " `")] = strings.Trim(cells[2], " `")
	}
	want := map[string]string{}
	for path, v := range leaves(t) {
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		want[path] = string(b)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("README and values.yaml differ: %s", diff)
	}
}

// TestTheSchemaKnowsEachValueAndNoOther holds values.schema.json to values.yaml, and that it is strict at every level.
func TestTheSchemaKnowsEachValueAndNoOther(t *testing.T) {
	var schema map[string]any
	if err := json.Unmarshal(read(t, "charts/waxwing/values.schema.json"), &schema); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	var walk func(prefix string, s map[string]any)
	walk = func(prefix string, s map[string]any) {
		properties, ok := s["properties"].(map[string]any)
		if !ok || isResources(prefix) {
			known[prefix] = true
			return
		}
		if s["additionalProperties"] != false {
			t.Errorf("%q takes fields that it does not know", prefix)
		}
		for name, p := range properties {
			walk(strings.TrimPrefix(prefix+"."+name, "."), p.(map[string]any))
		}
	}
	walk("", schema)
	delete(known, "global") // helm's own
	delete(known, "enabled")
	if diff := cmp.Diff(slices.Sorted(maps.Keys(leaves(t))), slices.Sorted(maps.Keys(known))); diff != "" {
		t.Errorf("the schema and values.yaml differ: %s", diff)
	}
}

// isResources says whether a value is what a container asks for, which is given whole.
func isResources(path string) bool {
	return path == "resources" || strings.HasSuffix(path, ".resources")
}

// leaves are the values that a user sets, by path.
func leaves(t *testing.T) map[string]any {
	t.Helper()
	var values map[string]any
	if err := yaml.Unmarshal(read(t, "charts/waxwing/values.yaml"), &values); err != nil {
		t.Fatal(err)
	}
	all := map[string]any{}
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		m, ok := v.(map[string]any)
		if !ok || len(m) == 0 || isResources(prefix) {
			all[prefix] = v
			return
		}
		for k, e := range m {
			walk(strings.TrimPrefix(prefix+"."+k, "."), e)
		}
	}
	walk("", values)
	return all
}
