package unseal_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func target(o *v1alpha1.GitSecret) seal.Target {
	return seal.Target{Namespace: o.Namespace, Name: o.Name}
}

// withData is an object with the given items and template.data.
func withData(t *testing.T, k key, values seal.Values, data map[string]string) unseal.Decision {
	t.Helper()
	o := sealed(t, strict(), k)
	again := sealedWith(t, k, values)
	o.Spec.Items, o.Spec.Envelopes = again.Items, again.Envelopes
	o.Spec.Template = &seal.Template{Data: data}
	return unseal.Decide(input(o, ringOf(k.part(keyring.Active))))
}

func TestTemplatesRender(t *testing.T) {
	k := newKey(t, "prod-eu")
	values := seal.Values{
		"user": value(" Ann "), "pass.word": value("a\"b\\c&d<é\n"), "binary": seal.NewValue([]byte{0xff, 0x00, 'x'}), "empty": value(""),
	}
	for text, want := range map[string]string{
		"plain text":              "plain text",
		"":                        "",
		"{{ .user }}":             " Ann ",
		"[{{- .user | trim -}} ]": "[Ann]",
		"{{ .user | trim | upper }}/{{.user|lower}}":  "ANN/ ann ",
		`{{ index . "pass.word" | quote }}`:           `"a\"b\\c&d<é\n"`,
		`{{ index . "pass.word" | trim | urlquery }}`: "a%22b%5Cc%26d%3C%C3%A9",
		"{{ .user | trim | base64 }}":                 "QW5u",
		"{{ .binary }}":                               "\xff\x00x",
		"{{ .binary | base64 }}":                      "/wB4",
		"{{ .binary | quote }}":                       `"\ufffd\u0000x"`,
		"{{/* a comment */}}{{ .empty | quote }}":     `""`,
		"{{ .user | trim | base64 | base64 }}":        "UVc1dQ==",
		"a {{ \"{{\" }} b":                            "error",
	} {
		t.Run(text, func(t *testing.T) {
			d := withData(t, k, values, map[string]string{"out": text})
			if want == "error" {
				if d.Outcome.Reason != unseal.TemplateError {
					t.Errorf("got %s", d.Outcome.Reason)
				}
				return
			}
			if d.Action != unseal.Open {
				t.Fatal(d.Outcome.Message)
			}
			contents, err := d.Plan.Open(seal.Target{Namespace: "prod", Name: "db"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, string(contents.Data()["out"])); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestTemplatesRefuse holds that what is not supported is refused before anything is opened, and that no message quotes the template.
func TestTemplatesRefuse(t *testing.T) {
	k := newKey(t, "prod-eu")
	for name, text := range map[string]string{
		"an unclosed action":             "x\n{{ .user canary-not-a-secret",
		"a function of text/template":    "{{ printf \"canary-not-a-secret\" }}",
		"a function that there is not":   "{{ .user | env }}",
		"a condition":                    "{{ if .user }}canary-not-a-secret{{ end }}",
		"a loop":                         "{{ range .user }}{{ end }}",
		"a definition":                   "{{ define \"x\" }}canary-not-a-secret{{ end }}",
		"a variable":                     "{{ $x := .user }}",
		"a path into an item":            "{{ .user.name }}",
		"the dot alone":                  "{{ . }}",
		"a function with an argument":    "{{ .user | trim \"canary-not-a-secret\" }}",
		"an index of something else":     "{{ index .user \"x\" }}",
		"parentheses":                    "{{ (.user) }}",
		"parentheses without end":        "{{ " + strings.Repeat("(", 1<<15) + " }}",
		"many conditions without end":    strings.Repeat("{{if 1}}", 4000),
		"a condition in a comment's way": "{{- /* c */ -}}{{-  if 1 }}x{{end}}",
		"an include":                     "{{ template \"x\" }}",
		"more functions than there may":  "{{ .user" + strings.Repeat(" | quote", 9) + " }}",
		"a reference to another item":    "{{ .canary }}",
		"an indexed reference, likewise": "{{ index . \"canary\" }}",
	} {
		t.Run(name, func(t *testing.T) {
			d := withData(t, k, seal.Values{"user": value(canary)}, map[string]string{"out": text})
			if d.Action != unseal.Report || d.Outcome.Reason != unseal.TemplateError || !strings.Contains(d.Outcome.Message, "spec.template.data.out") {
				t.Errorf("got %s %s %q", d.Action, d.Outcome.Reason, d.Outcome.Message)
			}
			if strings.Contains(d.Outcome.Message, canary) {
				t.Errorf("the message quotes the template: %q", d.Outcome.Message)
			}
		})
	}
}

// TestTemplatesAreBounded holds that size is judged before anything is opened and by what anybody can see, so that a refusal says nothing of a value.
func TestTemplatesAreBounded(t *testing.T) {
	k := newKey(t, "prod-eu")
	half := seal.NewValue([]byte(strings.Repeat(" ", 500<<10)))
	for name, text := range map[string]string{
		"in what they put out":      strings.Repeat("{{ .half }}", 2),
		"in what a function puts":   "{{ .half | quote | quote | urlquery }}",
		"in what functions are fed": strings.Repeat("{{ .half | trim }}", 200),
		"whatever a value is":       strings.Repeat("{{.short|quote|urlquery}}", 1000),
		"in what they might put":    strings.Repeat("{{ .short | quote | quote | quote }}", 90),
	} {
		t.Run("templates are bounded "+name, func(t *testing.T) {
			d := withData(t, k, seal.Values{"half": half, "short": value("x")}, map[string]string{"out": text})
			if d.Action != unseal.Report || d.Outcome.Reason != unseal.TooLarge || !strings.Contains(d.Outcome.Message, "spec.template.data.out") {
				t.Errorf("got %s %s %q", d.Action, d.Outcome.Reason, d.Outcome.Message)
			}
		})
	}
	d := withData(t, k, seal.Values{"half": half}, map[string]string{"out": "{{ .half }}"})
	if d.Action != unseal.Open {
		t.Fatalf("just under 1 MiB: %s", d.Outcome.Message)
	}
	if _, err := d.Plan.Open(seal.Target{Namespace: "prod", Name: "db"}); err != nil {
		t.Errorf("just under 1 MiB: %v", err)
	}
	long := withData(t, k, seal.Values{"a": value("x")}, map[string]string{"out": strings.Repeat("x", 33<<10), "more": strings.Repeat("x", 33<<10)})
	if long.Outcome.Reason != unseal.TemplateError || !strings.Contains(long.Outcome.Message, "64 KiB") {
		t.Errorf("long templates: %s %q", long.Outcome.Reason, long.Outcome.Message)
	}
}

// TestNoFunctionGivesMoreThanItSays holds what checkRoom counts on.
func TestNoFunctionGivesMoreThanItSays(t *testing.T) {
	k := newKey(t, "prod-eu")
	worst := map[string]string{"quote": "\x00", "urlquery": "\xff", "upper": "\xff", "lower": "\xff", "base64": "x", "trim": "x"}
	for name, char := range worst {
		// 60 bytes fill the least padding; the templates then just fit if the function keeps its word.
		d := withData(t, k, seal.Values{"v": value(strings.Repeat(char, 60))}, map[string]string{"out": "{{ .v | " + name + " }}"})
		contents, err := d.Plan.Open(seal.Target{Namespace: "prod", Name: "db"})
		if err != nil {
			t.Fatal(err)
		}
		most := map[string]int{"quote": 362, "urlquery": 180, "upper": 180, "lower": 180, "base64": 80, "trim": 60}[name]
		if n := len(contents.Data()["out"]); n != most {
			t.Errorf("%s gives %d bytes for 60, at most %d", name, n, most)
		}
	}
}
