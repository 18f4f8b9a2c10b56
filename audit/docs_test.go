package audit

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// page is docs/audit-records.md, read by its form.
type page struct {
	fields  map[string]string // path: type
	phases  map[string]string // action: phases
	writers map[string]string // action: packages
	// sections by action
	listed   map[string][]string
	examples map[string][]string
}

func readPage(t *testing.T) page {
	t.Helper()
	b, err := os.ReadFile("../docs/audit-records.md")
	if err != nil {
		t.Fatal(err)
	}
	p := page{map[string]string{}, map[string]string{}, map[string]string{}, map[string][]string{}, map[string][]string{}}
	field := regexp.MustCompile("^\\| `([^`]+)` \\| ([a-z ]+) \\| [^|]+ \\| [^|]+ \\|$")
	action := regexp.MustCompile("^\\| \\[`([^`]+)`\\]\\(#([a-z]+)\\) \\| ([a-z, ]+) \\| ([^|]+) \\|$")
	section, fenced := "", false
	for line := range strings.Lines(string(b)) {
		line = strings.TrimSuffix(line, "\n")
		switch m := action.FindStringSubmatch(line); {
		case m != nil:
			if m[2] != strings.ReplaceAll(m[1], ".", "") {
				t.Errorf("%s is linked to %s", m[1], m[2])
			}
			p.phases[m[1]], p.writers[m[1]] = m[3], m[4]
		case field.MatchString(line):
			m := field.FindStringSubmatch(line)
			p.fields[m[1]] = m[2]
		case strings.HasPrefix(line, "### `"):
			section = strings.Trim(line, "#` ")
			p.listed[section] = nil
		case strings.HasPrefix(line, "```"):
			fenced = line == "```json"
		case fenced:
			p.examples[section] = append(p.examples[section], line)
		case strings.HasPrefix(line, "Fields: ") && line != "Fields: none.":
			for name := range strings.SplitSeq(strings.TrimSuffix(strings.TrimPrefix(line, "Fields: "), "."), ", ") {
				p.listed[section] = append(p.listed[section], strings.Trim(name, "`"))
			}
		}
	}
	return p
}

// actions are the constants of type Action, by value, with their names.
func actions(t *testing.T) map[string]string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "action.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		if id, ok := spec.Type.(*ast.Ident); !ok || id.Name != "Action" {
			t.Errorf("%s has no type: it is not found then", spec.Names[0].Name)
			return true
		}
		value, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
		if err != nil || all[value] != "" {
			t.Errorf("%s: %q is there twice, or %v", spec.Names[0].Name, value, err)
		}
		all[value] = spec.Names[0].Name
		return true
	})
	return all
}

func TestEveryActionIsDocumentedAndNoOther(t *testing.T) {
	p, want := readPage(t), slices.Sorted(maps.Keys(actions(t)))
	if len(want) < 29 {
		t.Fatalf("only %d actions were found", len(want))
	}
	for what, got := range map[string][]string{
		"the table of actions": slices.Sorted(maps.Keys(p.phases)), "the sections": slices.Sorted(maps.Keys(p.listed)), "the examples": slices.Sorted(maps.Keys(p.examples)),
	} {
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", what, diff)
		}
	}
}

func TestExamplesAreRecords(t *testing.T) {
	common := []string{
		"v", "id", "time", "clockOffsetMillis", "replica", "term", "phase", "operation.action", "operation.object.kind", "operation.object.name", "operation.actor.user", "outcome.ok",
	}
	p, shown := readPage(t), map[string]bool{}
	for action, lines := range p.examples {
		t.Run(action, func(t *testing.T) {
			var phases []string
			found, id := map[string]bool{}, ""
			for _, line := range lines {
				r, err := DecodeExact([]byte(line))
				if err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				if again, err := encode(r); err != nil || string(again) != line {
					t.Errorf("the controller would not write it: %v\n%s", err, again)
				}
				if r.Operation != nil && string(r.Operation.Action) != action {
					t.Errorf("it is of %s", r.Operation.Action)
				}
				if r.Phase == PhaseOutcome && r.ID != id {
					t.Error("the outcome is not that of the intent")
				}
				id = r.ID
				phases = append(phases, string(r.Phase))
				for _, path := range pathsIn(t, line) {
					shown[path] = true
					if !slices.Contains(common, path) {
						found[path] = true
					}
				}
			}
			if got := strings.Join(phases, ", "); got != p.phases[action] {
				t.Errorf("the examples have %s, and the table %s", got, p.phases[action])
			}
			if diff := cmp.Diff(slices.Sorted(slices.Values(p.listed[action])), slices.Sorted(maps.Keys(found)), cmp.Transformer("", func(s []string) string { return strings.Join(s, "\n") })); diff != "" {
				t.Error(diff)
			}
		})
	}
	for path := range shown {
		if p.fields[path] == "" {
			t.Errorf("the examples have a field %s that the table has not", path)
		}
	}
}

// pathsIn lists the fields that a document has.
func pathsIn(t *testing.T, line string) (all []string) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(line), &v); err != nil {
		t.Fatal(err)
	}
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			for name, inner := range v {
				walk(inner, strings.TrimPrefix(path+"."+name, "."))
			}
		case []any:
			for _, inner := range v {
				walk(inner, path+"[]")
			}
		default:
			all = append(all, path)
		}
	}
	walk(v, "")
	return all
}

func TestEveryFieldIsDocumentedAndNoOther(t *testing.T) {
	want := map[string]string{}
	var walk func(reflect.Type, string)
	walk = func(v reflect.Type, path string) {
		switch {
		case v == reflect.TypeFor[time.Time]():
			want[path] = "time"
		case v.Kind() == reflect.Pointer:
			walk(v.Elem(), path)
		case v.Kind() == reflect.Slice:
			walk(v.Elem(), path+"[]")
		case v.Kind() == reflect.Struct:
			for f := range v.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				walk(f.Type, strings.TrimPrefix(path+"."+name, "."))
			}
		case v.Kind() == reflect.Bool:
			want[path] = "true or false"
		case v.Kind() == reflect.String:
			want[path] = "text"
		default:
			want[path] = "number"
		}
	}
	walk(reflect.TypeFor[Record](), "")
	if diff := cmp.Diff(want, readPage(t).fields); diff != "" {
		t.Error(diff)
	}
}

// TestTheTableOfActionsKnowsWhoWritesThem looks through the packages that may write records: those that read them name actions, too.
func TestTheTableOfActionsKnowsWhoWritesThem(t *testing.T) {
	writers := map[string][]string{}
	names := actions(t)
	for _, room := range []string{"audit", "controller", "keyring", "unseal", "agent"} {
		err := filepath.WalkDir("../"+room, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			dir := filepath.ToSlash(filepath.Dir(strings.TrimPrefix(path, "../")))
			if dir == "audit/verify" || dir == "audit/audittest" || path == "../audit/action.go" {
				return nil
			}
			used := usedIn(t, path)
			for action, name := range names {
				if used[name] && !slices.Contains(writers[action], dir) {
					writers[action] = append(writers[action], dir)
				}
			}
			return nil
		})
		if err != nil && room != "agent" {
			t.Fatal(err)
		}
	}
	for action, said := range readPage(t).writers {
		slices.Sort(writers[action])
		want := "`" + strings.Join(writers[action], "`, `") + "`"
		switch {
		case len(writers[action]) == 0 && !strings.HasPrefix(said, "nothing yet: comes with "):
			t.Errorf("%s is written by nothing, and the table says %s", action, said)
		case len(writers[action]) > 0 && said != want:
			t.Errorf("%s is written by %s, and the table says %s", action, want, said)
		}
	}
}

// usedIn are the names of actions in a file, but for those that something is compared with.
func usedIn(t *testing.T, path string) map[string]bool {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			return n.Op != token.EQL && n.Op != token.NEQ
		case *ast.Ident:
			used[n.Name] = used[n.Name] || strings.HasPrefix(n.Name, "Action")
		}
		return true
	})
	return used
}
