package seal_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"text/template"

	"filippo.io/age"
	"go.yaml.in/yaml/v3"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const canary = "canary-not-a-secret"

// forms are the ways in which a print could show the canary.
func forms() []string {
	b := []byte(canary)
	decimal := strings.Trim(fmt.Sprint(b), "[]")
	return []string{
		canary, decimal, strings.ReplaceAll(decimal, " ", ","), hex.EncodeToString(b), strings.ToUpper(hex.EncodeToString(b)), fmt.Sprintf("% x", b),
		strings.TrimSuffix(strings.TrimPrefix(fmt.Sprintf("%#v", b), "[]byte{"), "}"), base64.StdEncoding.EncodeToString(b)[:24],
	}
}

func wantNoCanary(t *testing.T, how, printed string) {
	t.Helper()
	for _, form := range forms() {
		if strings.Contains(printed, form) {
			t.Errorf("%s shows the value: %s", how, printed)
		}
	}
}

// hidden has its values where fmt may call no method.
type hidden struct {
	name   string
	value  seal.Value
	values seal.Values
	nested struct{ opened *seal.Opened }
	list   []seal.Value
}

type shown struct {
	Name   string
	Value  seal.Value
	Values seal.Values
	Opened *seal.Opened
	Any    any
	List   []seal.Value
}

func carriers() map[string]any {
	v := seal.NewValue([]byte(canary))
	all := seal.Values{"password": v}
	opened := &seal.Opened{Values: all}
	h := hidden{name: "x", value: v, values: all, list: []seal.Value{v}}
	h.nested.opened = opened
	return map[string]any{
		"a value": v, "a pointer to a value": &v, "values": all, "a pointer to values": &all, "an opened object": opened, "the opened object itself": *opened,
		"a list": []seal.Value{v}, "a map of any": map[string]any{"v": v, "all": all}, "unexported fields": h, "a pointer to unexported fields": &h,
		"exported fields": shown{"x", v, all, opened, v, []seal.Value{v}}, "an array": [1]seal.Value{v}, "a channel's element": fmt.Sprint(v), "any": any(v),
	}
}

func TestValuesArePrintedByNoVerb(t *testing.T) {
	for name, c := range carriers() {
		for _, flags := range []string{"", "+", "#", " ", "0", "-40", "40", ".3", "+#"} {
			for verb := rune('A'); verb <= 'z'; verb++ {
				format := "%" + flags + string(verb)
				wantNoCanary(t, name+" with "+format, fmt.Sprintf(format, c))
			}
		}
		wantNoCanary(t, name+" with Sprint", fmt.Sprint(c)+fmt.Sprintln(c))
		wantNoCanary(t, name+" in an error", fmt.Errorf("opening: %w", fmt.Errorf("%v %s", c, c)).Error())
		wantNoCanary(t, name+" as an argument without a verb", fmt.Sprintf(strings.Clone("x"), c))
	}
}

func TestValuesAreLoggedByNoHandler(t *testing.T) {
	for name, c := range carriers() {
		var out bytes.Buffer
		for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
			l := slog.New(h)
			l.Info("opened", "v", c, slog.Group("g", "v", c), "err", fmt.Errorf("%v", c))
			l.With("v", c).WithGroup("g").Info(fmt.Sprint(c))
		}
		wantNoCanary(t, name+" in slog", out.String())
	}
}

func TestValuesAreEncodedByNoEncoder(t *testing.T) {
	for name, c := range carriers() {
		b, err := json.Marshal(c)
		if err != nil {
			t.Errorf("%s in JSON: %v", name, err)
		}
		wantNoCanary(t, name+" in JSON", string(b))
		b, err = yaml.Marshal(c)
		if err != nil {
			t.Errorf("%s in YAML: %v", name, err)
		}
		wantNoCanary(t, name+" in YAML", string(b))
		b, _ = xml.Marshal(c)
		wantNoCanary(t, name+" in XML", string(b))
		var out strings.Builder
		if err := template.Must(template.New("").Parse("{{ . }} {{ printf \"%s\" . }}")).Execute(&out, c); err != nil {
			t.Errorf("%s in a template: %v", name, err)
		}
		wantNoCanary(t, name+" in a template", out.String())
	}
}

func TestTheCanaryIsFoundWhereItIs(t *testing.T) {
	for _, printed := range []string{fmt.Sprint(canary), fmt.Sprint([]byte(canary)), fmt.Sprintf("%x", canary), fmt.Sprintf("%#v", []byte(canary)), fmt.Sprintf("%X", []byte(canary))} {
		found := false
		for _, form := range forms() {
			found = found || strings.Contains(printed, form)
		}
		if !found {
			t.Errorf("no form finds the canary in %s", printed)
		}
	}
}

func TestAValuePrintsAsRedacted(t *testing.T) {
	v := seal.NewValue([]byte(canary))
	if got := fmt.Sprintf("%v %s %d %#v %q", v, v, v, v, v); got != strings.TrimSpace(strings.Repeat("[redacted] ", 5)) {
		t.Errorf("got %s", got)
	}
	b, err := json.Marshal(seal.Values{"password": v})
	if err != nil || string(b) != `{"password":"[redacted]"}` {
		t.Errorf("got %s, %v", b, err)
	}
	if string(v.Bytes()) != canary || v.Len() != len(canary) || v.String() != "[redacted]" {
		t.Error("the value itself is not there")
	}
	var zero seal.Value
	if zero.Bytes() != nil || zero.Len() != 0 || fmt.Sprint(zero) != "[redacted]" {
		t.Error("the zero value is not empty")
	}
}

// loud is a private key that prints itself, as age's do.
type loud struct{ secret string }

func (*loud) Unwrap([]*age.Stanza) ([]byte, error) { return nil, age.ErrIncorrectIdentity }

func (l *loud) String() string { return l.secret }

func TestPrivateKeysArePrintedByNoVerb(t *testing.T) {
	identity := seal.NewIdentity("age1test", &loud{canary})
	keys := seal.NewIdentities(identity)
	for name, c := range map[string]any{
		"an identity": identity, "a pointer": &identity, "identities": keys, "a pointer to identities": &keys,
		"a list": []seal.Identity{identity}, "a map": map[string]any{"k": keys}, "an exported field": struct{ Keys seal.Keys }{keys},
	} {
		for _, flags := range []string{"", "+", "#", " "} {
			for verb := rune('A'); verb <= 'z'; verb++ {
				format := "%" + flags + string(verb)
				wantNoCanary(t, name+" with "+format, fmt.Sprintf(format, c))
			}
		}
	}
	type inside struct{ identity seal.Identity }
	for verb := rune('A'); verb <= 'z'; verb++ {
		wantNoCanary(t, "an unexported field with %"+string(verb), fmt.Sprintf("%"+string(verb), inside{identity}))
	}
	for name, c := range map[string]any{"an identity": identity, "identities": keys, "an unexported field": inside{identity}} {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Info("x", "k", c)
		slog.New(slog.NewJSONHandler(&out, nil)).Info("x", "k", c)
		b, err := json.Marshal(c)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		wantNoCanary(t, name+" in a log", out.String()+string(b))
	}
	if got := fmt.Sprintf("%s, %d, %#v", identity, identity, keys); !strings.Contains(got, identity.KeyID()) {
		t.Errorf("the key id is not printed: %s", got)
	}
}

func TestOutcomeOfAnError(t *testing.T) {
	for want, err := range map[string]error{
		"ok": nil, "": errors.New("x"), "InvalidFormat": seal.ErrFormat, "TooLarge": fmt.Errorf("x: %w", seal.ErrTooLarge), "ScopeMismatch": seal.ErrScope,
		"NoMatchingKey": errors.Join(errors.New("x"), seal.ErrNoKey), "Tampered": &seal.Error{Kind: seal.ErrTampered}, "BadSignature": seal.ErrSignature,
	} {
		if got := seal.Outcome(err); got != want {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
}
