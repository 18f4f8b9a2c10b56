package scan_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// ways are spellings of a Secret that readers of YAML or JSON understand.
var ways = []string{
	"apiVersion: v1\nkind: Secret\n",
	"kind:\tSecret\r\napiVersion: v1\r\n",
	"kind :   Secret",
	"kind:\n\n    Secret\n",
	"{kind: Secret}", "{kind: 'Secret', a: b}", `{"kind":"Secret"}`, `{ "kind" : "Secret" }`, `{"kind":Secret}`,
	"? kind\n: Secret\n", "? 'kind'\n: \"Secret\"\n",
	"kind: !!str Secret", "kind: &a Secret", "x: &a Secret\nkind: *a\n", "x: &a {kind: Secret}\n<<: *a\n",
	"{&a\n secret: x, kind: *a}", "? &a secret\n: x\nkind: *a\n", "&a secret: x\nkind: *a\n",
	"kind: \"\\u0053ecret\"", `{"kind":"\u0053ecret"}`, `{"kind":"S\u0065cret"}`, `kind: "Secre\x74"`, `kind: "\U00000053ecret"`,
	"kind: \"Sec\\\n  ret\"", "kind: \"Sec\\\r\n  ret\"", "kind: \"S\\u0065\\\n  c\\\n  ret\"",
	`kind: "\tSecret"`, `kind: "\_Secret\n"`, `kind: " \NSecret "`, `kind: "\x20Secret"`, `kind: "\u00a0Secret\t"`, "kind: '\u00a0Secret'",
	"kind: >-\n  Secret\n", "kind: |\n  Secret\n",
	"kind: !!binary U2VjcmV0", "kind: !<tag:yaml.org,2002:binary> U2VjcmV0", "kind: !!bin%61ry U2VjcmV0",
	"%TAG !e! tag:yaml.org,2002:bin\n---\nkind: !e!ary U2VjcmV0",
	"kind: secret", "kind: SECRETS", "kind: SecretList\nitems: []", "stringData: {a: b}", "STRINGDATA: {}", "ſtringData: {a: b}", `"\u017ftringData": {a: b}`,
	"a: b\n---\n# comment\nkind: Secret\n", "\ufeffkind: Secret", "kind: Secret # a comment", "kind: Secret\u2028a: b",
	"kind: Kustomization\nsecretGenerator: [{name: a, literals: [b=c]}]",
}

func utf16le(s string, mark bool) []byte {
	var out []byte
	if mark {
		out = []byte{0xFF, 0xFE}
	}
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, byte(u), byte(u>>8))
	}
	return out
}

func TestNoSpellingOfASecretIsMissed(t *testing.T) {
	for _, text := range ways {
		for _, data := range [][]byte{[]byte(text), utf16le(text, true), utf16le(text, false)} {
			if strings.Contains(text, "ſ") && data[len(data)-1] == 0 {
				continue // nobody reads UTF-16 and minds no case
			}
			if f := scan.Bytes(data); !f.Secret && !f.Unsure {
				t.Errorf("%q: %+v", data, f)
			}
		}
	}
}

func TestFilesWithoutSecretsAreToldApart(t *testing.T) {
	for _, text := range []string{
		"", "kind: ConfigMap\ndata: {a: b}\n",
		"spec:\n  containers:\n  - env:\n    - valueFrom: {secretKeyRef: {name: my-secret, key: secret.txt}}\n  imagePullSecrets: []\n",
		"volumes:\n- name: a\n  secret:\n    secretName: db\n- secret:\n    secretName: web\n",
		"{\n  \"secret\": {\"secretName\": \"x\"}\n}", "resources:\n- secret.yaml\n- ../secrets/a.yaml\n",
		"script: |\n  a \"\\n\" \\t \\\\ b\n", "expr: 'x > \\u003c'", "image: !Ref binaryimage", "password_secret: x", "- --secret=x",
		"# the secrets: of others\n",
	} {
		f := scan.Bytes([]byte(text))
		if strings.HasPrefix(text, "#") {
			if !f.Secret {
				t.Errorf("%q: a comment is looked at with a parser: %+v", text, f)
			}
			continue
		}
		if f.MayHoldPlaintext() || f.MayBeSealed() {
			t.Errorf("%q: %+v", text, f)
		}
	}
}

const sealed = `kind: GitSecret
spec:
  envelopes:
    01kb0000000000000000000000:
      wraps:
        # who runs the cluster
        prod-eu: # a comment
          keys:
          - 0123456789abcdef0123456789abcdef
          wrappedBefore: [fedcba9876543210fedcba9876543210]
          age: |
            -----BEGIN
        breakglass: {"age": x, "keys": ["00000000000000000000000000000000"]}
`

func TestWhatASealedFileNames(t *testing.T) {
	f := scan.Bytes([]byte(sealed))
	if f.Secret || !f.Sealed || f.Data || f.Unsure || f.MayHoldPlaintext() {
		t.Errorf("%+v", f)
	}
	minified := `{"kind":"GitSecret","spec":{"envelopes":{"01kb0000000000000000000000":{"wraps":{"prod-eu":{"keys":["0123456789abcdef0123456789abcdef"],` +
		`"wrappedBefore":["fedcba9876543210fedcba9876543210"],"age":"x"},"breakglass":{"age":"x","keys":["00000000000000000000000000000000"]}}}}}}`
	x := scan.NewIndex([]scan.File{{Path: "b", Finding: f}, {Path: "a", Finding: scan.Bytes([]byte(minified))}, {Path: "c", Finding: scan.Bytes([]byte(`"\u0053"`))}})
	both := []string{"b", "a"}
	for what, got := range map[string][]string{
		"envelope": x.Envelope("01kb0000000000000000000000"), "key": x.Key("0123456789abcdef0123456789abcdef"), "key before": x.Key("fedcba9876543210fedcba9876543210"),
		"holder": x.Holder("prod-eu"), "other holder": x.Holder("breakglass"),
	} {
		if !slices.Equal(got, both) {
			t.Errorf("%s: %v", what, got)
		}
	}
	if got := x.Unsure(); !slices.Equal(got, []string{"c"}) {
		t.Errorf("unsure: %v", got)
	}
	if !slices.Equal(f.Holders, []string{"breakglass", "prod-eu"}) {
		t.Errorf("the holders are %v", f.Holders)
	}
	if f := scan.Bytes([]byte(sealed + "  data: {a: b}\n")); !f.MayHoldPlaintext() {
		t.Errorf("with data beside: %+v", f)
	}
}

// check holds what the parser reads against what the scan says.
func check(t *testing.T, data []byte) {
	t.Helper()
	f := scan.Bytes(data)
	if f.Unsure {
		return
	}
	file, err := manifest.Parse("f", data)
	if err != nil {
		return
	}
	for _, d := range file.Docs() {
		if k := d.Kind(); kindOf(k) == "secret" && !f.Secret || kindOf(k) == "gitsecret" && !f.Sealed {
			t.Fatalf("%q is of kind %q, and the scan says %+v", data, k, f)
		}
		b, err := d.JSON()
		if err != nil {
			continue
		}
		var tree any
		if err := json.Unmarshal(b, &tree); err != nil {
			t.Fatal(err)
		}
		if missed := missedIn(tree, f); missed != "" {
			t.Fatalf("%q has %s, and the scan says %+v", data, missed, f)
		}
	}
}

func kindOf(text string) string {
	return strings.TrimSuffix(strings.ToLower(strings.TrimSpace(text)), "s")
}

// missedIn names something in a document that the scan has to tell.
func missedIn(v any, f scan.Finding) string {
	switch v := v.(type) {
	case map[string]any:
		kind, _ := v["kind"].(string)
		switch k := kindOf(kind); {
		case (k == "secret" || strings.EqualFold(kind, "SecretList")) && !f.Secret:
			return "a Secret"
		case k == "gitsecret" && !f.Sealed:
			return "a GitSecret"
		}
		for name, member := range v {
			switch {
			case strings.EqualFold(name, "stringData") && !f.Secret, strings.EqualFold(name, "data") && !f.Data, name == "secretGenerator" && !f.Secret:
				return name
			}
			if missed := missedIn(member, f); missed != "" {
				return missed
			}
		}
	case []any:
		for _, item := range v {
			if missed := missedIn(item, f); missed != "" {
				return missed
			}
		}
	}
	return ""
}

// corpus are the seeds of the parser's own fuzz target.
func corpus(tb testing.TB) [][]byte {
	tb.Helper()
	names, err := filepath.Glob(filepath.Join("..", "..", "manifest", "testdata", "fuzz", "FuzzParse", "*"))
	if err != nil {
		tb.Fatal(err)
	}
	var seeds [][]byte
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			tb.Fatal(err)
		}
		_, line, _ := bytes.Cut(b, []byte("\n"))
		text, err := strconv.Unquote(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(string(line)), "[]byte("), ")"))
		if err != nil {
			tb.Fatalf("%s: %v", name, err)
		}
		seeds = append(seeds, []byte(text))
	}
	if len(seeds) < 40 {
		tb.Fatalf("only %d seeds", len(seeds))
	}
	return seeds
}

// FuzzScan checks that the scan never misses what the parser finds.
func FuzzScan(f *testing.F) {
	for _, text := range ways {
		f.Add([]byte(text))
	}
	for _, data := range corpus(f) {
		f.Add(data)
	}
	f.Fuzz(check)
}

// TestMutationsOfTheCorpus puts Secrets, in all their spellings, between what the parser was tried with.
func TestMutationsOfTheCorpus(t *testing.T) {
	seen := 0
	for _, data := range corpus(t) {
		for _, way := range ways {
			joined := slices.Concat(data, []byte("\n---\n"), []byte(way))
			if _, err := manifest.Parse("f", joined); err == nil {
				seen++
			}
			check(t, joined)
		}
	}
	if seen < 500 {
		t.Errorf("the parser took only %d of them", seen)
	}
}
