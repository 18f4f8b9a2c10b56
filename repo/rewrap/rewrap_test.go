package rewrap_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// key is a private key with the holder that it makes.
func key(t *testing.T, holder string) (seal.Holder, seal.Identity) {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return seal.Holder{Name: holder, Recipients: []seal.Recipient{r}}, seal.NewIdentity(r.String(), id)
}

// object is a signed GitSecret with two envelopes, as JSON.
func object(t *testing.T, holders ...seal.Holder) map[string]any {
	t.Helper()
	s := seal.Sealer{Rand: rand.Reader, Now: time.Now}
	spec, err := s.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, holders)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Put(spec, seal.Values{"b": seal.NewValue([]byte("canary-not-a-secret"))}, holders); err != nil {
		t.Fatal(err)
	}
	checked, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	if err := checked.Sign(nil, signer, rand.Reader); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]string{"name": "db", "namespace": "prod"}, "spec": spec}
}

// file writes a value into a file, in the syntax that before is in.
func file(t *testing.T, before string, v any) *manifest.File {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	f, err := manifest.Parse("f", []byte(before))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Docs()[len(f.Docs())-1].Replace(b); err != nil {
		t.Fatal(err)
	}
	return f
}

func parsed(t *testing.T, d *manifest.Doc) *seal.Document {
	t.Helper()
	b, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func TestOneHoldersWrapsAreReplacedAndNothingElse(t *testing.T) {
	old, oldID := key(t, "prod")
	glass, glassID := key(t, "glass")
	now, nowID := key(t, "prod")
	obj := object(t, old, glass)
	list := map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{obj, map[string]any{"apiVersion": "v1", "kind": "List", "items": []any{obj}}}}
	for name, f := range map[string]*manifest.File{
		"YAML": file(t, "# first\nkind: Other # one\n---\nx: y\n", obj), "JSON": file(t, "{\n  \"a\": 1\n}\n", obj),
		"a list": file(t, "x: y\n", list), "a list in JSON": file(t, "{\n  \"a\": 1\n}\n", list),
	} {
		before := f.Bytes()
		docs := rewrap.Sealed(f)
		spec := parsed(t, docs[0]).Spec()
		stale := spec.Stale(now)
		if len(stale) != 2 || len(spec.Stale(old)) != 0 {
			t.Fatalf("%s: stale are %v", name, stale)
		}
		wraps, err := rewrap.Make(spec, now, stale, seal.NewIdentities(glassID))
		if err != nil {
			t.Fatal(err)
		}
		n, err := rewrap.Replace(docs, wraps)
		if err != nil || n != 2*len(docs) {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		again, err := manifest.Parse("f", f.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range rewrap.Sealed(again) {
			doc := parsed(t, d)
			if _, err := doc.VerifySignature(nil); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if _, err := doc.Open(doc.Target, seal.NewIdentities(nowID)); err != nil {
				t.Errorf("%s: with the new key: %v", name, err)
			}
			if _, err := doc.Open(doc.Target, seal.NewIdentities(oldID)); !errors.Is(err, seal.ErrNoKey) {
				t.Errorf("%s: with the old key: %v", name, err)
			}
			if len(doc.Spec().Stale(now)) != 0 {
				t.Errorf("%s: still stale", name)
			}
		}
		kept := lines(before)
		for line := range lines(f.Bytes()) {
			delete(kept, line)
		}
		for line := range kept {
			if text := strings.Trim(line, " \t-,\"[]"); !strings.HasPrefix(text, "age\": ") && len(text) != seal.KeyIDSize && !isArmor(text) {
				t.Errorf("%s: the line %.100q is gone", name, line)
			}
		}
	}
}

func lines(b []byte) map[string]bool {
	set := map[string]bool{}
	for _, line := range slices.Collect(bytes.Lines(b)) {
		set[strings.TrimRight(string(line), "\n")] = true
	}
	return set
}

// isArmor says whether a line is one of an age file's.
func isArmor(line string) bool {
	return len(line) <= 64 && !strings.ContainsAny(line, " :")
}

func TestOnlyTheEnvelopeOfThatIDAndCommitIsTouched(t *testing.T) {
	old, oldID := key(t, "prod")
	now, _ := key(t, "prod")
	f := file(t, "x: y\n", object(t, old))
	docs := rewrap.Sealed(f)
	spec := parsed(t, docs[0]).Spec()
	wraps, err := rewrap.Make(spec, now, spec.Stale(now)[:1], seal.NewIdentities(oldID))
	if err != nil || len(wraps) != 1 {
		t.Fatalf("%v, %v", wraps, err)
	}
	before := f.Bytes()
	for name, change := range map[string]func(*rewrap.Wrap){
		"another commit":   func(w *rewrap.Wrap) { w.Commit = spec.Envelopes[spec.Stale(now)[1]].Commit },
		"another envelope": func(w *rewrap.Wrap) { w.Envelope = spec.Stale(now)[1] },
		"another holder":   func(w *rewrap.Wrap) { w.Holder = "glass" },
	} {
		w := wraps[0]
		change(&w)
		if n, err := rewrap.Replace(docs, []rewrap.Wrap{w}); n != 0 || err != nil || !bytes.Equal(f.Bytes(), before) {
			t.Errorf("%s: %d, %v", name, n, err)
		}
	}
	bad := wraps[0]
	bad.Wrap.Age = "not an age file"
	if _, err := rewrap.Replace(docs, []rewrap.Wrap{bad}); err == nil || !strings.Contains(err.Error(), "with its new wraps") {
		t.Errorf("a broken wrap: %v", err)
	}
}

func TestMakeNeedsAKeyForItsOwnEnvelopesOnly(t *testing.T) {
	old, oldID := key(t, "prod")
	now, nowID := key(t, "prod")
	f := file(t, "x: y\n", object(t, old))
	spec := parsed(t, rewrap.Sealed(f)[0]).Spec()
	stale := spec.Stale(now)
	first, err := rewrap.Make(spec, now, stale[:1], seal.NewIdentities(oldID))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rewrap.Replace(rewrap.Sealed(f), first); err != nil {
		t.Fatal(err)
	}
	mixed := parsed(t, rewrap.Sealed(f)[0]).Spec()
	if got := mixed.Stale(now); !slices.Equal(got, stale[1:]) {
		t.Fatalf("stale are %v", got)
	}
	if _, err := rewrap.Make(mixed, now, stale[1:], seal.NewIdentities(oldID)); err != nil {
		t.Errorf("the other envelope was asked for: %v", err)
	}
	if _, err := rewrap.Make(mixed, now, stale[1:], seal.NewIdentities(nowID)); !errors.Is(err, seal.ErrNoKey) {
		t.Errorf("the error is %v", err)
	}
}

func TestAWrapIsPutIntoNoOtherObject(t *testing.T) {
	k, other := rotated(t), rotated(t)
	before := other.text.Bytes()
	for name, c := range map[string]rewrap.Change{
		"of another text":   {Doc: rewrap.Sealed(other.text)[0], Reads: k.doc, Wraps: k.wraps},
		"of another object": {Doc: rewrap.Sealed(other.text)[0], Reads: other.doc, Wraps: k.wraps},
	} {
		if _, err := rewrap.Apply([]rewrap.Change{c}); err == nil || !bytes.Equal(other.text.Bytes(), before) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
