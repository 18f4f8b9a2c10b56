package audit

import (
	"bytes"
	"math"
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
	object := Object{Kind: worst, Namespace: worst, Name: worst, UID: worst, ResourceVersion: worst, Generation: math.MaxInt64}
	for name, r := range map[string]Record{
		"4,096 long item names are cut with a count": {Operation: &Operation{Items: repeat(4096, strings.Repeat("n", 253))}},
		"many keys of an operation":                  {Operation: &Operation{Keys: repeat(5000, Key{Keyring: "default", ID: "3f2a", Envelope: "01kb"})}},
		"many keys of an outcome":                    {Outcome: &Outcome{Keys: repeat(5000, Key{Keyring: "default", ID: "3f2a", Envelope: "01kb"})}},
		"everything at its worst": {
			Replica: worst, ClockOffset: new(int64(math.MinInt64)), Term: new(int64(math.MaxInt64)),
			Operation: &Operation{
				Action: Action(worst), Object: object, Actor: Actor{User: worst, Manager: worst, Signer: worst, Git: &Git{Commit: worst, Author: worst}},
				Items: repeat(999, worst), Keys: repeat(999, Key{worst, worst, worst}),
				Term: &Term{Number: math.MinInt64, Holder: worst, Others: append(repeat(99, worst), repeat(99, worst[:maxCheckpoint])...)},
				Log:  &LogState{Origin: worst, Part: math.MaxInt, Cites: worst, Unmatched: repeat(9999, worst), More: 7},
			},
			Outcome: &Outcome{Reason: worst, Message: worst, Secret: &object, Keys: repeat(999, Key{worst, worst, worst}), VaultRequest: worst},
		},
		"checkpoints of many logs":   {Operation: &Operation{Term: &Term{Others: repeat(99, worst[:maxCheckpoint])}}},
		"many intents that wait":     {Operation: &Operation{Log: &LogState{Unmatched: repeat(MaxUnmatched, worst)}}},
		"bytes that become longer":   {Operation: &Operation{Items: repeat(999, strings.Repeat("\xff", MaxRecord))}},
		"an id and a phase, too":     {ID: worst, Operation: &Operation{Items: repeat(999, worst)}},
		"two lists of middle length": {Operation: &Operation{Items: repeat(99, worst), Keys: repeat(99, Key{worst, worst, worst})}},
	} {
		t.Run(name, func(t *testing.T) {
			before := lengths(r)
			r.Version, r.Time, r.Phase = Version, time.Date(2026, 11, 23, 2, 22, 0, 123456789, time.UTC), PhaseNote
			if r.Operation == nil {
				r.Operation = &Operation{}
			}
			if r.Outcome == nil {
				r.Outcome = &Outcome{}
			}
			line, err := encode(r)
			if err != nil || len(line) > MaxRecord || bytes.Contains(line, []byte("\n")) {
				t.Fatalf("%d bytes, %v", len(line), err)
			}
			got, err := DecodeExact(line)
			if err != nil {
				t.Fatal(err)
			}
			after := lengths(got)
			if got.Omitted != nil {
				after.Items, after.Keys, after.Others = after.Items+got.Omitted.Items, after.Keys+got.Omitted.Keys, after.Others+got.Omitted.Others
			}
			if diff := cmp.Diff(before, after); diff != "" {
				t.Errorf("the count of what is missing: %s", diff)
			}
			if len(line) < MaxRecord/4 {
				t.Errorf("only %d bytes are left", len(line))
			}
		})
	}
}

// counted is how long the lists of a record are, with what it says to have omitted.
type counted struct{ Items, Keys, Others, Unmatched int }

func lengths(r Record) (n counted) {
	if op := r.Operation; op != nil {
		n.Items, n.Keys = len(op.Items), len(op.Keys)
		if op.Term != nil {
			n.Others = len(op.Term.Others)
		}
		if op.Log != nil {
			n.Unmatched = len(op.Log.Unmatched) + op.Log.More
		}
	}
	if r.Outcome != nil {
		n.Keys += len(r.Outcome.Keys)
	}
	return n
}

// TestTheNamesOfObjectsAreWhole holds that NAMESPACE/NAME is never cut: two that differ at their ends would be told as one.
func TestTheNamesOfObjectsAreWhole(t *testing.T) {
	name := strings.Repeat("n", 63) + "/" + strings.Repeat("o", 252) + "x"
	line, err := encode(Record{Version: Version, Time: time.Unix(1, 0), Phase: PhaseIntent, Operation: &Operation{Action: ActionSyncApplied, Items: repeat(128, name)}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeExact(line)
	if err != nil || got.Omitted != nil || len(got.Operation.Items) != 128 || got.Operation.Items[127] != name {
		t.Errorf("%v, %+v, %d items", err, got.Omitted, len(got.Operation.Items))
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
		"bytes that are no text do no harm": {"\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\ufffd…"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := cut(c.in, 8); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if got := cut(c.in, 8); !utf8.ValidString(got) {
				t.Errorf("%q is not UTF-8", got)
			}
		})
	}
}
