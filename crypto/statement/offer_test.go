package statement_test

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

const (
	envelopeA = "01kb8zv3rg9m1x0q2s4t6v8w0y"
	envelopeB = "01kb8zv3rg9m1x0q2s4t6v8w0z"
	commit    = "q83vASNFZ4mrze8BI0VniavN7wEjRWeJq83vASNFZ4k="
)

// golden is the example of docs/statements.md.
func golden(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile("testdata/prod-eu.offer")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func goldenOffer(t testing.TB) statement.Offer {
	t.Helper()
	_, verifierKey := testKey(t, "prod-eu")
	o, err := statement.OpenOffer(golden(t), verifierKey)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func mustOffer(t testing.TB, o statement.Offer) []byte {
	t.Helper()
	signer, _ := testKey(t, o.Holder)
	b, err := o.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestTheOfferIsTheOneInTheDocumentation holds the form byte for byte, and that its wrap is one that the format takes.
func TestTheOfferIsTheOneInTheDocumentation(t *testing.T) {
	o := goldenOffer(t)
	if again := mustOffer(t, o); !bytes.Equal(again, golden(t)) {
		t.Errorf("signed again it is\n%s", again)
	}
	page, err := os.ReadFile("../../docs/statements.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(page), string(golden(t))) {
		t.Error("docs/statements.md shows another one")
	}
	w := o.Wraps[0]
	if o.Holder != "prod-eu" || o.Set != 12 || o.Namespace != "prod" || o.Name != "db" || len(o.Wraps) != 1 || w.Envelope != envelopeA || w.Commit != commit || len(w.Wrap.Keys) != 2 || len(w.Wrap.WrappedBefore) != 1 {
		t.Errorf("it says %+v", o)
	}
	id, err := ulid.ParseStrict(strings.ToUpper(w.Envelope))
	if err != nil {
		t.Fatal(err)
	}
	spec := &seal.Spec{Format: 1, For: seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, Envelopes: map[string]seal.Envelope{
		w.Envelope: {SealedAt: ulid.Time(id.Time()).UTC().Format(time.RFC3339), Commit: w.Commit, Wraps: map[string]seal.Wrap{"prod-eu": w.Wrap}},
	}}
	if _, err := seal.Check(spec); err != nil {
		t.Errorf("as a part of an object: %v", err)
	}
}

// TestWrapsOfAllSizesComeBack holds that an offered wrap is the one that was made, to the byte: its armor is written anew.
func TestWrapsOfAllSizesComeBack(t *testing.T) {
	_, verifierKey := testKey(t, "prod-eu")
	hybrids := func(n int) (all []seal.Recipient) {
		for range n {
			all = append(all, recipients(t, hybrid(t))...)
		}
		return all
	}
	x25519 := func() string {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			t.Fatal(err)
		}
		return id.Recipient().String()
	}
	for name, to := range map[string][]seal.Recipient{
		"one": recipients(t, alice), "two": recipients(t, alice, bob), "three": recipients(t, alice, bob, x25519()), "hybrid": hybrids(1), "eight hybrids": hybrids(8),
	} {
		spec, err := seal.Sealer{Rand: strings.NewReader(strings.Repeat("not random at all ", 64)), Now: func() time.Time { return at("2026-11-23T02:22:00Z") }}.Seal(
			seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{{Name: "prod-eu", Recipients: to}})
		if err != nil {
			t.Fatal(err)
		}
		o := statement.Offer{Holder: "prod-eu", Set: 3, At: at("2026-11-23T02:22:00Z"), Namespace: "prod", Name: "db"}
		for id, e := range spec.Envelopes {
			o.Wraps = append(o.Wraps, statement.OfferedWrap{Envelope: id, Commit: e.Commit, Wrap: e.Wraps["prod-eu"]})
		}
		got, err := statement.OpenOffer(mustOffer(t, o), verifierKey)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if diff := cmp.Diff(o.Wraps, got.Wraps); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestAnOfferThatCannotBeTrustedIsRefused(t *testing.T) {
	good, text := string(golden(t)), goldenOffer(t).Text()
	_, pinned := testKey(t, "prod-eu")
	sign := func(key, text string) string {
		signer, _ := testKey(t, key)
		b, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	replace := func(old, new string) string {
		if !strings.Contains(text, old) {
			t.Fatalf("the text has no %q", old)
		}
		return sign("prod-eu", strings.Replace(text, old, new, 1))
	}
	wrap := text[strings.Index(text, "envelope: "):]
	for name, c := range map[string]struct{ note, want string }{
		"it was changed":                      {strings.Replace(good, "name: db", "name: dc", 1), "changed after prod-eu+"},
		"another key":                         {sign("staging", text), "staging+"},
		"it is another holder's":              {replace("holder: prod-eu", "holder: staging"), "holder staging"},
		"a recipient set in its place":        {string(mustSign(t, prodEU(t))), "not an offer"},
		"set number 0":                        {replace("set: 12", "set: 0"), "malformed offer"},
		"a set number with a zero in front":   {replace("set: 12", "set: 012"), "malformed offer"},
		"a time with a zone":                  {replace("00Z", "00+01:00"), "malformed offer"},
		"no namespace":                        {replace("namespace: prod\n", ""), `"namespace"`},
		"a namespace that is none":            {replace("namespace: prod", "namespace: ../prod"), "malformed offer"},
		"no wrap":                             {sign("prod-eu", strings.TrimSuffix(text, wrap)), "malformed offer"},
		"one envelope twice":                  {sign("prod-eu", text+wrap), "malformed offer"},
		"envelopes in another order":          {sign("prod-eu", strings.Replace(text, envelopeA, envelopeB, 1)+wrap), "malformed offer"},
		"an envelope that is none":            {replace(envelopeA, "x"+envelopeA[1:]), "malformed offer"},
		"a commit that is none":               {replace(commit, "q83v"), "malformed offer"},
		"a key id that is none":               {replace("keys: ", "keys: x "), "malformed offer"},
		"a key id more behind a second space": {replace("keys: ", "keys:  "), "malformed offer"},
		"an age file that is no base64":       {replace("age: ", "age: !"), "malformed offer"},
		"no age file":                         {sign("prod-eu", text[:strings.Index(text, "age: ")]), "malformed offer"},
		"a line more":                         {sign("prod-eu", text+"expires: never\n"), "malformed offer"},
		"more than 256 KiB":                   {good + strings.Repeat("— a b\n", 50000), "too large"},
		"nothing":                             {"", "malformed note"},
	} {
		t.Run(name, func(t *testing.T) {
			o, err := statement.OpenOffer([]byte(c.note), pinned)
			if err == nil || !strings.Contains(err.Error(), c.want) || o.Holder != "" {
				t.Errorf("%+v, %v", o, err)
			}
		})
	}
}

func TestAnOfferThatWouldNotReadIsNotSigned(t *testing.T) {
	signer, _ := testKey(t, "prod-eu")
	large := goldenOffer(t)
	large.Wraps[0].Wrap.Age = "-----BEGIN AGE ENCRYPTED FILE-----\n" + strings.Repeat(strings.Repeat("A", 64)+"\n", 5000) + "-----END AGE ENCRYPTED FILE-----\n"
	for name, change := range map[string]func(*statement.Offer){
		"no wraps":                   func(o *statement.Offer) { o.Wraps = nil },
		"set number 0":               func(o *statement.Offer) { o.Set = 0 },
		"a name with a line":         func(o *statement.Offer) { o.Name = "db\nname: other" },
		"an envelope with a line":    func(o *statement.Offer) { o.Wraps[0].Envelope += "\nkeys: x" },
		"an age file without armor":  func(o *statement.Offer) { o.Wraps[0].Wrap.Age = "age-encryption.org/v1\n" },
		"a larger one than is taken": func(o *statement.Offer) { o.Wraps = large.Wraps },
	} {
		o := goldenOffer(t)
		change(&o)
		if b, err := o.Sign(signer); err == nil {
			t.Errorf("%s: signed %.200q", name, b)
		}
	}
}

// FuzzOffer holds any bytes against the promise that what is read is exactly what was written.
func FuzzOffer(f *testing.F) {
	_, verifierKey := testKey(f, "prod-eu")
	genuine := goldenOffer(f).Text()
	signer, _ := testKey(f, "prod-eu")
	f.Add(golden(f), true)
	f.Add([]byte(genuine), false)
	f.Add([]byte(strings.Replace(genuine, "wrapped-before: ", "x: ", 1)), false)
	f.Fuzz(func(t *testing.T, b []byte, signed bool) {
		if !signed { // the text alone, so that what is behind the signature is tried too
			var err error
			if b, err = note.Sign(&note.Note{Text: string(b)}, signer); err != nil {
				return
			}
		}
		o, err := statement.OpenOffer(b, verifierKey)
		if err != nil {
			return
		}
		if !strings.HasPrefix(string(b), o.Text()+"\n") {
			t.Errorf("%q was read as %q", b, o.Text())
		}
		if signed && o.Text() != genuine {
			t.Errorf("opened %q, which nobody signed", o.Text())
		}
	})
}
