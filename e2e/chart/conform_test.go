package chart_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestManifestsConformToTheAPIServer holds everything that helm renders to the schemas that the API server itself publishes, Waxwing's kinds included.
func TestManifestsConformToTheAPIServer(t *testing.T) {
	r := install(t, "conform", "")
	schemas := t.TempDir()
	harness.Eventually(t.Context(), t, "the API server publishes the kinds", func(ctx context.Context) error { return writeSchemas(ctx, r.Cluster, schemas) })
	kubeconform, err := harness.Tool(t.Context(), "kubeconform")
	if err != nil {
		t.Fatal(err)
	}
	check := func(t *testing.T, dir string) (string, int) {
		t.Helper()
		p := harness.StartProcess(t, harness.Command{Path: kubeconform, Args: []string{"-strict", "-summary", "-schema-location", schemas + "/{{ .ResourceKind }}{{ .KindSuffix }}.json",
			"-skip", "monitoring.coreos.com/v1/ServiceMonitor", dir}})
		code := p.Wait(t)
		return p.Output(), code
	}
	manifests := t.TempDir()
	h := newHelm(t, "helm", "")
	for name, s := range sets() {
		write(t, filepath.Join(manifests, strings.ReplaceAll(name, " ", "-")+".yaml"), h.render(t, s.values).text)
	}
	write(t, filepath.Join(manifests, "keyring.yaml"), keyringManifest)
	out, code := check(t, manifests)
	if code != 0 || strings.Contains(out, " 0 resources found") {
		t.Errorf("exit code %d: %s", code, out)
	}
	for what, manifest := range map[string]string{
		"an unknown field":         strings.Replace(h.render(t, "").text, "podManagementPolicy:", "podManagmentPolicy:", 1),
		"a number for a string":    strings.Replace(h.render(t, "").text, "serviceName: waxwing-controller", "serviceName: 1", 1),
		"a field of no keyring":    strings.Replace(keyringManifest, "scopes", "scope", 1),
		"a kind that there is not": strings.Replace(keyringManifest, "kind: Keyring", "kind: Keyrings", 1),
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "bad.yaml"), manifest)
		if out, code := check(t, dir); code == 0 {
			t.Errorf("%s is taken: %s", what, out)
		}
	}
}

const keyringManifest = `apiVersion: waxwing.io/v1alpha1
kind: Keyring
metadata: {name: prod-eu}
spec: {source: {secret: {}}, class: postquantum, namespaces: [prod], scopes: [strict]}
`

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// ownKinds are those that the chart brings.
func ownKinds() []string { return []string{"GitSecret", "Keyring", "SecretSync"} }

// openAPI is what is needed of an OpenAPI document of version 3.
type openAPI struct {
	Components struct {
		Schemas map[string]map[string]any `json:"schemas"`
	} `json:"components"`
}

// writeSchemas writes one strict JSON schema for each kind of the API server, named as kubeconform looks for them.
func writeSchemas(ctx context.Context, c *harness.Cluster, dir string) error {
	rest := c.Clientset().Discovery().RESTClient()
	get := func(path string, into any) error {
		raw, err := rest.Get().AbsPath(path).DoRaw(ctx)
		if err != nil {
			return err
		}
		return json.Unmarshal(raw, into)
	}
	var index struct {
		Paths map[string]any `json:"paths"`
	}
	if err := get("/openapi/v3", &index); err != nil {
		return err
	}
	kinds := 0
	for path := range index.Paths {
		var doc openAPI
		if err := get("/openapi/v3/"+path, &doc); err != nil {
			return err
		}
		definitions := map[string]any{}
		for name, schema := range doc.Components.Schemas {
			definitions[name] = strict(schema)
		}
		for name, schema := range doc.Components.Schemas {
			for _, file := range schemaFiles(schema) {
				needed := map[string]any{}
				reach(name, definitions, needed)
				b, err := json.Marshal(map[string]any{"$ref": definitionsRef + name, "definitions": needed})
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(dir, file), b, 0o600); err != nil {
					return err
				}
				kinds++
			}
		}
	}
	if kinds < 50 {
		return fmt.Errorf("only %d kinds", kinds)
	}
	for _, own := range ownKinds() { // they are published one by one
		if _, err := os.Stat(filepath.Join(dir, strings.ToLower(own)+"-waxwing-v1alpha1.json")); err != nil {
			return fmt.Errorf("the kind %s is not published yet: %w", own, err)
		}
	}
	return nil
}

// definitionsRef begins the references within a file.
const definitionsRef = "#/definitions/"

// reach adds to needed the definition of a name and those that it refers to.
func reach(name string, definitions, needed map[string]any) {
	if _, done := needed[name]; done {
		return
	}
	needed[name] = definitions[name]
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for _, e := range v {
				walk(e)
			}
			if ref, ok := v["$ref"].(string); ok {
				reach(strings.TrimPrefix(ref, definitionsRef), definitions, needed)
			}
		}
	}
	walk(definitions[name])
}

// schemaFiles are the files for the kinds that a schema describes; those shared by all groups, such as DeleteOptions, have none.
func schemaFiles(schema map[string]any) []string {
	kinds, _ := schema["x-kubernetes-group-version-kind"].([]any)
	if len(kinds) != 1 {
		return nil
	}
	gvk, _ := kinds[0].(map[string]any)
	group, _ := gvk["group"].(string)
	group, _, _ = strings.Cut(group, ".") // kubeconform's suffix has the first part only
	suffix := "-" + group
	if group == "" {
		suffix = ""
	}
	return []string{strings.ToLower(fmt.Sprintf("%s%s-%s.json", gvk["kind"], suffix, gvk["version"]))}
}

// strict is a schema of OpenAPI as a JSON schema, whose objects have no fields but those that it names.
func strict(schema any) any {
	switch s := schema.(type) {
	case []any:
		out := make([]any, len(s))
		for i, v := range s {
			out[i] = strict(v)
		}
		return out
	case map[string]any:
		out := map[string]any{}
		for k, v := range s {
			out[k] = strict(v)
		}
		if ref, ok := s["$ref"].(string); ok {
			out["$ref"] = strings.Replace(ref, "#/components/schemas/", definitionsRef, 1)
		}
		if properties, ok := s["properties"].(map[string]any); ok {
			named := map[string]any{}
			for name, p := range properties { // fields may be called as words of schemas are
				named[name] = strict(p)
			}
			out["properties"] = named
			if _, open := s["additionalProperties"]; !open && s["x-kubernetes-preserve-unknown-fields"] != true {
				out["additionalProperties"] = false
			}
		}
		return out
	}
	return schema
}
