package change_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/change"
)

// made is a GitSecret in short: "item@envelope=ciphertext" for each item, "envelope/holder=key,key" for each wrap, with "!" and another age file after it.
// Its ciphertexts are no ciphertexts, since nothing opens them.
type made struct {
	name, sealed, signer string
	more                 map[string]any // members of spec
	labels               map[string]string
}

func (m made) object(t *testing.T) change.Object {
	t.Helper()
	items, envelopes := map[string]any{}, map[string]any{}
	for _, word := range strings.Fields(m.sealed) {
		left, right, _ := strings.Cut(word, "=")
		if name, envelope, ok := strings.Cut(left, "@"); ok {
			items[name] = map[string]string{"envelope": envelope, "value": right}
			continue
		}
		id, holder, _ := strings.Cut(left, "/")
		if envelopes[id] == nil {
			envelopes[id] = map[string]any{"sealedAt": "at-" + id, "commit": "of-" + id, "wraps": map[string]any{}}
		}
		keys, file, _ := strings.Cut(right, "!")
		envelopes[id].(map[string]any)["wraps"].(map[string]any)[holder] = map[string]any{"keys": strings.Split(keys, ","), "age": right + file}
	}
	spec := map[string]any{"format": 1, "for": map[string]string{"scope": "strict", "namespace": "prod", "name": m.name}, "items": items, "envelopes": envelopes}
	if m.signer != "" {
		spec["signature"] = map[string]string{"signer": m.signer, "sshsig": m.sealed + m.signer}
	}
	for k, v := range m.more {
		spec[k] = v
	}
	doc, err := json.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "spec": spec,
		"metadata": map[string]any{"name": m.name, "namespace": "prod", "labels": m.labels}})
	if err != nil {
		t.Fatal(err)
	}
	return change.Read(doc)
}

func objects(t *testing.T, all []made) []change.Object {
	t.Helper()
	var out []change.Object
	for _, m := range all {
		out = append(out, m.object(t))
	}
	return out
}

func mark(k change.Kind) string {
	return map[change.Kind]string{change.Added: "+", change.Changed: "~", change.Removed: "-"}[k]
}

// tell writes differences in short.
func tell(all []change.Difference) string {
	var out []string
	for _, d := range all {
		words := []string{mark(d.Change) + d.Name}
		for _, i := range d.Items {
			word := mark(i.Change) + i.Name
			for _, s := range []*change.Sealing{i.Old, i.New} {
				if s != nil {
					word += "@" + s.Envelope
				}
			}
			words = append(words, word)
		}
		for _, name := range d.Unchanged {
			words = append(words, "="+name)
		}
		for _, w := range d.Wraps {
			words = append(words, fmt.Sprintf("%s%s[%s>%s %s: %s]", mark(w.Change), w.Holder, strings.Join(w.Old, ","), strings.Join(w.New, ","),
				strings.Join(w.Envelopes, ","), strings.Join(w.Items, ",")))
		}
		for _, f := range d.Fields {
			words = append(words, mark(f.Change)+f.Path+"("+f.Old+">"+f.New+")")
		}
		if s := d.Signature; s != nil {
			words = append(words, mark(s.Change)+"signed("+s.Old+">"+s.New+")")
		}
		out = append(out, strings.Join(words, " "))
	}
	return strings.Join(out, "\n")
}

func TestBetween(t *testing.T) {
	const base = "a@e1=1 b@e1=2 e1/prod=k1"
	one := func(sealed string) []made { return []made{{name: "db", sealed: sealed}} }
	with := func(more map[string]any) []made { return []made{{name: "db", sealed: base, more: more}} }
	cases := map[string]struct {
		before, after []made
		want          string
	}{
		"the same":                      {one(base), one(base), ""},
		"no file before":                {nil, one(base), "+db +a@e1 +b@e1"},
		"no file after":                 {one(base), nil, "-db -a@e1 -b@e1"},
		"an item added":                 {one(base), one(base + " c@e2=3 e2/prod=k1"), "~db +c@e2 =a =b"},
		"an item changed":               {one(base), one("a@e2=9 b@e1=2 e1/prod=k1 e2/prod=k1"), "~db ~a@e1@e2 =b"},
		"an item changed in place":      {one(base), one("a@e1=9 b@e1=2 e1/prod=k1"), "~db ~a@e1@e1 =b"},
		"an item removed":               {one(base), one("b@e1=2 e1/prod=k1"), "~db -a@e1 =b"},
		"rewrapped":                     {one(base), one("a@e1=1 b@e1=2 e1/prod=k2"), "~db =a =b ~prod[k1>k2 e1: a,b]"},
		"two envelopes, one rewrap":     {one(base + " c@e2=3 e2/prod=k1"), one("a@e1=1 b@e1=2 c@e2=3 e1/prod=k2 e2/prod=k2"), "~db =a =b =c ~prod[k1>k2 e1,e2: a,b,c]"},
		"wrapped again for the same":    {one(base), one("a@e1=1 b@e1=2 e1/prod=k1!again"), "~db =a =b ~prod[k1>k1 e1: a,b]"},
		"a holder added":                {one(base), one(base + " e1/other=k7"), "~db =a =b +other[>k7 e1: a,b]"},
		"a holder removed":              {one(base + " e1/other=k7"), one(base), "~db =a =b -other[k7> e1: a,b]"},
		"an envelope that nobody names": {one(base), one(base + " e9/prod=k1"), "~db =a =b +spec.envelopes.e9(>)"},
		"another object beside it":      {one(base), append(one(base), made{name: "web", sealed: base}), "+web +a@e1 +b@e1"},
		"objects in another order": {append(one(base), made{name: "web", sealed: base}),
			append([]made{{name: "web", sealed: base}}, one(base)...), ""},
		"two of one name":    {append(one(base), one(base)...), append(one(base), one("a@e1=1 e1/prod=k1")...), "~db -b@e1 =a"},
		"a type":             {with(nil), with(map[string]any{"type": "kubernetes.io/tls"}), "~db =a =b +spec.type(>kubernetes.io/tls)"},
		"suspended":          {with(nil), with(map[string]any{"suspend": true}), "~db =a =b +spec.suspend(false>true)"},
		"the scope":          {with(nil), with(map[string]any{"for": map[string]string{"scope": "cluster"}}), "~db =a =b ~spec.for(strict prod/db>cluster)"},
		"an unknown member":  {with(nil), with(map[string]any{"odd": []int{1}}), "~db =a =b +spec.odd(>)"},
		"a template":         {with(map[string]any{"template": map[string]any{"data": map[string]string{"x.conf": "1"}}}), with(map[string]any{"template": map[string]any{"data": map[string]string{"x.conf": "2"}}}), "~db =a =b ~spec.template.data.x.conf(>)"},
		"a label":            {[]made{{name: "db", sealed: base, labels: map[string]string{"app": "x"}}}, []made{{name: "db", sealed: base, labels: map[string]string{"app": "y"}}}, "~db =a =b ~metadata.labels.app(>)"},
		"signed":             {one(base), []made{{name: "db", sealed: base, signer: "S1"}}, "~db =a =b +signed(>S1)"},
		"not signed anymore": {[]made{{name: "db", sealed: base, signer: "S1"}}, one(base), "~db =a =b -signed(S1>)"},
		"another signer":     {[]made{{name: "db", sealed: base, signer: "S1"}}, []made{{name: "db", sealed: base, signer: "S2"}}, "~db =a =b ~signed(S1>S2)"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if got := tell(change.Between(objects(t, tc.before), objects(t, tc.after))); got != tc.want {
				t.Errorf("got\n%s\nnot\n%s", got, tc.want)
			}
		})
	}
}

func TestMergedTellsWhatTheMergeDidItself(t *testing.T) {
	const base = "a@e1=1 b@e1=2 e1/prod=k1"
	cases := map[string]struct {
		parents []string
		after   string
		want    string
	}{
		"one side's is taken":                 {[]string{"a@e2=3 b@e1=2", "a@e1=1 b@e1=2"}, "a@e2=3 b@e1=2", ""},
		"each item from another side":         {[]string{"a@e2=3 b@e1=2", "a@e1=1 b@e3=4"}, "a@e2=3 b@e3=4", ""},
		"an item that no side had":            {[]string{base, base}, base + " evil@e9=5 e9/prod=k1", "~db +evil@e9 =a =b"},
		"an item that both had is gone":       {[]string{base, base}, "a@e1=1 e1/prod=k1", "~db -b@e1 =a"},
		"a third value":                       {[]string{"a@e2=3", "a@e3=4"}, "a@e4=5", "~db ~a@e2@e4"},
		"changed where one side had none":     {[]string{"b@e1=2", "a@e1=1 b@e1=2"}, "a@e4=5 b@e1=2", "~db ~a@e1@e4 =b"},
		"a holder that no side had":           {[]string{base, base}, base + " e1/mallory=k6", "~db =a =b +mallory[>k6 e1: a,b]"},
		"one side's rewrap is taken":          {[]string{base, "a@e1=1 b@e1=2 e1/prod=k2"}, "a@e1=1 b@e1=2 e1/prod=k2", ""},
		"three parents, of which one matches": {[]string{"a@e2=3", "a@e3=4", "a@e4=5"}, "a@e4=5", ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var parents [][]change.Object
			for _, p := range tc.parents {
				parents = append(parents, objects(t, []made{{name: "db", sealed: p}}))
			}
			if got := tell(change.Merged(parents, objects(t, []made{{name: "db", sealed: tc.after}}))); got != tc.want {
				t.Errorf("got\n%s\nnot\n%s", got, tc.want)
			}
		})
	}
	t.Run("objects of one name", func(t *testing.T) {
		two := func(a, b string) []change.Object {
			return objects(t, []made{{name: "db", sealed: a}, {name: "db", sealed: b}})
		}
		got := tell(change.Merged([][]change.Object{two("a@e1=1", "b@e1=2"), two("a@e2=3", "b@e2=4")}, two("a@e3=5", "b@e3=6")))
		if got != "~db ~a@e1@e3\n~db ~b@e1@e3" {
			t.Errorf("got %s", got)
		}
	})
	t.Run("an object that one side has removed", func(t *testing.T) {
		with := objects(t, []made{{name: "db", sealed: base}})
		if got := tell(change.Merged([][]change.Object{with, nil}, nil)); got != "" {
			t.Errorf("got %s", got)
		}
		if got := tell(change.Merged([][]change.Object{with, with}, nil)); got != "-db -a@e1 -b@e1" {
			t.Errorf("got %s", got)
		}
	})
}

func TestReadTellsWhyTheFormatRefuses(t *testing.T) {
	key, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(key.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	sealer := seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return time.Unix(1_790_000_000, 0) }}
	spec, err := sealer.Seal(seal.For{Scope: "cluster"}, seal.Values{"a": seal.NewValue([]byte("canary-not-a-secret"))}, []seal.Holder{{Name: "prod", Recipients: []seal.Recipient{r}}})
	if err != nil {
		t.Fatal(err)
	}
	good, err := json.Marshal(map[string]any{"apiVersion": seal.APIVersion, "kind": seal.Kind, "metadata": map[string]string{"name": "db"}, "spec": spec})
	if err != nil {
		t.Fatal(err)
	}
	o := change.Read(good)
	if o.Problem != nil || o.Place() != "db" || o.Sealing("a").SealedAt != spec.Envelopes[o.Sealing("a").Envelope].SealedAt || o.Sealing("b") != nil {
		t.Errorf("read %+v", o)
	}
	signed := strings.Replace(string(good), `"format":1`, `"format":1,"signature":{"signer":"SHA256:`+strings.Repeat("A", 43)+`","sshsig":"x"}`, 1)
	for doc, want := range map[string]string{
		strings.Replace(string(good), `"cluster"`, `"clusterr"`, 1): "InvalidFormat",
		signed: "BadSignature",
		`[]`:   "InvalidFormat",
		`{"apiVersion": "waxwing.io/v1alpha1", "kind": "GitSecret", "metadata": 3, "spec": {"items": {"a": 3, "b": {"envelope": "e"}}}}`: "InvalidFormat",
	} {
		o := change.Read([]byte(doc))
		if got := seal.Outcome(o.Problem); got != want {
			t.Errorf("%.60s: %s, not %s", doc, got, want)
		}
		if d := change.Between(nil, []change.Object{o}); len(d) != 1 || d[0].Problem == "" {
			t.Errorf("%.60s: the difference does not say so: %+v", doc, d)
		}
	}
}

func TestEarlierKeysThatVanishAreTold(t *testing.T) {
	doc := func(earlier string) change.Object {
		return change.Read([]byte(`{"metadata": {"name": "db"}, "spec": {"items": {"a": {"envelope": "e", "value": "1"}},
			"envelopes": {"e": {"wraps": {"prod": {"keys": ["k1"], "age": "x", "wrappedBefore": [` + earlier + `]}}}}}}`))
	}
	got := change.Between([]change.Object{doc(`"k0", "k9"`)}, []change.Object{doc(`"k0"`)})
	if want := "~db =a -spec.envelopes.e.wraps.prod.wrappedBefore.k9(>)"; tell(got) != want {
		t.Errorf("got %s, not %s", tell(got), want)
	}
}

func TestDeepAndWideObjectsAreComparedInBoundedWork(t *testing.T) {
	const n = 5000 // encoding/json refuses more than 10,000 levels
	deep := strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n)
	wide := make([]string, n)
	for i := range wide {
		wide[i] = fmt.Sprintf(`"k%d": %d`, i, i)
	}
	for name, doc := range map[string]string{"deep": `{"metadata": ` + deep + `}`, "wide": `{"metadata": {` + strings.Join(wide, ",") + `}}`} {
		o := change.Read([]byte(doc))
		d := change.Between([]change.Object{o}, []change.Object{change.Read([]byte(`{}`))})
		want := map[string]int{"deep": 1, "wide": n}[name]
		if len(d) != 1 || len(d[0].Fields) != want {
			t.Fatalf("%s: the differences are not %d fields: %d objects", name, want, len(d))
		}
		for _, f := range d[0].Fields {
			if strings.Count(f.Path, ".") > 6 {
				t.Fatalf("%.60s: the path is too deep", f.Path)
			}
		}
	}
}
