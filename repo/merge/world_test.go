package merge_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/merge"
)

// names are the items that every block has.
var names = []string{"a", "b", "c", "d"}

// block is one sealing operation over all names, with the wraps that its holder prod went through:
// 0 as sealed, 1 rewrapped, 2 rewrapped again from 1, 3 rewrapped from 0 to other keys than 1, 4 rewrapped from 0 to the keys of 1 by somebody else.
type block struct {
	id    string
	items map[string]seal.Item
	first seal.Envelope
	prod  [5]seal.Wrap
}

// world is what objects are built of: a few envelopes, really sealed, once.
type world struct {
	blocks []block
	keys   seal.Identities
	scope  seal.For
}

func recipient(t testing.TB, keys seal.Identities) seal.Recipient {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := seal.ParseIdentity(id.String())
	if err != nil {
		t.Fatal(err)
	}
	maps.Copy(keys, seal.NewIdentities(parsed))
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func newWorld(t testing.TB, n int) *world {
	t.Helper()
	w := &world{keys: seal.Identities{}, scope: seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}}
	holder := func(name string) seal.Holder {
		return seal.Holder{Name: name, Recipients: []seal.Recipient{recipient(t, w.keys)}}
	}
	start, glass := holder("prod"), holder("glass")
	first, second, other := holder("prod"), holder("prod"), holder("prod")
	for i := range n {
		at := time.Date(2026, 11, 1, i, 0, 0, 0, time.UTC)
		values, holders := seal.Values{}, []seal.Holder{start}
		if i == 0 {
			holders = append(holders, glass)
		}
		for _, name := range names {
			values[name] = seal.NewValue([]byte(valueOf(i, name)))
		}
		spec, err := seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return at }}.Seal(w.scope, values, holders)
		if err != nil {
			t.Fatal(err)
		}
		b := block{items: spec.Items}
		for id, e := range spec.Envelopes {
			b.id, b.first = id, e
		}
		b.prod[0] = b.first.Wraps["prod"]
		b.prod[1] = w.rewrap(t, spec, b.id, b.prod[0], first)
		b.prod[2] = w.rewrap(t, spec, b.id, b.prod[1], second)
		b.prod[3] = w.rewrap(t, spec, b.id, b.prod[0], other)
		b.prod[4] = w.rewrap(t, spec, b.id, b.prod[0], first)
		w.blocks = append(w.blocks, b)
	}
	return w
}

// valueOf is the plaintext of an item of a block.
func valueOf(block int, name string) string { return fmt.Sprintf("%s of block %d", name, block) }

func (w *world) rewrap(t testing.TB, spec *seal.Spec, id string, from seal.Wrap, to seal.Holder) seal.Wrap {
	t.Helper()
	e := spec.Envelopes[id]
	e.Wraps = maps.Clone(e.Wraps)
	e.Wraps["prod"] = from
	next := *spec
	next.Envelopes = map[string]seal.Envelope{id: e}
	if _, err := seal.Rewrap(&next, to, w.keys); err != nil {
		t.Fatal(err)
	}
	return next.Envelopes[id].Wraps["prod"]
}

// object is a GitSecret to be written. Items name blocks; prod and glass are the wraps of blocks that are not as sealed.
type object struct {
	items   map[string]int
	prod    map[int]int  // block -> which of its wraps; -1 for none
	noGlass map[int]bool // block -> without the wrap of glass
	meta    map[string]any
	spec    map[string]any
}

func (w *world) object(items map[string]int) object { return object{items: items} }

func (o object) clone() object {
	c := object{items: maps.Clone(o.items), prod: maps.Clone(o.prod), noGlass: maps.Clone(o.noGlass), meta: map[string]any{}, spec: map[string]any{}}
	for _, m := range []struct{ dst, src map[string]any }{{c.meta, o.meta}, {c.spec, o.spec}} {
		b, _ := json.Marshal(m.src)
		_ = json.Unmarshal(b, &m.dst)
	}
	for _, m := range []*map[int]int{&c.prod} {
		if *m == nil {
			*m = map[int]int{}
		}
	}
	if c.noGlass == nil {
		c.noGlass = map[int]bool{}
	}
	return c
}

// json is the object as JSON.
func (w *world) json(t testing.TB, o object) []byte {
	t.Helper()
	items, envelopes := map[string]seal.Item{}, map[string]seal.Envelope{}
	for name, i := range o.items {
		b := w.blocks[i]
		items[name] = b.items[name]
		e := b.first
		e.Wraps = maps.Clone(e.Wraps)
		switch which := o.prod[i]; which {
		case -1:
			delete(e.Wraps, "prod")
		default:
			e.Wraps["prod"] = b.prod[which]
		}
		if o.noGlass[i] {
			delete(e.Wraps, "glass")
		}
		envelopes[b.id] = e
	}
	spec := map[string]any{"format": 1, "for": w.scope, "items": items, "envelopes": envelopes}
	maps.Copy(spec, o.spec)
	meta := map[string]any{"name": "db", "namespace": "prod"}
	maps.Copy(meta, o.meta)
	b, err := json.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": meta, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sealedYAML is the object as YAML, exactly as seal writes it.
func (w *world) sealedYAML(t testing.TB, o object) string {
	t.Helper()
	f, err := manifest.Parse("new.yaml", []byte("# written for a test\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Docs()[0].Replace(w.json(t, o)); err != nil {
		t.Fatal(err)
	}
	return string(f.Bytes())
}

// yaml is the object as YAML, about as seal writes it, in a fraction of the time.
func (w *world) yaml(t testing.TB, o object) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(w.json(t, o), &v); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	b.WriteString("# written for a test\n")
	writeYAML(&b, "", v.(map[string]any))
	return b.String()
}

func writeYAML(b *strings.Builder, indent string, m map[string]any) {
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(b, "%s%s:", indent, name)
		switch v := m[name].(type) {
		case map[string]any:
			if len(v) == 0 {
				b.WriteString(" {}\n")
				continue
			}
			b.WriteByte('\n')
			writeYAML(b, indent+"  ", v)
		case string:
			if !strings.Contains(v, "\n") {
				fmt.Fprintf(b, " %q\n", v)
				continue
			}
			b.WriteString(" |\n")
			for line := range strings.Lines(v) {
				b.WriteString(indent + "  " + line)
			}
		default:
			text, _ := json.Marshal(v)
			fmt.Fprintf(b, " %s\n", text)
		}
	}
}

// choose resolves every conflict in a text for one side.
func choose(text string, theirs bool) string {
	var out strings.Builder
	in := 0
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "<<<<<<< "):
			in = 1
		case in == 1 && strings.TrimRight(line, "\r\n") == "=======":
			in = 2
		case in == 2 && strings.HasPrefix(line, ">>>>>>> "):
			in = 0
		case in == 0, in == 1 && !theirs, in == 2 && theirs:
			out.WriteString(line)
		}
	}
	return out.String()
}

// content is what a file means: its documents as canonical JSON, sorted, and for its only GitSecret the opened spec.
type content struct {
	docs  []string
	specs []*seal.Spec
	docOf []*seal.Document
}

func read(t testing.TB, name string, data []byte) content {
	t.Helper()
	f, err := manifest.Parse(name, data)
	if err != nil {
		t.Fatalf("the result does not parse: %v\n%s", err, data)
	}
	var c content
	for _, d := range f.Docs() {
		if d.Empty() {
			continue
		}
		b, err := d.JSON()
		if err != nil {
			t.Fatal(err)
		}
		var v any
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		b, _ = json.Marshal(v)
		c.docs = append(c.docs, string(b))
		if d.Kind() != seal.Kind {
			continue
		}
		doc, err := seal.ParseDocument(b)
		if err != nil {
			t.Fatalf("the result is not sound: %v\n%s", err, data)
		}
		c.specs, c.docOf = append(c.specs, doc.Spec()), append(c.docOf, doc)
	}
	slices.Sort(c.docs)
	return c
}

// opens says what the items of the only GitSecret open to.
func (w *world) opens(t testing.TB, c content) map[string]string {
	t.Helper()
	opened, err := c.docOf[0].Open(c.docOf[0].Target, w.keys)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for name, v := range opened.Values {
		values[name] = string(v.Bytes())
	}
	return values
}

// mustMerge merges both ways round and checks what always holds; it gives the result, and what each
// choice in its conflicts means.
func mustMerge(t testing.TB, name, base, ours, theirs string, o merge.Options) (*merge.Result, [2]content) {
	t.Helper()
	r, err := merge.Merge(name, []byte(base), []byte(ours), []byte(theirs), o)
	if err != nil {
		t.Fatal(err)
	}
	other, err := merge.Merge(name, []byte(base), []byte(theirs), []byte(ours), o)
	if err != nil {
		t.Fatal(err)
	}
	var both [2]content
	for i, theirs := range []bool{false, true} {
		if i == 1 && len(r.Conflicts) == 0 {
			both[1] = both[0]
			continue
		}
		mine, yours := read(t, name, []byte(choose(string(r.Data), theirs))), read(t, name, []byte(choose(string(other.Data), !theirs)))
		if !slices.Equal(mine.docs, yours.docs) {
			t.Fatalf("the two directions differ (theirs: %v):\n%s\n%s", theirs, strings.Join(mine.docs, "\n"), strings.Join(yours.docs, "\n"))
		}
		both[i] = mine
	}
	if len(r.Conflicts) != len(other.Conflicts) {
		t.Fatalf("%d conflicts one way, %d the other", len(r.Conflicts), len(other.Conflicts))
	}
	if got := bytes.Count(r.Data, []byte("<<<<<<< ")); got != len(r.Conflicts) {
		t.Fatalf("%d conflicts are told, %d shown:\n%s", len(r.Conflicts), got, r.Data)
	}
	return r, both
}
