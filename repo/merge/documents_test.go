package merge_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/git"
	"github.com/waxwing-io/waxwing/repo/merge"
)

// byGit merges text with git.
func byGit(t testing.TB) merge.TextMerge {
	return func(base, ours, theirs []byte) ([]byte, bool, error) {
		dir := t.TempDir()
		for name, data := range map[string][]byte{"base": base, "ours": ours, "theirs": theirs} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				return nil, false, err
			}
		}
		m := git.MergeFile{Dir: dir, Base: "base", Ours: "ours", Theirs: "theirs", OursLabel: "ours", TheirsLabel: "theirs", MarkerSize: merge.DefaultMarkerSize}
		merged, conflicts, err := m.Run(t.Context(), os.Environ())
		return merged, conflicts == 0, err
	}
}

const (
	configA = "kind: ConfigMap # a\napiVersion: v1\nmetadata: {name: a}\ndata:\n  one: \"1\"\n  two: \"2\"\n  three: \"3\"\n  four: \"4\"\n"
	configB = "kind: ConfigMap # b\napiVersion: v1\nmetadata: {name: b}\n"
	configC = "kind: ConfigMap # c\napiVersion: v1\nmetadata: {name: c}\n"
)

func join(docs ...string) string { return strings.Join(docs, "---\n") }

func TestDocuments(t *testing.T) {
	w := newWorld(t, 3)
	base := w.object(map[string]int{"a": 0, "b": 0})
	mine, yours := base.clone(), base.clone()
	mine.items["c"], yours.items["d"] = 1, 2
	merged := base.clone()
	merged.items["c"], merged.items["d"] = 1, 2
	rewrapped := base.clone()
	rewrapped.prod[0] = 1
	was, ours, theirs, want := w.sealedYAML(t, base), w.sealedYAML(t, mine), w.sealedYAML(t, yours), w.sealedYAML(t, merged)
	changed := func(old, with string) string { return strings.Replace(configA, old, with, 1) }
	for _, c := range []struct {
		name                     string
		base, ours, theirs, want string // want is empty for a conflict
	}{
		{"another document is changed by theirs", join(configA, was), join(configA, ours), join(changed("\"4\"", "\"5\""), theirs), join(changed("\"4\"", "\"5\""), want)},
		{"another document is changed by both", join(configA, was), join(changed("\"1\"", "\"0\""), ours), join(changed("\"4\"", "\"5\""), theirs),
			join(strings.Replace(changed("\"4\"", "\"5\""), "\"1\"", "\"0\"", 1), want)},
		{"another document is changed differently", join(configA, was), join(changed("\"1\"", "\"0\""), ours), join(changed("\"1\"", "\"5\""), theirs), ""},
		{"documents are added on both sides", was, join(configA, ours), join(theirs, configB), join(configA, want, configB)},
		{"documents are added at one place", was, join(ours, configA), join(theirs, configB), join(want, configB, configA)},
		{"the first is removed by ours", join(configA, was), ours, join(configA, theirs), want},
		{"the first is removed by theirs", join(configA, was), join(configA, ours), theirs, want},
		{"the last is removed by theirs", join(was, configA), join(ours, configA), theirs, want},
		{"a document is added before the first", was, ours, join(configA, theirs), join(configA, want)},
		{"the sealed one is removed and left alone", join(configA, was), configA, join(configA, was, configB), join(configA, configB)},
		{"the sealed one is removed and changed", join(configA, was), configA, join(configA, theirs), ""},
		{"both add the same document", was, join(ours, configB), join(theirs, configB), join(want, configB)},
		{"a document end", was + "...\n" + configA, ours + "...\n" + configA, theirs + "...\n" + configA, want + "...\n" + configA},
		{"no final newline", join(was, strings.TrimSuffix(configA, "\n")), join(ours, strings.TrimSuffix(configA, "\n")),
			join(theirs, configA, configB), join(want, configA, configB)},
		{"no final newline in the middle", was, join(ours, strings.TrimSuffix(configA, "\n")), join(theirs, configB), join(want, configB, strings.TrimSuffix(configA, "\n"))},
		{"the sealed one is removed and rewrapped", join(configA, was), configA, join(configA, w.sealedYAML(t, rewrapped)), configA},
		{"a byte order mark", "\ufeff" + was, "\ufeff" + ours, "\ufeff" + theirs, "\ufeff" + want},
		{"windows lines", crlf(join(configA, was)), crlf(join(configA, ours)), crlf(join(configA, theirs, configB)), crlf(join(configA, want, configB))},
		{"documents without a name, equally many", join("a: 1\n", was, "b: 2\n"), join("a: 1\n", ours, "b: 2\n"), join("a: 2\n", theirs, "b: 2\n"), join("a: 2\n", want, "b: 2\n")},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, _ := mustMergeText(t, c.base, c.ours, c.theirs)
			switch {
			case c.want == "" && len(r.Conflicts) != 1:
				t.Errorf("%d conflicts\n%s", len(r.Conflicts), r.Data)
			case c.want != "" && string(r.Data) != c.want:
				t.Errorf("got\n%s\nwant\n%s", r.Data, c.want)
			}
		})
	}
}

func crlf(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

func mustMergeText(t testing.TB, base, ours, theirs string) (*merge.Result, [2]content) {
	return mustMerge(t, "db.yaml", base, ours, theirs, merge.Options{Text: byGit(t)})
}

func TestRefusedForText(t *testing.T) {
	w := newWorld(t, 1)
	doc := w.yaml(t, w.object(map[string]int{"a": 0}))
	other := strings.Replace(doc, `"db"`, `"other"`, 1)
	for _, c := range []struct {
		name               string
		base, ours, theirs string
		want               error // nil for what manifest says
	}{
		{"nothing sealed", configA, configA, configB, merge.ErrNotSealed},
		{"the word alone", "# GitSecret\n" + configA, "# GitSecret\n" + configA, "# GitSecret\n" + configB, merge.ErrNotSealed},
		{"one identity twice on one side", doc, join(doc, doc), doc, merge.ErrNoMatch},
		{"documents without a name, not equally many", join("a: 1\n", doc), join("a: 1\n", doc, "b: 1\n"), join("a: 1\n", doc, "c: 1\n", "d: 1\n"), merge.ErrNoMatch},
		{"two syntaxes", doc, doc, string(w.json(t, w.object(map[string]int{"a": 0}))), merge.ErrNoMatch},
		{"conflict markers", doc, "<<<<<<< ours\n" + doc + "=======\n" + other + ">>>>>>> theirs\n", doc, nil},
		{"a template", "{{ if .x }}\n" + doc + "{{ end }}\n", "{{ if .x }}\n" + other + "{{ end }}\n", doc, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := merge.Merge("db.yaml", []byte(c.base), []byte(c.ours), []byte(c.theirs), merge.Options{})
			if err == nil || c.want != nil && !errors.Is(err, c.want) {
				t.Errorf("%v, %+v", err, r)
			}
		})
	}
}

func TestComments(t *testing.T) {
	w := newWorld(t, 3)
	base := w.object(map[string]int{"a": 0, "b": 0})
	mine, yours := base.clone(), base.clone()
	mine.items["c"], yours.items["b"] = 1, 2
	was, ours, theirs := w.yaml(t, base), w.yaml(t, mine), w.yaml(t, yours)
	ours = strings.Replace(ours, "  items:\n", "  items: # of ours\n    # why a\n", 1)
	theirs = strings.Replace(theirs, "    b:\n", "    # rotated in November\n    b: # see the wiki\n", 1)
	r, means := mustMergeText(t, was, ours, theirs)
	if len(r.Conflicts) > 0 {
		t.Fatalf("conflicts: %+v", r.Conflicts)
	}
	for _, remark := range []string{"items: # of ours", "    # why a\n", "    # rotated in November\n    b: # see the wiki\n"} {
		if !strings.Contains(string(r.Data), remark) {
			t.Errorf("the comment %q is lost:\n%s", remark, r.Data)
		}
	}
	if got := w.opens(t, means[0]); len(got) != 3 || got["b"] != valueOf(2, "b") {
		t.Errorf("opens to %v", got)
	}
	// Two versions of one comment are a conflict as in any file, around the comment alone.
	ours = strings.Replace(w.yaml(t, mine), "# written for a test", "# by ours", 1)
	theirs = strings.Replace(w.yaml(t, yours), "# written for a test", "# by theirs", 1)
	r, _ = mustMergeText(t, was, ours, theirs)
	if len(r.Conflicts) != 1 || !strings.HasPrefix(string(r.Data), "<<<<<<< ours\n# by ours\n=======\n# by theirs\n>>>>>>> theirs\n") {
		t.Errorf("%+v\n%s", r.Conflicts, r.Data)
	}
}

// signed is an object with a signature.
func (w *world) signed(t *testing.T, o object, key ssh.Signer) object {
	t.Helper()
	doc, err := seal.ParseDocument(w.json(t, o))
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Sign(doc.Annotations, key, rand.Reader); err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(doc.Spec().Signature)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	_ = json.Unmarshal(b, &v)
	s := o.clone()
	s.spec["signature"] = v
	return s
}

func TestSignatures(t *testing.T) {
	w := newWorld(t, 2)
	signer := func() ssh.Signer {
		_, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		s, err := ssh.NewSignerFromKey(private)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	alice, bob := signer(), signer()
	plain := w.object(map[string]int{"a": 0, "b": 0}).clone()
	with := func(o object, change func(*object)) object { o = o.clone(); change(&o); return o }
	base := w.signed(t, plain, alice)
	unsigned := func(o *object) { delete(o.spec, "signature") }
	added := w.signed(t, with(plain, set("c", 1)), bob)
	for _, c := range []struct {
		name               string
		base, ours, theirs object
		keeps, warns       bool
		conflicts          int
	}{
		{"rewraps on both sides", base, with(base, wrap(0, 1)), with(base, wrap(0, 2)), true, false, 0},
		{"a rewrap, and a new value that is signed", base, with(base, wrap(0, 1)), added, true, false, 0},
		{"values on both sides", base, with(base, both(unsigned, set("d", 1))), added, false, true, 0},
		{"a label that no signature covers", base, with(base, meta("labels", map[string]any{"x": "1"})), with(base, wrap(0, 1)), true, false, 0},
		{"an annotation that it covers", base, with(base, meta("annotations", map[string]any{"waxwing.io/x": "1"})), added, false, true, 0},
		{"signed again by both", base, w.signed(t, with(plain, wrap(0, 1)), bob), w.signed(t, with(plain, wrap(0, 2)), signer()), true, false, 1},
		{"taken off by one, and a rewrap", base, with(base, unsigned), with(base, wrap(0, 1)), false, true, 0},
		{"signed by one", plain, base, with(plain, wrap(0, 1)), true, false, 0},
		{"a conflict in an option", base, w.signed(t, with(plain, spec("type", "example.org/x")), bob), with(base, both(unsigned, spec("type", "example.org/z"))), false, true, 1},
		{"a conflict in a value", base, with(base, both(unsigned, set("a", 1))), with(base, both(unsigned, remove("a"))), false, false, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, means := mustMerge(t, "db.yaml", w.yaml(t, c.base), w.yaml(t, c.ours), w.yaml(t, c.theirs), merge.Options{})
			if len(r.Conflicts) != c.conflicts {
				t.Fatalf("conflicts: %+v", r.Conflicts)
			}
			for _, m := range means {
				if got := m.specs[0].Signature != nil; got != c.keeps {
					t.Fatalf("signed: %v", got)
				}
				if !c.keeps {
					continue
				}
				if _, err := m.docOf[0].VerifySignature(m.docOf[0].Annotations); err != nil {
					t.Error(err)
				}
			}
			if warned := strings.Contains(strings.Join(r.Warnings, "\n"), "the signature is dropped"); warned != c.warns {
				t.Errorf("warnings: %q", r.Warnings)
			}
		})
	}
}
