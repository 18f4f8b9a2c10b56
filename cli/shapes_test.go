package cli_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/cli"
)

// run runs a command line in this process, with a fixed clock and without a terminal.
func run(t *testing.T, dir, stdin string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = cli.Main(context.Background(), cli.Env{
		Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs,
		Getenv: func(string) string { return "" },
		Now:    func() time.Time { return time.Date(2026, 11, 23, 2, 22, 0, 0, time.UTC) },
		Rand:   rand.Reader,
		Dir:    dir,
	}, args)
	return code, out.String(), errs.String()
}

// shapes are ways in which one Secret can be written down: apiVersion, kind, values and the frame around them.
func shapes() []string {
	encoded := base64.StdEncoding.EncodeToString([]byte(canary))
	var out []string
	for _, version := range []string{"v1", "v2", "core/v1", `"v1"`, "V1", "''", "!!str v1", "&v v1"} {
		for _, kind := range []string{"Secret", "secret", `"Secret"`, "!!str Secret", "&k Secret", "SECRET"} {
			for _, values := range []string{
				"stringData: {a: " + canary + "}", "stringData:\n  a: |\n    " + canary, "data:\n  a: " + encoded, "data: {a: !!binary " + encoded + "}",
				"stringData: &x\n  a: " + canary + "\ndata: {}", `"stringData": {"a": "` + canary + `"}`, "stringdata: {a: " + canary + "}", "data: {a: " + canary + "}",
			} {
				out = append(out, fmt.Sprintf("apiVersion: %s\nkind: %s\nmetadata: {name: s, namespace: prod}\n%s\n", version, kind, values))
			}
		}
	}
	return out
}

// frames put a document among others, or into a list.
func frames() map[string]func(doc string) string {
	indent := func(doc string) string {
		return "- " + strings.ReplaceAll(strings.TrimSuffix(doc, "\n"), "\n", "\n  ") + "\n"
	}
	return map[string]func(string) string{
		"alone":          func(doc string) string { return doc },
		"after another":  func(doc string) string { return "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n---\n" + doc },
		"before another": func(doc string) string { return "--- # first\n" + doc + "...\n---\nkind: ConfigMap\n" },
		"with a good Secret": func(doc string) string {
			return "apiVersion: v1\nkind: Secret\nmetadata: {name: g, namespace: prod}\nstringData: {a: b}\n---\n" + doc
		},
		"in a List":       func(doc string) string { return "apiVersion: v1\nkind: List\nitems:\n" + indent(doc) },
		"in a SecretList": func(doc string) string { return "apiVersion: v1\nkind: SecretList\nitems:\n" + indent(doc) },
		"in a list without kind": func(doc string) string {
			return "apiVersion: v1\nkind: Secret\nmetadata: {name: g, namespace: prod}\nstringData: {a: b}\n---\n" + indent(doc)
		},
		"with CRLF": func(doc string) string { return strings.ReplaceAll(doc, "\n", "\r\n") },
		"with BOM":  func(doc string) string { return "\ufeff" + doc },
	}
}

func TestNoPlaintextPassesInAnyShape(t *testing.T) {
	encoded := base64.StdEncoding.EncodeToString([]byte(canary))
	sealed := 0
	for name, frame := range frames() {
		for _, doc := range shapes() {
			in := frame(doc)
			code, stdout, stderr := run(t, "", in, "-r", testRecipient, "-")
			if strings.Contains(stdout, canary) || strings.Contains(stdout, encoded) || strings.Contains(stderr, canary) || strings.Contains(stderr, encoded) {
				t.Errorf("%s: a plaintext passed (exit %d, %s) in\n%s", name, code, stderr, in)
			}
			if code == 0 {
				sealed++
			}
		}
	}
	if sealed == 0 {
		t.Error("nothing at all was sealed: the shapes test nothing")
	}
}

func TestSetChangesOnlyTheLinesOfItsItem(t *testing.T) {
	cases := map[string]struct {
		key     string
		dropped bool // the old envelope goes, because nothing else names it
		secret  string
	}{
		"replacing one of several": {"b", false, "stringData: {a: one, b: two, c: three}"},
		"adding one":               {"bb", false, "stringData: {a: one, b: two, c: three}"},
		"replacing the only one":   {"a", true, "stringData: {a: one}"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			file := filepath.Join(dir, "s.yaml")
			plain := "# head\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: prod}\n" + tc.secret + "\n# tail\n---\nkind: Other # kept\n"
			if err := os.WriteFile(file, []byte(plain), 0o600); err != nil {
				t.Fatal(err)
			}
			if code, _, stderr := run(t, dir, "", "-w", "-r", testRecipient, "s.yaml"); code != 0 {
				t.Fatal(stderr)
			}
			before := entries(t, file)
			if code, _, stderr := run(t, dir, "new", "set", "s.yaml", tc.key, "-r", testRecipient); code != 0 {
				t.Fatal(stderr)
			}
			after := entries(t, file)
			item := "items." + tc.key
			envelope := "envelopes." + strings.Fields(after[item])[2]
			want := maps.Clone(before)
			want[item], want[envelope] = after[item], after[envelope]
			if tc.dropped {
				delete(want, "envelopes."+strings.Fields(before[item])[2])
			}
			if diff := cmp.Diff(want, after); diff != "" {
				t.Errorf("more has changed than the item and its envelope:\n%s", diff)
			}
			if before[item] == after[item] {
				t.Error("the item has not changed")
			}
		})
	}
}

// entries cuts a sealed file into the texts of its items and envelopes, by name, and the rest.
func entries(t *testing.T, file string) map[string]string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, part, entry := map[string]string{}, "", "rest"
	for line := range strings.Lines(string(b)) {
		switch {
		case line == "  items:\n" || line == "  envelopes:\n":
			part, entry = strings.Trim(line, " :\n"), "rest"
		case !strings.HasPrefix(line, "    "):
			part, entry = "", "rest"
		case part != "" && line[4] != ' ':
			entry = part + "." + strings.TrimSuffix(line[4:], ":\n")
		}
		out[entry] += line
	}
	return out
}
