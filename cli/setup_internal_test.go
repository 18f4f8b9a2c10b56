package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

func TestAgesForPeople(t *testing.T) {
	const day = 24 * time.Hour
	for d, want := range map[time.Duration]string{
		-time.Hour: "in the future", -tooFarAhead: "just now", 0: "just now", 59 * time.Second: "just now", time.Minute: "1 minute ago",
		time.Hour - 1: "59 minutes ago", time.Hour: "1 hour ago", day - 1: "23 hours ago", day: "1 day ago", 60*day - 1: "59 days ago",
		60 * day: "2 months ago", 730*day - 1: "24 months ago", 730 * day: "2 years ago",
	} {
		if got := ageWords(d); got != want {
			t.Errorf("%s is %q, not %q", d, got, want)
		}
	}
}

func TestSizesForPeople(t *testing.T) {
	for n, want := range map[int]string{0: "0 bytes", 1: "1 byte", 1023: "1023 bytes", 1024: "1.0 KiB", 1<<20 - 1: "1024.0 KiB", 3 << 19: "1.5 MiB"} {
		if got := sizeWords(n); got != want {
			t.Errorf("%d is %q, not %q", n, got, want)
		}
	}
}

func TestScopesAreOrderedByWhereValuesCanBeMoved(t *testing.T) {
	order := []string{seal.ScopeStrict, seal.ScopeNamespace, seal.ScopeMatch + "a-*", seal.ScopeCluster}
	for i, scope := range order {
		for j, other := range order {
			if got := wider(scope, other); got != (i > j) {
				t.Errorf("%s is wider than %s: %v", scope, other, got)
			}
		}
	}
}

// TestWordsOfSettingsAreReadAsWritten writes words that YAML takes for something else, or that end a line.
func TestWordsOfSettingsAreReadAsWritten(t *testing.T) {
	r, err := seal.ParseRecipient("age1yrhy96jj48dp2nmqrcqnnnj3c3jllsj6eax28zw6t4r2w2d6u3nqw7a3fe")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"prod", "prod-eu", "yes", "n", "null", "1", "1e3", "0x1f", "-", "- a", "a: b", "a #b", "{a}", `"`, `\`, "'", "ü", "*", "&a", "!a", "a-1.", "2026-11-26"} {
		o := initOptions{environments: []string{name + "=" + "a/**", name + "=" + "b, c/**"}}
		d, err := o.draft([]initHolder{{Holder: seal.Holder{Name: "123", Recipients: []seal.Recipient{r}}}})
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		s, err := repo.ParseSettings("x", d.text())
		if err != nil {
			t.Errorf("%q: %v", name, err)
			continue
		}
		e := s.Environments[0]
		if e.Name != name || fmt.Sprint(e.Paths) != "[a/** b, c/**]" || len(s.Holders["123"].Recipients) != 1 || e.Holders[0] != "123" {
			t.Errorf("%q is read as %+v", name, s)
		}
	}
	for _, name := range []string{"a\nb", "a\x1b", "a\u202e", ""} {
		o := initOptions{environments: []string{name + "=a/**"}}
		if d, err := o.draft(nil); err == nil {
			t.Errorf("%q is taken: %s", name, d.text())
		}
	}
}

// TestFilesThatMayHoldSecretsAreParsed has the ways in which the word can be written.
func TestFilesThatMayHoldSecretsAreParsed(t *testing.T) {
	for text, want := range map[string]bool{
		"kind: Secret": true, "kind: SECRET": true, "kind: GitSecret": true, "StringData: {}": true, `{"kind": "\u0053ecret"}`: true, `kind: "\x53ecret"`: true,
		"k\x00i\x00n\x00d\x00:\x00 \x00S\x00e\x00c\x00r\x00e\x00t\x00": true, "kind: ConfigMap": false, "": false,
		"metadata: {name: my-secret}\ndata: {}": true, "metadata: {name: mine}\ndata: {}": false, "env: {secretKeyRef: {name: x}}": false,
		"kind: !!binary U2VjcmV0": true, "kind: \"Sec\\\nret\"": true,
	} {
		if got := needsCheck([]byte(text)); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestCheckWorksInLinearWork(t *testing.T) {
	const n = 20000
	cases := map[string]string{
		"many marks":   strings.Repeat("<<<<<<< a\n", n) + "kind: Secret\n",
		"many kinds":   "a: [" + strings.Repeat("{kind: Secret},", n) + "]\n",
		"long strings": "kind: Secret\nstringData: {a: " + strings.Repeat("x", 10*n) + "}\n",
		"many keys":    "kind: Secret\napiVersion: v1\ndata:\n" + manyKeys(n),
		"not YAML":     "kind: Secret\n\t" + strings.Repeat("kind: Secret {\n", n),
	}
	for name, text := range cases {
		c := &checker{book: &rulebook{tree: repo.NewTree("")}}
		b := allocated(func() {
			found, err := c.check(checkInput{name: "f.yaml", path: "/f.yaml", data: []byte(text)})
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			c.report.file(found)
		})
		if b > 256<<20 {
			t.Errorf("%s: %d MiB were allocated", name, b>>20)
		}
		for _, f := range c.report.Findings {
			if len(f.Message) > maxMessage {
				t.Errorf("%s: a finding has %d bytes", name, len(f.Message))
			}
		}
	}
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "  k%d: eA==\n", i)
	}
	return b.String()
}

func TestEveryCommandInTheHelpHasAHeading(t *testing.T) {
	for _, cmd := range New(Env{}).Commands() {
		if (cmd.GroupID == "") != cmd.Hidden {
			t.Errorf("%s: the heading is %q, and it is hidden: %v", cmd.Name(), cmd.GroupID, cmd.Hidden)
		}
	}
}

// TestTheHookForPreCommit holds .pre-commit-hooks.yaml against the command that it names.
func TestTheHookForPreCommit(t *testing.T) {
	data, err := os.ReadFile("../.pre-commit-hooks.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file, err := manifest.Parse("hooks", data)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := file.Docs()[0].JSON()
	if err != nil {
		t.Fatal(err)
	}
	var hooks []struct {
		ID, Entry, Language, Files string
		Args                       []string
	}
	if err := json.Unmarshal(doc, &hooks); err != nil || len(hooks) != 1 {
		t.Fatalf("there are %d hooks (%v)", len(hooks), err)
	}
	h := hooks[0]
	program, words, _ := strings.Cut(h.Entry, " ")
	cmd, rest, err := New(Env{}).Find(strings.Fields(words))
	if program != "seal" || err != nil || cmd.Name() != "check" || len(rest) > 0 {
		t.Errorf("%q is no command", h.Entry)
	}
	if h.ID != "seal-check" || h.Language != "system" || fmt.Sprint(h.Args) != "[--]" {
		t.Errorf("the hook is %+v", h)
	}
	files := regexp.MustCompile(h.Files)
	for _, name := range []string{"a.yaml", "a/b.yml", "a.json", "a.txt", "yaml", "a.yamlx"} {
		if files.MatchString(name) != scan.IsManifest(name) {
			t.Errorf("%s: the hook and seal check do not agree", name)
		}
	}
}
