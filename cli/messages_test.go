package cli_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestControlCharactersOfNamesDoNotReachTheTerminal(t *testing.T) {
	code, _, stderr := run(t, t.TempDir(), "", "./\x1b[2J\x07name.yaml")
	if code != 1 || strings.ContainsAny(stderr, "\x1b\x07") || !strings.Contains(stderr, "name.yaml: no such file or directory") {
		t.Errorf("exit %d, %q", code, stderr)
	}
}

func TestAllErrorsOfAFileAreReportedWithEachHintOnce(t *testing.T) {
	in := "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {a: b}\n"
	code, _, stderr := run(t, "", in, "-r", testRecipient, "-")
	if code != 1 || strings.Count(stderr, "the Secret has no namespace") != 2 || strings.Count(stderr, "hint: give it with -n") != 1 {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestMissingRecipientsAreSaidOnce(t *testing.T) {
	in := "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {a: b}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {a: b}\n"
	code, _, stderr := run(t, "", in, "-")
	if code != 2 || strings.Count(stderr, "no recipients given") != 1 {
		t.Errorf("exit %d, %s", code, stderr)
	}
}

func TestDocumentsDoNotForgeMessages(t *testing.T) {
	const head, sealed = "apiVersion: v1\nkind: ", "apiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nmetadata: "
	long := strings.Repeat("x", 1<<20)
	cases := map[string]struct{ in, want string }{
		"a kind of several lines":       {head + `"A\nseal: forged"` + "\n", `seen: "A\nseal: forged"`},
		"a kind that turns the writing": {head + `"A\u202Eforged"` + "\n", `seen: "A\u202eforged"`},
		"a kind of a megabyte":          {head + long + "\n", `seen: "` + long[:64] + `"…`},
		"a name of several lines":       {sealed + `{name: "a\nseal: forged"}` + "\n", `(GitSecret "a\nseal: forged"):`},
		"a namespace of a megabyte":     {sealed + "{name: a, namespace: " + long + "}\n", `(GitSecret "` + long[:64] + `"…/a):`},
		"an apiVersion of two lines":    {"apiVersion: \"a\\nseal: forged\"\nkind: Secret\ndata: {}\n", `of apiVersion "a\nseal: forged" is not known`},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, stdout, stderr := run(t, "", tc.in, "-r", testRecipient, "-")
			if stdout != "" || !strings.Contains(stderr, tc.want) {
				t.Errorf("the message is %q, without %q", stderr[:min(len(stderr), 500)], tc.want)
			}
			for line := range strings.Lines(stderr) {
				if strings.HasPrefix(line, "seal: forged") || strings.ContainsRune(line, '\u202e') || len(line) > 1000 {
					t.Errorf("a line is %q", line[:min(len(line), 100)])
				}
			}
		})
	}
}

func TestNamesThatAreOfferedAreQuotedAndFew(t *testing.T) {
	var in strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&in, "---\napiVersion: waxwing.io/v1alpha1\nkind: GitSecret\nmetadata: {name: \"a\\n\\u202E%d\"}\n", i)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "s.yaml"), []byte(in.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := run(t, dir, "", "set", "s.yaml", "a")
	want := `hint: choose one with --name (and -n): it holds "a\n\u202e0", "a\n\u202e1", "a\n\u202e2", "a\n\u202e3", "a\n\u202e4", "a\n\u202e5", …` + "\n"
	if code != 2 || !strings.HasSuffix(stderr, want) {
		t.Errorf("exit %d, %.500s", code, stderr)
	}
}

func TestWhatIsNearlyASecretIsRefusedBesideOne(t *testing.T) {
	const good = "apiVersion: v1\nkind: Secret\nmetadata: {name: g, namespace: prod}\nstringData: {a: b}\n---\n"
	const rest = "metadata: {name: s, namespace: prod}\n"
	cases := map[string]struct {
		in      string
		refused bool
	}{
		"Kind with a capital":              {"apiVersion: v1\nKind: Secret\n" + rest + "stringData: {a: " + canary + "}\n", true},
		"Kind with a capital, and data":    {"apiVersion: v1\nKind: Secret\n" + rest + "data: {a: Yg==}\n", true},
		"a plural":                         {"apiVersion: v1\nkind: Secrets\n" + rest + "data: {a: Yg==}\n", true},
		"no kind":                          {"apiVersion: v1\n" + rest + "stringData: {a: " + canary + "}\n", true},
		"another kind with stringData":     {"apiVersion: v1\nkind: ConfigMap\n" + rest + "stringdata: {a: " + canary + "}\n", true},
		"a SecretList as a server prints":  {"apiVersion: v1\nkind: SecretList\nitems:\n- metadata: {name: s}\n  data: {a: Yg==}\n", true},
		"a ConfigMap":                      {"apiVersion: v1\nkind: ConfigMap\n" + rest + "data: {a: b}\n", false},
		"a Secret of another kind of API":  {"apiVersion: example.com/v1\nkind: Secret\n" + rest + "spec: {}\n", false},
		"a document that is no object":     {"a: b\n", false},
		"a reference without any value":    {"kind: X\nref: {kind: Secret, name: a}\n", false},
		"stringData that holds nothing":    {"kind: X\nstringData:\n", false},
		"an empty list that has no Secret": {"apiVersion: v1\nkind: SecretList\nitems: []\n", false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			code, stdout, stderr := run(t, "", good+tc.in, "-r", testRecipient, "-")
			if (code != 0) != tc.refused || strings.Contains(stdout, canary) {
				t.Errorf("exit %d, %s", code, stderr)
			}
		})
	}
}
