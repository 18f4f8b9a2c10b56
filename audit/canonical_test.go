package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/gowebpki/jcs"
)

// fill gives v something of the seed, by its type: a field that somebody adds is filled without anybody thinking of it here.
func fill(v reflect.Value, r *rand.Rand) {
	if t, ok := v.Addr().Interface().(*time.Time); ok {
		*t = time.Unix(r.Int64N(4e9), r.Int64N(1e9)*int64(r.IntN(2))).In(time.FixedZone("", r.IntN(9)*3600))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text(r))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(r.IntN(3)-1) * r.Int64N(maxInteger))
	case reflect.Bool:
		v.SetBool(r.IntN(2) == 0)
	case reflect.Pointer:
		if r.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			fill(v.Elem(), r)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), r.IntN(4), 4))
		for i := range v.Len() {
			fill(v.Index(i), r)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), r)
		}
	default:
		panic("a record has a field of a kind that nobody has thought of: " + v.Kind().String())
	}
}

// text is made of what encoders differ in.
func text(r *rand.Rand) string {
	pieces := []string{
		"a", "Z", "0", `"`, `\`, "/", "<&>", " ", "\x00", "\x01", "\b", "\t", "\n", "\v", "\f", "\r", "\x1f", "\x7f", "\u0080", "ü", "\u2028", "\u2029", "\ufeff", "\ufffd", "\uffff",
		"𝄞", "\U0010ffff", "\xff", "\xc3", "\xed\xa0\x80", "\xf0\x9d\x84", "\xc0\x80",
	}
	var b strings.Builder
	for range r.IntN(6) {
		b.WriteString(pieces[r.IntN(len(pieces))])
	}
	return b.String()
}

// reference is the record in RFC 8785's form by way of what others have written.
func reference(t *testing.T, r Record) []byte {
	t.Helper()
	r.Time = r.Time.UTC()
	b, err := json.Marshal(r)
	if err == nil {
		b, err = jcs.Transform(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestTheFormIsThatOfRFC8785(t *testing.T) {
	for seed := range uint64(3000) {
		var r Record
		fill(reflect.ValueOf(&r).Elem(), rand.New(rand.NewPCG(seed, 8785)))
		got, err := marshal(r)
		if want := reference(t, r); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, err, got, want)
		}
	}
}

func TestARecordComesBackAsItWas(t *testing.T) {
	for seed := range uint64(3000) {
		var r Record
		fill(reflect.ValueOf(&r).Elem(), rand.New(rand.NewPCG(seed, 1)))
		finish(&r)
		line, err := encode(r)
		if err != nil {
			t.Fatal(err)
		}
		checkLine(t, r, line)
	}
}

// finish makes r one that a Recorder would write.
func finish(r *Record) {
	r.Version, r.Omitted = Version, nil
	if r.Operation == nil {
		r.Operation = &Operation{}
	}
	if r.Outcome == nil {
		r.Outcome = &Outcome{}
	}
	switch r.Phase = []Phase{PhaseIntent, PhaseOutcome, PhaseNote}[len(r.ID)%3]; r.Phase {
	case PhaseIntent:
		r.Outcome = nil
	case PhaseOutcome:
		r.Operation = nil
	}
}

// checkLine holds line, which is that of r, against all that encode and the decoders promise.
func checkLine(t *testing.T, r Record, line []byte) {
	t.Helper()
	got, err := DecodeExact(line)
	if err != nil || len(line) > MaxRecord {
		t.Fatalf("%d bytes, %v: %q", len(line), err, line)
	}
	if again, err := encode(got); err != nil || !bytes.Equal(again, line) {
		t.Errorf("what was read is written as something else: %v\n%s\n%s", err, again, line)
	}
	if want := reference(t, got); !bytes.Equal(want, line) {
		t.Errorf("not RFC 8785:\n%s\n%s", line, want)
	}
	if !got.Time.Equal(r.Time) || got.Time.Location() != time.UTC {
		t.Errorf("the time %s has become %s", r.Time, got.Time)
	}
	if before, after := lengths(r), lengths(got); got.Omitted == nil && before != after {
		t.Errorf("something is missing and not counted: %v, was %v", after, before)
	}
}

func FuzzEncode(f *testing.F) {
	f.Add("db", "\x01\xff\u2028𝄞", int64(1), uint16(3), int64(1764000000), int64(5))
	f.Add(strings.Repeat("n", 300), strings.Repeat("\x01", 5000), int64(-1<<63), uint16(9999), int64(-62167219200), int64(999999999))
	f.Fuzz(func(t *testing.T, a, b string, n int64, many uint16, sec, nsec int64) {
		many %= 1024
		at := time.Unix(sec%253402300799, nsec%1e9)
		r := Record{
			ID: a, Time: at, ClockOffset: &n, Replica: b, Term: &n,
			Operation: &Operation{
				Action: Action(a), Object: Object{a, b, a, b, n, a}, Keys: repeat(int(many), Key{a, b, a}), Items: repeat(int(many), b), Actor: Actor{a, b, a, &Git{b, a}},
				Term: &Term{n, b, repeat(int(many), a)}, Log: &LogState{a, int(n), b, repeat(int(many), b), int(many)},
			},
			Outcome: &Outcome{n > 0, a, b, &Object{Name: b}, repeat(int(many), Key{ID: b}), a},
		}
		finish(&r)
		line, err := encode(r)
		if err != nil {
			if y := at.UTC().Year(); y >= 0 && y <= 9999 {
				t.Fatal(err)
			}
			return
		}
		checkLine(t, r, line)
	})
}

// FuzzDecode: what is not refused is one record, that which the canonical form of the same document is.
func FuzzDecode(f *testing.F) {
	good := `{"id":"01","operation":{"action":"unseal","actor":{"user":"u"},"object":{}},"phase":"intent","time":"2026-11-23T02:22:00Z","v":1}`
	for _, seed := range []string{good, " " + good, strings.Replace(good, `"v":1`, `"v":2`, 1), strings.Replace(good, `"id":"01"`, `"ID":"01","id":"02"`, 1), `{"v":1}`, `null`, `{}`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := Decode(b)
		if err != nil {
			return
		}
		canonical, err := jcs.Transform(b)
		if err != nil {
			t.Fatalf("%v: %q", err, b)
		}
		if _, err := DecodeExact(canonical); err != nil && len(canonical) <= MaxRecord {
			t.Errorf("%v: %s", err, canonical)
		}
		if want := reference(t, r); !bytes.Equal(want, canonical) {
			t.Errorf("the record says something else:\n%s\n%s", want, canonical)
		}
	})
}

func TestDecodeRefuses(t *testing.T) {
	const good = `{"id":"01KB8ZV3RG9M1X0Q2S4T6V8W0Y","operation":{"action":"unseal","actor":{"user":"unattributed"},"object":{"generation":1}},"phase":"intent","time":"2026-11-23T02:22:00Z","v":1}`
	if _, err := DecodeExact([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ old, new, want string }{
		"an unknown field":             {`"v":1`, `"v":1,"w":1`, `unknown field "w"`},
		"an unknown field within":      {`{"user"`, `{"age":1,"user"`, `unknown field "age"`},
		"a field twice":                {`"v":1`, `"v":1,"v":1`, "not a record"},
		"a field in two spellings":     {`"id"`, `"ID":"x","id"`, "not written as it should be"},
		"a version that is newer":      {`"v":1`, `"v":2,"news":{}`, "a record of version 2; this program reads 1"},
		"no version":                   {`,"v":1`, ``, "it has no version"},
		"something behind it":          {`"v":1}`, `"v":1}{}`, "not a record"},
		"another type":                 {`"generation":1`, `"generation":"1"`, "not a record"},
		"a number that is not whole":   {`"generation":1`, `"generation":1.5`, "not a record"},
		"a number beyond RFC 8785":     {`"generation":1`, `"generation":9007199254740993`, "not a record"},
		"a time in another zone":       {`00Z"`, `00+01:00"`, "not written as it should be"},
		"a phase that is none":         {`"intent"`, `"Intent"`, `there is no phase "Intent"`},
		"an intent with an outcome":    {`"phase"`, `"outcome":{"ok":true},"phase"`, "of phase intent with operation: true, outcome: true"},
		"an outcome with an operation": {`"phase":"intent"`, `"outcome":{"ok":true},"phase":"outcome"`, "of phase outcome"},
		"a note without an outcome":    {`"intent"`, `"note"`, "of phase note with operation: true, outcome: false"},
		"nothing for something":        {`"unattributed"`, `null`, "not written as it should be"},
		"what is no JSON":              {`{"id"`, `{id`, "not a record"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Decode([]byte(strings.Replace(good, c.old, c.new, 1))); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestDecodeTakesOtherFormsAndDecodeExactDoesNot(t *testing.T) {
	const good = `{"id":"01","outcome":{"ok":true},"phase":"outcome","time":"2026-11-23T02:22:00Z","v":1}`
	want, err := DecodeExact([]byte(good))
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]string{
		"white space":      strings.ReplaceAll(good, ",", ",\n  ") + "\n",
		"another order":    `{"v":1,` + strings.TrimSuffix(good[1:], `,"v":1}`) + `}`,
		"another spelling": strings.Replace(good, `"01"`, `"\u0030\u0031"`, 1),
		"another number":   strings.Replace(good, `"v":1`, `"v":1e0`, 1),
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Decode([]byte(other)); err != nil || !cmp.Equal(got, want) {
				t.Errorf("Decode: %v\n%s", err, cmp.Diff(want, got))
			}
			if _, err := DecodeExact([]byte(other)); err == nil {
				t.Error("DecodeExact takes it")
			}
		})
	}
}

func BenchmarkEncode(b *testing.B) {
	r := Record{
		Version: Version, ID: "01KB8ZV3RG9M1X0Q2S4T6V8W0Y", Time: time.Now(), Replica: "waxwing-controller-0", Term: new(int64(7)), ClockOffset: new(int64(-12)), Phase: PhaseIntent,
		Operation: &Operation{
			Action: ActionUnseal, Object: Object{"GitSecret", "prod", "db", "5f0e3c1e-6f6b-4a53-8f1a-0a4f6f3c2d11", 3, "123456"},
			Keys: []Key{{"prod-eu", "3f2a77aa3f2a77aa3f2a77aa3f2a77aa", "01kb8zv3rg9m1x0q2s4t6v8w0y"}}, Actor: Actor{User: Unattributed, Manager: "kustomize-controller"},
		},
	}
	for i := range 5 {
		r.Operation.Items = append(r.Operation.Items, fmt.Sprintf("item-%d", i))
	}
	line, err := encode(r)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			_, _ = encode(r)
		}
	})
	b.Run("json+jcs", func(b *testing.B) {
		for b.Loop() {
			l, _ := json.Marshal(r)
			_, _ = jcs.Transform(l)
		}
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			_, _ = Decode(line)
		}
	})
}
