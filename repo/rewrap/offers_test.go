package rewrap_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// keyring is a holder that has rotated from old to now, and offers wraps of an object.
type keyring struct {
	pin    string
	signer note.Signer
	old    seal.Holder
	oldID  seal.Identity
	now    statement.Recipients
	nowID  seal.Identity
	doc    *seal.Document
	text   *manifest.File
	wraps  []rewrap.Wrap
}

func statementKey(t *testing.T) (note.Signer, string) {
	t.Helper()
	signerKey, pin, err := statement.GenerateKey(rand.Reader, "prod")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := statement.NewSigner(signerKey)
	if err != nil {
		t.Fatal(err)
	}
	return signer, pin
}

func rotated(t *testing.T) *keyring {
	t.Helper()
	k := &keyring{}
	k.signer, k.pin = statementKey(t)
	k.old, k.oldID = key(t, "prod")
	now, nowID := key(t, "prod")
	glass, _ := key(t, "glass")
	k.now, k.nowID = statement.Recipients{Holder: "prod", Set: 8, At: time.Now(), Recipients: now.Recipients}, nowID
	k.text = file(t, "x: y\n", object(t, k.old, glass))
	k.doc = parsed(t, rewrap.Sealed(k.text)[0])
	var err error
	if k.wraps, err = rewrap.Make(k.doc.Spec(), now, k.doc.Spec().Stale(now), seal.NewIdentities(k.oldID)); err != nil {
		t.Fatal(err)
	}
	return k
}

// offer is the statement, changed before it is signed.
func (k *keyring) offer(t *testing.T, change func(o *statement.Offer)) []byte {
	t.Helper()
	o := statement.Offer{Holder: "prod", Set: 8, At: time.Now(), Namespace: "prod", Name: "db"}
	for _, w := range k.wraps {
		o.Wraps = append(o.Wraps, statement.OfferedWrap{Envelope: w.Envelope, Commit: w.Commit, Wrap: w.Wrap})
	}
	if change != nil {
		change(&o)
	}
	signed, err := o.Sign(k.signer)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func (k *keyring) offers() *rewrap.Offers {
	return rewrap.NewOffers(map[string][]string{"prod": {k.pin}})
}

// find looks for a wrap of each stale envelope.
func (k *keyring) find(o *rewrap.Offers) ([]rewrap.Wrap, error) {
	var all []rewrap.Wrap
	for _, id := range k.doc.Spec().Stale(k.now.SealHolder()) {
		e := k.doc.Spec().Envelopes[id]
		w, err := o.Find(k.pin, k.now, id, e.Commit, k.doc.Class(), e.Wraps["prod"])
		if err != nil {
			return nil, err
		}
		all = append(all, w)
	}
	return all, nil
}

func TestAnOfferIsPutIntoItsPlace(t *testing.T) {
	k := rotated(t)
	offers := k.offers()
	if err := offers.Add("prod", "db", "prod", k.offer(t, nil)); err != nil {
		t.Fatal(err)
	}
	if err := offers.Add("prod", "db", "other", []byte("of a holder that nobody has pinned")); err != nil {
		t.Errorf("another holder's offer: %v", err)
	}
	wraps, err := k.find(offers)
	if err != nil || len(wraps) != 2 {
		t.Fatalf("%d wraps, %v", len(wraps), err)
	}
	before := k.text.Bytes()
	if n, err := rewrap.Apply([]rewrap.Change{{Doc: rewrap.Sealed(k.text)[0], Reads: k.doc, Wraps: wraps}}); n != 2 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	doc := parsed(t, rewrap.Sealed(k.text)[0])
	if _, err := doc.Open(doc.Target, seal.NewIdentities(k.nowID)); err != nil {
		t.Errorf("with the new key: %v", err)
	}
	if _, err := doc.Open(doc.Target, seal.NewIdentities(k.oldID)); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("with the old key: %v", err)
	}
	if _, err := doc.VerifySignature(nil); err != nil {
		t.Errorf("the signature: %v", err)
	}
	onlyWraps(t, before, k.text.Bytes())
}

// onlyWraps holds that two versions of a file differ in lines below wraps alone, by where they stand.
func onlyWraps(t *testing.T, before, after []byte) {
	t.Helper()
	if a, b := withoutWraps(before), withoutWraps(after); !slices.Equal(a, b) {
		t.Errorf("lines outside of wraps have changed:\n%s\n%s", strings.Join(a, "\n"), strings.Join(b, "\n"))
	}
	if bytes.Equal(before, after) {
		t.Error("nothing has changed")
	}
}

// withoutWraps are the lines of a YAML file that do not stand below a line "wraps:".
func withoutWraps(text []byte) []string {
	var out []string
	inside := -1
	for line := range strings.Lines(string(text)) {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if inside >= 0 && (indent > inside || strings.TrimSpace(line) == "") {
			continue
		}
		if inside = -1; strings.HasPrefix(strings.TrimSpace(line), "wraps:") {
			inside = indent
		}
		out = append(out, line)
	}
	return out
}

func TestWhatIsRefusedAsAnOffer(t *testing.T) {
	k := rotated(t)
	other, _ := statementKey(t)
	good := k.offer(t, nil)
	for name, c := range map[string]struct {
		namespace, name string
		note            []byte
		want            string
	}{
		"of another key":       {"prod", "db", (&keyring{signer: other, wraps: k.wraps}).offer(t, nil), "not signed by the statement key"},
		"changed":              {"prod", "db", bytes.Replace(good, []byte("set: 8"), []byte("set: 9"), 1), "was changed after"},
		"of another object":    {"prod", "web", good, "it was made for prod/db, and copied"},
		"of another namespace": {"dev", "db", good, "it was made for prod/db, and copied"},
		"no note":              {"prod", "db", []byte("wraps, please"), "malformed note"},
		"a note of recipients": {"prod", "db", signedSet(t, k), "not an offer of wraps"},
		"too large":            {"prod", "db", append(bytes.Clone(good), make([]byte, statement.MaxOffer)...), "too large"},
		"not an age file": {"prod", "db", k.offer(t, func(o *statement.Offer) {
			o.Wraps[1].Wrap.Age = strings.ReplaceAll(o.Wraps[1].Wrap.Age, "YWdl", "YWdm")
		}), "is not an age file"},
		"more keys than it has": {"prod", "db", k.offer(t, func(o *statement.Offer) {
			o.Wraps[0].Wrap.Keys = append([]string{strings.Repeat("0", 32)}, o.Wraps[0].Wrap.Keys...)
		}), "stanzas"},
	} {
		offers := k.offers()
		if err := offers.Add(c.namespace, c.name, "prod", c.note); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := k.find(offers); !errors.Is(err, rewrap.ErrNoOffer) {
			t.Errorf("%s: it is there: %v", name, err)
		}
		// The good one beside it counts.
		if err := offers.Add("prod", "db", "prod", good); err != nil {
			t.Errorf("%s: the good one: %v", name, err)
		}
		if wraps, err := k.find(offers); len(wraps) != 2 {
			t.Errorf("%s: beside it: %v", name, err)
		}
	}
}

func signedSet(t *testing.T, k *keyring) []byte {
	t.Helper()
	b, err := k.now.Sign(k.signer)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhyAnOfferDoesNotFit(t *testing.T) {
	k := rotated(t)
	stranger, _ := key(t, "prod")
	hybrid, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	pq, err := seal.ParseRecipient(hybrid.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	s := seal.Sealer{Rand: rand.Reader, Now: time.Now}
	mixed, err := s.Seal(seal.For{Scope: seal.ScopeCluster}, seal.Values{"a": seal.NewValue(nil)}, []seal.Holder{{Name: "prod", Recipients: []seal.Recipient{pq}}})
	if err != nil {
		t.Fatal(err)
	}
	foreign := mixed.Envelopes[mixed.Referenced()[0]].Wraps["prod"]
	strangers, err := rewrap.Make(k.doc.Spec(), stranger, k.doc.Spec().Stale(stranger), seal.NewIdentities(k.oldID))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(o *statement.Offer)
		now    func(r *statement.Recipients)
		want   error
	}{
		"an older set":   {func(o *statement.Offer) { o.Set = 7 }, nil, rewrap.ErrOlderOffer},
		"a newer set":    {func(o *statement.Offer) { o.Set = 9 }, nil, rewrap.ErrNewerOffer},
		"other keys":     {func(o *statement.Offer) { o.Wraps[0].Wrap, o.Wraps[1].Wrap = strangers[0].Wrap, strangers[1].Wrap }, nil, rewrap.ErrOtherKeys},
		"another commit": {func(o *statement.Offer) { o.Wraps[0].Commit, o.Wraps[1].Commit = o.Wraps[1].Commit, o.Wraps[0].Commit }, nil, rewrap.ErrOtherCommit},
		"one of the two": {func(o *statement.Offer) { o.Wraps = o.Wraps[:1] }, nil, rewrap.ErrNoOffer},
		"a part of a set": {nil, func(r *statement.Recipients) {
			r.Recipients = append(slices.Clone(r.Recipients), stranger.Recipients...)
		}, rewrap.ErrOtherKeys},
		"another class": {func(o *statement.Offer) { o.Wraps[0].Wrap = foreign }, func(r *statement.Recipients) { r.Recipients = []seal.Recipient{pq} }, rewrap.ErrOtherClass},
	} {
		changed := *k
		if c.now != nil {
			c.now(&changed.now)
		}
		offers := k.offers()
		if err := offers.Add("prod", "db", "prod", k.offer(t, c.change)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := changed.find(offers); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestKeysThatACopyWasWrappedForAreKept(t *testing.T) {
	k := rotated(t)
	offers := k.offers()
	if err := offers.Add("prod", "db", "prod", k.offer(t, nil)); err != nil {
		t.Fatal(err)
	}
	id := k.wraps[0].Envelope
	e := k.doc.Spec().Envelopes[id]
	old := e.Wraps["prod"]
	early := strings.Repeat("0", 32)
	old.WrappedBefore = []string{early}
	w, err := offers.Find(k.pin, k.now, id, e.Commit, k.doc.Class(), old)
	if want := append([]string{early}, old.Keys...); err != nil || !slices.Equal(w.Wrap.WrappedBefore, want) {
		t.Errorf("%v, %v", w.Wrap.WrappedBefore, err)
	}
	for i := range seal.MaxWrappedBefore {
		old.WrappedBefore = append(old.WrappedBefore, fmt.Sprintf("%032d", i+1))
	}
	if _, err := offers.Find(k.pin, k.now, id, e.Commit, k.doc.Class(), old); !errors.Is(err, rewrap.ErrTooOften) {
		t.Errorf("too many: %v", err)
	}
}

func TestTenThousandForgedOffersHideNone(t *testing.T) {
	k := rotated(t)
	other, _ := statementKey(t)
	forged := (&keyring{signer: other, wraps: k.wraps}).offer(t, nil)
	offers := k.offers()
	for i := range 10_000 {
		if err := offers.Add("prod", fmt.Sprint("db", i), "prod", forged); err == nil {
			t.Fatal("a forged one was taken")
		}
	}
	if err := offers.Add("prod", "db", "prod", k.offer(t, nil)); err != nil {
		t.Fatal(err)
	}
	if wraps, err := k.find(offers); len(wraps) != 2 {
		t.Errorf("%v", err)
	}
}

func TestOnlyLinesBelowWrapsChangeInAnyLayout(t *testing.T) {
	k := rotated(t)
	text := string(k.text.Bytes())
	nested := "apiVersion: v1\nkind: List\nitems:\n  # first\n  - " + strings.TrimPrefix(strings.ReplaceAll(text, "\n", "\n    "), "    ")
	for name, layout := range map[string]string{
		"as it is":          text,
		"CR LF":             strings.ReplaceAll(text, "\n", "\r\n"),
		"no last break":     strings.TrimRight(text, "\n"),
		"wide":              wider(text),
		"comments":          strings.ReplaceAll(text, "wraps:\n", "wraps: # who can open\n"),
		"among others":      "# one\nkind: ConfigMap\n---\n" + text + "---\n# another\n" + text + "...\n",
		"an item":           nested,
		"quoted":            strings.ReplaceAll(text, "\"", "'"),
		"a byte order mark": "\ufeff" + text,
		"an anchor":         strings.ReplaceAll(text, "kind: GitSecret", "kind: &k GitSecret"),
		"kept line breaks":  strings.ReplaceAll(text, "|\n", "|+\n"),
		"not in ASCII":      strings.ReplaceAll(text, "wraps:\n", "wraps: # wer öffnen kann\n"),
		"a blank line more": strings.ReplaceAll(text, "-----END AGE ENCRYPTED FILE-----\n", "-----END AGE ENCRYPTED FILE-----\n\n"),
	} {
		f, err := manifest.Parse("f", []byte(layout))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var changes []rewrap.Change
		for _, d := range rewrap.Sealed(f) {
			changes = append(changes, rewrap.Change{Doc: d, Reads: parsed(t, d), Wraps: k.wraps})
		}
		if n, err := rewrap.Apply(changes); n == 0 || err != nil {
			t.Errorf("%s: %d, %v", name, n, err)
		}
		onlyWraps(t, []byte(layout), f.Bytes())
		k.readsAsWanted(t, name, f, changes)
	}
}

// readsAsWanted holds a file after its changes, parsed anew, against what each object was with the new wraps in it, and against what the file's own documents say of themselves.
func (k *keyring) readsAsWanted(t *testing.T, name string, f *manifest.File, changes []rewrap.Change) {
	t.Helper()
	again, err := manifest.Parse("f", f.Bytes())
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	docs := rewrap.Sealed(again)
	if len(docs) != len(changes) {
		t.Fatalf("%s: %d objects", name, len(docs))
	}
	for i, c := range changes {
		want := c.Reads.Spec().DeepCopy()
		for _, w := range k.wraps {
			want.Envelopes[w.Envelope].Wraps[w.Holder] = w.Wrap
		}
		if got := parsed(t, docs[i]).Spec(); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: object %d is %+v", name, i, got)
		}
		mine, err1 := c.Doc.JSON()
		anew, err2 := docs[i].JSON()
		if err1 != nil || err2 != nil || !bytes.Equal(mine, anew) {
			t.Errorf("%s: object %d is said to be other than it reads: %v, %v", name, i, err1, err2)
		}
	}
}

// wider doubles the indentation of a YAML file.
func wider(text string) string {
	var out strings.Builder
	for line := range strings.Lines(text) {
		out.WriteString(line[:len(line)-len(strings.TrimLeft(line, " "))] + line)
	}
	return out.String()
}

func TestCopiesInOneFileAreNoConflict(t *testing.T) {
	k := rotated(t)
	b, err := rewrap.Sealed(k.text)[0].JSON()
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{json.RawMessage(b), json.RawMessage(b)}}
	f := file(t, "x: y\n", list)
	var changes []rewrap.Change
	for _, d := range rewrap.Sealed(f) {
		changes = append(changes, rewrap.Change{Doc: d, Reads: k.doc, Wraps: k.wraps})
	}
	before := f.Bytes()
	if n, err := rewrap.Apply(changes); n != 4 || err != nil {
		t.Fatalf("%d, %v", n, err)
	}
	onlyWraps(t, before, f.Bytes())
	if n, err := rewrap.Replace(rewrap.Sealed(f), append(slices.Clone(k.wraps), k.wraps...)); n != 4 || err != nil {
		t.Errorf("the same twice: %d, %v", n, err)
	}
}
