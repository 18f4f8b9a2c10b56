package unseal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// headings are those of docs/api.md of the fourth level, by the heading above them; what is under one must say something.
func headings(t *testing.T) map[string][]string {
	t.Helper()
	b, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	part, last, said := "", "", true
	for line := range strings.Lines(string(b)) {
		text := strings.TrimSpace(line)
		if !strings.HasPrefix(text, "#") {
			said = said || text != ""
			continue
		}
		if !said && strings.HasPrefix(last, "####") {
			t.Errorf("nothing is said under %q", last)
		}
		last, said = text, false
		if name, ok := strings.CutPrefix(text, "#### "); ok {
			all[part] = append(all[part], strings.Trim(name, "`"))
		} else {
			part = strings.TrimLeft(text, "# ")
		}
	}
	return all
}

// crdSchema is as much of a CRD's as names its fields.
type crdSchema struct {
	Properties           map[string]crdSchema `json:"properties"`
	Items                *crdSchema           `json:"items"`
	AdditionalProperties *crdSchema           `json:"additionalProperties"`
}

func (s crdSchema) paths(at string) []string {
	var all []string
	for name, p := range s.Properties {
		path := strings.TrimPrefix(at+"."+name, ".")
		all = append(append(all, path), p.paths(path)...)
	}
	if s.Items != nil {
		all = append(all, s.Items.paths(at+"[]")...)
	}
	if s.AdditionalProperties != nil {
		all = append(all, s.AdditionalProperties.paths(at+".*")...)
	}
	return all
}

// fieldsOf are the paths of a kind's fields, without those that every kind has.
func fieldsOf(t *testing.T, file string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../charts/waxwing/files/crds", file))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct {
					OpenAPIV3Schema crdSchema `json:"openAPIV3Schema"`
				} `json:"schema"`
			} `json:"versions"`
		} `json:"spec"`
	}
	if err := yaml.Unmarshal(b, &crd); err != nil || len(crd.Spec.Versions) != 1 {
		t.Fatalf("%s: %v, %d versions", file, err, len(crd.Spec.Versions))
	}
	paths := crd.Spec.Versions[0].Schema.OpenAPIV3Schema.paths("")
	return slices.DeleteFunc(paths, func(p string) bool { return slices.Contains([]string{"apiVersion", "kind", "metadata"}, p) })
}

// keyringFields are the fields of a Keyring, without those of spec.moveFrom, which has to be as spec.source is, and apart the fields of the connections to Vault, which have to
// be alike wherever there is one.
func keyringFields(t *testing.T) (fields, connection []string) {
	t.Helper()
	members := map[string][]string{}
	for _, p := range fieldsOf(t, "waxwing.io_keyrings.yaml") {
		for _, source := range []string{"spec.source.", "spec.moveFrom."} {
			if rest, ok := strings.CutPrefix(p, source); ok {
				members[source] = append(members[source], rest)
			}
		}
		if before, after, ok := strings.Cut(p, ".vault."); ok {
			members[before] = append(members[before], "vault."+after)
		} else if !strings.HasPrefix(p, "spec.moveFrom.") {
			fields = append(fields, p)
		}
	}
	alike := func(a, b string) {
		slices.Sort(members[a])
		slices.Sort(members[b])
		if diff := cmp.Diff(members[a], members[b]); diff != "" || len(members[a]) == 0 {
			t.Errorf("%s and %s differ: %s", a, b, diff)
		}
	}
	alike("spec.source.", "spec.moveFrom.")
	alike("spec.source.vaultKV", "spec.source.vaultTransit")
	alike("spec.source.vaultKV", "spec.source.secret.encryptedBy.transit")
	return fields, members["spec.source.vaultKV"]
}

// constants are the values of the string constants of a package whose names begin with prefix.
func constants(t *testing.T, dir, prefix string) []string {
	t.Helper()
	return constantsOf(t, filepath.Join(dir, "*.go"), func(name, _ string) bool { return strings.HasPrefix(name, prefix) })
}

// constantsOf are the values of those of some files whose names and types, as the source has them, are such.
func constantsOf(t *testing.T, glob string, such func(name, kind string) bool) []string {
	t.Helper()
	files, err := filepath.Glob(glob)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files %s: %v", glob, err)
	}
	var all []string
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok {
				return true
			}
			kind := ""
			if id, ok := spec.Type.(*ast.Ident); ok {
				kind = id.Name
			}
			for i, name := range spec.Names {
				if !such(name.Name, kind) || i >= len(spec.Values) {
					continue
				}
				if lit, ok := spec.Values[i].(*ast.BasicLit); ok && lit.Kind == token.STRING {
					value, err := strconv.Unquote(lit.Value)
					if err != nil {
						t.Fatal(err)
					}
					all = append(all, value)
				}
			}
			return true
		})
	}
	if len(all) == 0 {
		t.Fatalf("%s has no such constants", glob)
	}
	return all
}

// syncReasons are the reasons of SecretSyncs, and of what is refused in their files.
func syncReasons(t *testing.T) (reasons, refusals []string) {
	t.Helper()
	each := func(string, string) bool { return true }
	reasons = append(constantsOf(t, "../agent/reasons.go", each), constantsOf(t, "../agent/source/source.go", func(_, kind string) bool { return kind == "Reason" })...)
	refusals = append(constantsOf(t, "../agent/desired/desired.go", each), constantsOf(t, "../agent/sync/*.go", func(name, _ string) bool {
		return slices.Contains([]string{"TakenBySync", "NamespaceNotWatched", "Forbidden", "NamespaceNotFound", "Invalid", "Altered", "ChangedMeanwhile", "Unavailable"}, name)
	})...)
	return reasons, refusals
}

// TestThePageOfTheKindsHasAHeadingForEverything holds docs/api.md against the kinds' schemas, the table of reasons and the reasons of keyrings, both ways.
func TestThePageOfTheKindsHasAHeadingForEverything(t *testing.T) {
	var reasons []string
	for _, row := range unseal.Table() {
		reasons = append(reasons, string(row.Reason))
	}
	conditions := constants(t, "../api/v1alpha1", "Condition")
	all := headings(t)
	keyringFields, connection := keyringFields(t)
	ofSync := []string{v1alpha1.ConditionRefused, v1alpha1.ConditionRewritten, v1alpha1.ConditionKeysIncomplete, v1alpha1.ConditionWrittenBack, v1alpha1.ConditionCheckpointsRefused}
	syncReasons, refusals := syncReasons(t)
	without := func(left ...string) []string {
		return slices.DeleteFunc(slices.Clone(conditions), func(c string) bool { return slices.Contains(left, c) })
	}
	for part, want := range map[string][]string{
		"Fields of GitSecret":      fieldsOf(t, "waxwing.io_gitsecrets.yaml"),
		"Fields of Keyring":        keyringFields,
		"Fields of vault":          connection,
		"Fields of SecretSync":     fieldsOf(t, "waxwing.io_secretsyncs.yaml"),
		"Conditions of GitSecret":  without(append(ofSync, "Degraded", "Moving", v1alpha1.ConditionBackedUp, v1alpha1.ConditionRestoring)...),
		"Conditions of Keyring":    without(append(ofSync, v1alpha1.ConditionExposed)...),
		"Conditions of SecretSync": append(ofSync, v1alpha1.ConditionReady, v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled),
		"Reasons of SecretSync":    syncReasons,
		"Refusals of files":        refusals,
		"Files without new wraps":  constantsOf(t, "../agent/writeback/reasons.go", func(name, _ string) bool { return strings.HasPrefix(name, "because") }),
		"Reasons of GitSecret":     reasons,
		"Reasons of Keyring":       append(constants(t, "../keyring", "Reason"), slices.DeleteFunc(constants(t, "../api/v1alpha1", "Reason"), func(r string) bool { return r == v1alpha1.ReasonKeyCompromised })...),
		"Events of GitSecret":      append(constants(t, ".", "Event"), constants(t, "../controller", "Event")...),
		"Marks":                    append(constants(t, "../api/v1alpha1", "Annotation"), constants(t, "../api/v1alpha1", "Label")...),
	} {
		t.Run(part, func(t *testing.T) {
			if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(all[part]))); diff != "" {
				t.Errorf("what there is (-) and the headings of the page (+) differ: %s", diff)
			}
		})
	}
}

// TestLinksWithinThePageOfTheKinds holds that every link to a heading of the page leads to one.
func TestLinksWithinThePageOfTheKinds(t *testing.T) {
	b, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	anchors := map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if name, ok := strings.CutPrefix(line, "#"); ok {
			anchors[anchor(name)] = true
		}
	}
	rest := string(b)
	for n := 0; ; n++ {
		_, after, found := strings.Cut(rest, "](#")
		if !found {
			if n == 0 {
				t.Error("the page has no links")
			}
			return
		}
		to, tail, _ := strings.Cut(after, ")")
		if !anchors[to] {
			t.Errorf("a link leads to #%s, which is no heading", to)
		}
		rest = tail
	}
}

// anchor is GitHub's of a heading.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-', r == '_':
			return r
		}
		return -1
	}, strings.ToLower(strings.TrimSpace(strings.TrimLeft(heading, "#"))))
}
