package audit

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

func repeat[T any](n int, v T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = v
	}
	return out
}

func TestARecordHasOneForm(t *testing.T) {
	got, err := encode(Record{
		Version: Version, ID: "01KB8ZV3RG9M1X0Q2S4T6V8W0Y", Time: time.Date(2026, 11, 23, 2, 22, 0, 0, time.UTC), Replica: "waxwing-0", Phase: PhaseIntent,
		Operation: &Operation{
			Action: ActionUnseal, Actor: Actor{User: Unattributed}, Items: []string{"user", "<pass>"},
			Object: Object{Kind: "GitSecret", Namespace: "prod", Name: "db\nx"}, Keys: []Key{{Keyring: "default", ID: "3f2a"}},
		},
	})
	want := `{"id":"01KB8ZV3RG9M1X0Q2S4T6V8W0Y","operation":{"action":"unseal","actor":{"user":"unattributed"},"items":["user","<pass>"],` +
		`"keys":[{"id":"3f2a","keyring":"default"}],"object":{"kind":"GitSecret","name":"db\nx","namespace":"prod"}},` +
		`"phase":"intent","replica":"waxwing-0","time":"2026-11-23T02:22:00Z","v":1}`
	if diff := cmp.Diff(want, string(got)); err != nil || diff != "" {
		t.Errorf("encode: %v\n%s", err, diff)
	}
}

func TestNoRecordIsLongerThanTheLimit(t *testing.T) {
	worst := strings.Repeat("\x01", MaxRecord) // six bytes of JSON for each
	object := Object{Kind: worst, Namespace: worst, Name: worst, UID: worst, ResourceVersion: worst}
	for name, r := range map[string]Record{
		"4,096 long item names are cut with a count": {Operation: &Operation{Items: repeat(4096, strings.Repeat("n", 253))}},
		"many keys of an operation":                  {Operation: &Operation{Keys: repeat(5000, Key{Keyring: "default", ID: "3f2a", Envelope: "01kb"})}},
		"many keys of an outcome":                    {Outcome: &Outcome{Keys: repeat(5000, Key{Keyring: "default", ID: "3f2a", Envelope: "01kb"})}},
		"everything at its worst": {
			Replica:   worst,
			Operation: &Operation{Action: Action(worst), Object: object, Actor: Actor{User: worst, Manager: worst, Signer: worst, Git: &Git{Commit: worst, Author: worst}}, Items: repeat(9, worst), Keys: repeat(9, Key{worst, worst, worst})},
			Outcome:   &Outcome{Reason: worst, Message: worst, Secret: &object, Keys: repeat(9, Key{worst, worst, worst})},
		},
	} {
		t.Run(name, func(t *testing.T) {
			items, keys := 0, 0
			if r.Operation != nil {
				items, keys = len(r.Operation.Items), len(r.Operation.Keys)
			}
			if r.Outcome != nil {
				keys += len(r.Outcome.Keys)
			}
			r.Version, r.ID, r.Time, r.Phase = Version, "01KB8ZV3RG9M1X0Q2S4T6V8W0Y", time.Now(), PhaseNote
			line, err := encode(r)
			if err != nil || len(line) > MaxRecord || bytes.Contains(line, []byte("\n")) {
				t.Fatalf("%d bytes, %v", len(line), err)
			}
			got, err := Decode(line)
			if err != nil || got.Omitted == nil {
				t.Fatalf("%v; omitted: %v", err, got.Omitted)
			}
			if got.Operation != nil {
				items, keys = items-len(got.Operation.Items), keys-len(got.Operation.Keys)
			}
			if got.Outcome != nil {
				keys -= len(got.Outcome.Keys)
			}
			if diff := cmp.Diff(Omitted{Items: items, Keys: keys}, *got.Omitted); diff != "" {
				t.Errorf("the count of what is missing: %s", diff)
			}
		})
	}
}

func TestEncodingChangesNothingOfTheCaller(t *testing.T) {
	op := Operation{Items: repeat(4096, strings.Repeat("n", 600)), Keys: []Key{{ID: strings.Repeat("k", 600)}}}
	if _, err := encode(Record{Operation: &op}); err != nil {
		t.Fatal(err)
	}
	if len(op.Items) != 4096 || len(op.Items[0]) != 600 || len(op.Keys[0].ID) != 600 {
		t.Error("encode cut the caller's own operation")
	}
}

func TestTextIsCutBetweenCharacters(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"short text stays":                  {"grün", "grün"},
		"text of the exact length stays":    {"12345678", "12345678"},
		"longer text ends with a mark":      {"123456789", "12345…"},
		"no character is cut in two":        {"1234ü6789", "1234…"},
		"nor one of four bytes":             {"123𝄞56789", "123…"},
		"bytes that are no text do no harm": {"\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cut(c.in, 8); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := cut(c.in, 8); utf8.ValidString(c.in) && !utf8.ValidString(got) {
				t.Errorf("%q is not UTF-8", got)
			}
		})
	}
}
