package seal_test

import (
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

// hostileDocument is a document of nearly 1.5 MiB that makes work.
type hostileDocument struct {
	doc  []byte
	want string
}

func hostileDocuments(t testing.TB, p party) map[string]hostileDocument {
	t.Helper()
	spec := mustSeal(t, strictDB, values("x", "y"), holder("prod", p))
	doc := forge.Document(spec, prodDB)
	text := string(doc.Set("", "metadata", "annotations", "a").JSON())
	// fill puts members behind the place, as many as there is room for.
	fill := func(place string, member func(i int) string) []byte {
		head, tail, found := strings.Cut(text, place)
		if !found {
			t.Fatalf("%s is not there", place)
		}
		var b strings.Builder
		for i := 0; b.Len()+len(text)+2048 < seal.MaxDocument; i++ {
			b.WriteString(member(i))
		}
		return []byte(head + place + b.String() + tail)
	}
	envelope := spec.Envelopes[spec.Items["x"].Envelope]
	wrap := strings.TrimSuffix(strings.TrimPrefix(string(forge.Tree{"w": envelope.Wraps["prod"]}.JSON()), `{"w":`), "}")
	item := strings.TrimSuffix(strings.TrimPrefix(string(forge.Tree{"i": spec.Items["x"]}.JSON()), `{"i":`), "}")
	sealedAt := fmt.Sprintf(`"sealedAt":%q,"commit":%q`, envelope.SealedAt, envelope.Commit)
	id := spec.Items["x"].Envelope[:10]
	const symbols = "0123456789abcdefghjkmnpqrstvwxyz"
	number := func(i int) string {
		return strings.Repeat("0", 13) + string([]byte{symbols[i>>10&31], symbols[i>>5&31], symbols[i&31]})
	}
	return map[string]hostileDocument{
		"envelopes that nobody names": {fill(`"envelopes":{`, func(i int) string {
			return fmt.Sprintf(`"%s%s":{%s,"wraps":{"prod":%s}},`, id, number(i), sealedAt, wrap)
		}), "ok"},
		"items of one envelope":   {fill(`"items":{`, func(i int) string { return fmt.Sprintf(`"i%d":%s,`, i, item) }), "InvalidFormat"},
		"wraps of one envelope":   {fill(`"wraps":{`, func(i int) string { return fmt.Sprintf(`"h%d":%s,`, i, wrap) }), "InvalidFormat"},
		"key ids":                 {fill(`"keys":[`, func(i int) string { return fmt.Sprintf(`"%032x",`, i) }), "InvalidFormat"},
		"members without content": {fill(`"annotations":{`, func(i int) string { return fmt.Sprintf(`"%d":"",`, i) }), "ok"},
		"null members":            {fill(`"spec":{`, func(i int) string { return fmt.Sprintf(`"%d":null,`, i) }), "ok"},
		"empty objects":           {fill(`"metadata":{`, func(i int) string { return fmt.Sprintf(`"%d":{},`, i) }), "ok"},
		"a list of empty objects": {fill(`"metadata":{`, func(i int) string { return map[bool]string{true: `"l":[{}`, false: `,{}`}[i == 0] }), "InvalidFormat"},
		"one long string":         {fill(`"annotations":{"a":"`, func(int) string { return strings.Repeat(`\u00e4`, 100) }), "ok"},
		"escapes before the end":  {fill(`"annotations":{"a":"`, func(int) string { return `\\` }), "ok"},
		"one long armor":          {fill(`-----BEGIN AGE ENCRYPTED FILE-----\n`, func(int) string { return strings.Repeat("A", 64) + `\n` }), "InvalidFormat"},
		"one long name":           {fill(`"items":{"`, func(int) string { return "x" }), "InvalidFormat"},
		"one long target":         {fill(`"metadata":{"annotations":{"a":""},"name":"`, func(int) string { return `\u001b[31m` }), "ScopeMismatch"},
	}
}

func TestHostileDocumentsHaveTheirOutcome(t *testing.T) {
	p := classical(t)
	for name, d := range hostileDocuments(t, p) {
		if len(d.doc) > seal.MaxDocument || len(d.doc) < seal.MaxDocument-4096 {
			t.Errorf("%s: %d bytes", name, len(d.doc))
		}
		_, err := openDocument(d.doc, keysOf(p), false)
		if seal.Outcome(err) != d.want {
			t.Errorf("%s: %q (%v), want %q", name, seal.Outcome(err), err, d.want)
		}
		if err != nil {
			wantPlainError(t, name, err)
		}
	}
}

// wantPlainError holds an error against what every error of the package keeps: it is short, and nothing in it acts on a terminal or a log.
func wantPlainError(t *testing.T, name string, err error) {
	t.Helper()
	text := err.Error()
	if len(text) > 1000 {
		t.Errorf("%s: the error has %d bytes: %s…", name, len(text), text[:200])
	}
	if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
		t.Errorf("%s: the error carries what does not print: %q", name, text)
	}
}

func TestErrorsOfTheVectorsCarryNothing(t *testing.T) {
	for _, f := range readVectors(t) {
		for _, v := range f.Vectors {
			_, err := openDocument(v.bytes(), v.keys(t), v.RequireSignature)
			if err == nil {
				continue
			}
			wantPlainError(t, v.Description, err)
			wantNoCanary(t, v.Description, err.Error())
			for _, id := range v.Identities {
				if strings.Contains(err.Error(), id[20:40]) {
					t.Errorf("%s: the error quotes a private key", v.Description)
				}
			}
		}
	}
}

func TestNamesInErrorsAreShortAndPlain(t *testing.T) {
	p := classical(t)
	spec := mustSeal(t, strictDB, values("x", "y"), holder("prod", p))
	doc := forge.Document(spec, prodDB)
	envelope := []string{"spec", "envelopes", spec.Items["x"].Envelope}
	for _, name := range []string{"\x1b[2J", "a\nspec.items: looks sound", strings.Repeat("n", 100_000), strings.Repeat("ü", 1000), "\u202egnp", "\x00", "a b", `a"b`, ""} {
		for place, bent := range map[string]forge.Tree{
			"an unknown member":        doc.Set("x", "spec", name),
			"an unknown member inside": doc.Set("x", "spec", "items", "x", name),
			"an item":                  doc.Set(doc.Get("spec", "items", "x"), "spec", "items", name),
			"an item that is none":     doc.Set(1, "spec", "items", name),
			"an envelope":              doc.Set(doc.Get(envelope...), "spec", "envelopes", name),
			"a holder":                 doc.Set(doc.Get("spec", "envelopes", envelope[2], "wraps", "prod"), "spec", "envelopes", envelope[2], "wraps", name),
			"a label":                  doc.Set(1, "spec", "template", "metadata", "labels", name),
			"the target's name":        doc.Set(name, "metadata", "name"),
			"the target's namespace":   doc.Set(name, "metadata", "namespace"),
			"the place":                doc.Set(name, "spec", "for", "scope"),
			"the kind":                 doc.Set(name, "kind"),
		} {
			_, err := openDocument(bent.JSON(), keysOf(p), false)
			if err == nil {
				t.Errorf("%s called %.20q opens", place, name)
				continue
			}
			wantPlainError(t, place, err)
		}
		twice := strings.Replace(string(doc.Set("PLACE", "status").JSON()), `"PLACE"`, fmt.Sprintf(`{%s:1,%s:1}`, quote(name), quote(name)), 1)
		_, err := openDocument([]byte(twice), keysOf(p), false)
		if seal.Outcome(err) != "InvalidFormat" || !strings.Contains(err.Error(), "twice") {
			t.Errorf("%.20q twice: %v", name, err)
		}
		wantPlainError(t, "a name twice", err)
		wantPlainError(t, "remove", seal.Remove(spec, name))
		wantPlainError(t, "a holder's name", sealer().Put(spec, values("z", ""), []seal.Holder{holder(name, p)}))
		wantPlainError(t, "an item's name", seal.CheckItemName(name))
	}
}

func quote(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(string(forge.Tree{"q": s}.JSON()), `{"q":`), "}")
}
