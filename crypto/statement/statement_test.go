package statement_test

import (
	"bytes"
	"crypto/rand"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// The public halves of keys made for these tests; nobody has the private ones.
const (
	alice = "age1kmqe6tlt798r5qkuf6sl939ulgapg5mv3tw04z3evz4nttkcsfes48azaf"
	bob   = "age1mzx9c3ee0f48njy0en6w66njve8q04nmahj4a2ec25r4s5zv035q4un8t0"
)

func at(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return t
}

// testKey is a statement key whose secret is a sentence that says that it is none.
func testKey(t testing.TB, holder string) (note.Signer, string) {
	t.Helper()
	signerKey, verifierKey, err := statement.GenerateKey(strings.NewReader("a test key, which is not a secret"), holder)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := statement.NewSigner(signerKey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, verifierKey
}

func recipients(t testing.TB, texts ...string) []seal.Recipient {
	t.Helper()
	var rs []seal.Recipient
	for _, text := range texts {
		r, err := seal.ParseRecipient(text)
		if err != nil {
			t.Fatal(err)
		}
		rs = append(rs, r)
	}
	return rs
}

func hybrid(t testing.TB) string {
	t.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	return id.Recipient().String()
}

func prodEU(t testing.TB) statement.Recipients {
	return statement.Recipients{Holder: "prod-eu", Set: 12, At: at("2026-11-23T02:22:00Z"), Recipients: recipients(t, alice, bob)}
}

func mustSign(t testing.TB, r statement.Recipients) []byte {
	t.Helper()
	signer, _ := testKey(t, r.Holder)
	b, err := r.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sameAs compares what the note says.
func sameAs(a, b statement.Recipients) bool { return a.Text() == b.Text() }

func TestASignedNoteOpensUnderItsKey(t *testing.T) {
	for name, r := range map[string]statement.Recipients{
		"two classical recipients":    prodEU(t),
		"one post-quantum recipient":  {Holder: "default", Set: 1, At: at("2026-11-23T02:22:00Z"), Recipients: recipients(t, hybrid(t))},
		"a set number with 63 bits":   {Holder: "a.b-c", Set: 1<<63 - 1, At: at("0001-01-01T00:00:00Z"), Recipients: recipients(t, alice)},
		"a time with a zone is UTC":   {Holder: "default", Set: 1, At: at("2026-11-23T02:22:00+01:00"), Recipients: recipients(t, alice)},
		"a time is cut to the second": {Holder: "default", Set: 1, At: at("2026-11-23T02:22:00.999Z"), Recipients: recipients(t, alice)},
	} {
		t.Run(name, func(t *testing.T) {
			signed := mustSign(t, r)
			_, verifierKey := testKey(t, r.Holder)
			got, err := statement.OpenRecipients(signed, verifierKey)
			if err != nil || !sameAs(got, r) {
				t.Errorf("opened %q, %v", got.Text(), err)
			}
			read, err := statement.ReadRecipients(signed)
			if err != nil || !sameAs(read, r) || !statement.IsNote(signed) {
				t.Errorf("read %q, %v; is a note: %t", read.Text(), err, statement.IsNote(signed))
			}
			h := got.SealHolder()
			if h.Name != r.Holder || len(h.Recipients) != len(r.Recipients) {
				t.Errorf("as a holder: %s with %d recipients", h.Name, len(h.Recipients))
			}
		})
	}
}

func TestTheNoteIsTheOneInTheDocumentation(t *testing.T) {
	signed := mustSign(t, prodEU(t))
	_, verifierKey := testKey(t, "prod-eu")
	golden, err := os.ReadFile("testdata/prod-eu.note")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(signed, golden) {
		t.Errorf("the note is\n%s\nand the one on file\n%s", signed, golden)
	}
	page, err := os.ReadFile("../../docs/statements.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{string(golden), "\n" + verifierKey + "\n"} {
		if !strings.Contains(string(page), part) {
			t.Errorf("docs/statements.md does not show\n%s", part)
		}
	}
}

func TestANoteThatCannotBeTrustedIsRefused(t *testing.T) {
	good := string(mustSign(t, prodEU(t)))
	_, pinned := testKey(t, "prod-eu")
	sign := func(key string, text string) string {
		signer, _ := testKey(t, key)
		b, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	_, otherPin, err := statement.GenerateKey(rand.Reader, "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	text := prodEU(t).Text()
	replace := func(old, new string) string { return sign("prod-eu", strings.Replace(text, old, new, 1)) }
	for name, c := range map[string]struct {
		note, key string
		want      []string // all in the error
	}{
		"another key of the same name: both are named": {good, otherPin, []string{otherPin, strings.Join(strings.Split(pinned, "+")[:2], "+")}},
		"a key of another name: both are named":        {sign("staging", text), pinned, []string{pinned, "staging+"}},
		"a recipient was exchanged":                    {strings.Replace(good, alice, bob, 1), pinned, []string{"changed after prod-eu+"}},
		"the number was raised":                        {strings.Replace(good, "set: 12", "set: 13", 1), pinned, []string{"changed after prod-eu+"}},
		"a recipient was added":                        {strings.Replace(good, "\n\n", "\nrecipient: "+alice+"\n\n", 1), pinned, []string{"changed after prod-eu+"}},
		"it is about another holder than its key":      {replace("prod-eu", "staging"), pinned, []string{"holder staging", "named prod-eu"}},
		"CR LF at the ends of lines":                   {strings.ReplaceAll(good, "\n", "\r\n"), pinned, []string{"CR LF"}},
		"no signature":                                 {text, pinned, []string{"malformed note"}},
		"the signature line without the last line end": {strings.TrimSuffix(good, "\n"), pinned, []string{"malformed note"}},
		"nothing":                               {"", pinned, []string{"malformed note"}},
		"junk":                                  {"\x00\xff\n\n— a b\n", pinned, []string{"malformed note"}},
		"another kind of statement":             {replace("recipients/v1", "recipients/v2"), pinned, []string{"not a note of recipients"}},
		"lines in another order":                {sign("prod-eu", "waxwing.io/recipients/v1\nset: 12\nholder: prod-eu\nat: 2026-11-23T02:22:00Z\nrecipient: "+alice+"\n"), pinned, []string{`"holder"`}},
		"a line of an unknown name":             {replace("recipient: ", "comment: "), pinned, []string{`"recipient"`}},
		"a line more at the end":                {sign("prod-eu", text+"expires: never\n"), pinned, []string{`"recipient"`}},
		"no recipient":                          {sign("prod-eu", "waxwing.io/recipients/v1\nholder: prod-eu\nset: 12\nat: 2026-11-23T02:22:00Z\n"), pinned, []string{"malformed note of"}},
		"the same recipient twice":              {replace(bob, alice), pinned, []string{"malformed note of"}},
		"recipients of two classes":             {replace(bob, hybrid(t)), pinned, []string{"malformed note of"}},
		"nine recipients":                       {sign("prod-eu", text+strings.Repeat("recipient: "+alice+"\n", 7)), pinned, []string{"malformed note of"}},
		"something that is no recipient":        {replace(alice, "age1nonsense"), pinned, []string{"malformed recipient"}},
		"a private key in place of a recipient": {replace(alice, "AGE-SECRET-KEY-1NOT-A-SECRET"), pinned, []string{"private key"}},
		"set number 0":                          {replace("set: 12", "set: 0"), pinned, []string{"malformed note of"}},
		"a set number with a zero in front":     {replace("set: 12", "set: 012"), pinned, []string{"malformed note of"}},
		"a set number of 64 bits":               {replace("set: 12", "set: 9223372036854775808"), pinned, []string{"malformed note of"}},
		"a time with a fraction":                {replace("02:22:00Z", "02:22:00.5Z"), pinned, []string{"malformed note of"}},
		"a time with a zone":                    {replace("02:22:00Z", "02:22:00+01:00"), pinned, []string{"malformed note of"}},
		"a space behind a value":                {replace("prod-eu\n", "prod-eu \n"), pinned, []string{"malformed note of"}},
		"a malformed pin":                       {good, "prod-eu", []string{"malformed statement key"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := statement.OpenRecipients([]byte(c.note), c.key)
			if err == nil {
				t.Fatalf("opened %q", r.Text())
			}
			for _, part := range c.want {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
			if r.Holder != "" || r.Recipients != nil {
				t.Errorf("gave %+v beside the error", r)
			}
		})
	}
}

func TestANoteThatWouldNotReadIsNotSigned(t *testing.T) {
	for name, change := range map[string]func(*statement.Recipients){
		"no recipients":         func(r *statement.Recipients) { r.Recipients = nil },
		"set number 0":          func(r *statement.Recipients) { r.Set = 0 },
		"no holder":             func(r *statement.Recipients) { r.Holder = "" },
		"a holder with a line":  func(r *statement.Recipients) { r.Holder = "prod-eu\nset: 13" },
		"a year of five digits": func(r *statement.Recipients) { r.At = time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC) },
		"more than 8 recipients": func(r *statement.Recipients) {
			r.Recipients = recipients(t, alice, bob, alice, bob, alice, bob, alice, bob, alice)
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := prodEU(t)
			change(&r)
			signer, _ := testKey(t, "prod-eu")
			if b, err := r.Sign(signer); err == nil {
				t.Errorf("signed %q", b)
			}
		})
	}
}

func TestAPlainListIsNoNote(t *testing.T) {
	good := string(mustSign(t, prodEU(t)))
	for text, want := range map[string]bool{
		good: true, strings.ReplaceAll(good, "\n", "\r\n"): true, "": false, alice + "\n": false,
		"# waxwing.io/recipients/v1\n": false, "waxwing.io/recipients/v11\n": false,
	} {
		if got := statement.IsNote([]byte(text)); got != want {
			t.Errorf("IsNote(%q) = %t", text, got)
		}
	}
	if _, err := statement.ReadRecipients([]byte(strings.ReplaceAll(good, "\n", "\r\n"))); err == nil || !strings.Contains(err.Error(), "CR LF") {
		t.Errorf("reading a converted note: %v", err)
	}
}

func TestKeyErrorsNeverQuoteAPrivateKey(t *testing.T) {
	const private = "PRIVATE+KEY+prod-eu+00000000+canary-not-a-secret"
	_, serr := statement.NewSigner(private)
	_, verr := statement.OpenRecipients(mustSign(t, prodEU(t)), private)
	for _, err := range []error{serr, verr} {
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("error %v", err)
		}
	}
	for _, holder := range []string{"", "Prod", "a+b", "a b", "-a", strings.Repeat("a", 64)} {
		if _, _, err := statement.GenerateKey(rand.Reader, holder); err == nil {
			t.Errorf("a key was made for holder %q", holder)
		}
	}
}
