package keyuse_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/cli/keyuse"
)

// doc is the JSON of a GitSecret in short: words "item@envelope", "envelope/holder=key,key<before" and "!item" for one that the status calls exposed.
func doc(t *testing.T, namespace, name, short string) []byte {
	t.Helper()
	items, envelopes, exposed := map[string]any{}, map[string]any{}, []string{}
	for _, word := range strings.Fields(short) {
		if item, ok := strings.CutPrefix(word, "!"); ok {
			exposed = append(exposed, item)
		} else if item, id, ok := strings.Cut(word, "@"); ok {
			items[item] = map[string]any{"envelope": id}
		} else {
			left, keys, _ := strings.Cut(word, "=")
			id, holder, _ := strings.Cut(left, "/")
			now, before, _ := strings.Cut(keys, "<")
			if envelopes[id] == nil {
				envelopes[id] = map[string]any{"wraps": map[string]any{}}
			}
			wrap := map[string]any{"keys": strings.Split(now, ",")}
			if before != "" {
				wrap["wrappedBefore"] = strings.Split(before, ",")
			}
			envelopes[id].(map[string]any)["wraps"].(map[string]any)[holder] = wrap
		}
	}
	b, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"namespace": namespace, "name": name}, "spec": map[string]any{"items": items, "envelopes": envelopes},
		"status": map[string]any{"exposed": exposed, "keys": []any{map[string]any{"keyring": "prod", "id": "k1", "envelope": "e1"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func file(t *testing.T, path, place, name, short string) keyuse.File {
	t.Helper()
	o, err := keyuse.Read(doc(t, place, name, short))
	if err != nil {
		t.Fatal(err)
	}
	return keyuse.File{Object: o, Path: path, Document: 1, Place: place}
}

func live(t *testing.T, namespace, name, short string) keyuse.Live {
	t.Helper()
	l, err := keyuse.ReadLive(doc(t, namespace, name, short))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func TestItemsOfAKey(t *testing.T) {
	o := live(t, "prod", "db", "a@e1 b@e2 c@e1 d@e3 e1/prod=k1 e1/glass=g e2/prod=k2<k1 e2/glass=g,h e3/prod=k2 e9/prod=k1")
	for keys, want := range map[string]string{
		"k1": "[a c] [a b c]", "k2": "[b d] [b d]", "g": "[a b c] [a b c]", "h": "[b] [b]", "k1 k2": "[a b c d] [a b c d]", "x": "[] []",
	} {
		set := map[string]bool{}
		for _, id := range strings.Fields(keys) {
			set[id] = true
		}
		if got := fmt.Sprint(o.Can(set), o.Could(set)); got != want {
			t.Errorf("%s: %s, not %s", keys, got, want)
		}
	}
	if !o.OpenedWith("k1") || o.OpenedWith("k2") {
		t.Error("opened with another key")
	}
}

// told writes exposures in short.
func told(all []keyuse.Exposure) string {
	var out []string
	for _, e := range all {
		text := fmt.Sprintf("%s/%s %v", e.Namespace, e.Name, e.Items)
		if e.Cluster {
			text += fmt.Sprintf(" said %v", e.Said)
		}
		out = append(out, text+fmt.Sprintf(" in %v", e.Files))
	}
	return strings.Join(out, "\n")
}

func TestExposures(t *testing.T) {
	const now, was, not = "a@e1 b@e1 e1/prod=k1", "a@e2 e2/prod=k2<k1", "a@e3 e3/prod=k2"
	cases := map[string]struct {
		files   []keyuse.File
		objects []keyuse.Live
		want    string
		unsaid  int
	}{
		"nothing":                               {[]keyuse.File{file(t, "f", "prod", "db", not)}, []keyuse.Live{live(t, "prod", "db", not)}, "", 0},
		"sealed for it":                         {nil, []keyuse.Live{live(t, "prod", "db", now)}, "prod/db [a b] said [] in []", 1},
		"rewrapped since":                       {nil, []keyuse.Live{live(t, "prod", "db", was)}, "prod/db [a] said [] in []", 1},
		"said, and envelopes say nothing":       {nil, []keyuse.Live{live(t, "prod", "db", not+" !a")}, "prod/db [a] said [a] in []", 0},
		"said in part":                          {nil, []keyuse.Live{live(t, "prod", "db", now+" !b")}, "prod/db [a b] said [b] in []", 1},
		"said in full":                          {nil, []keyuse.Live{live(t, "prod", "db", now+" !b !a")}, "prod/db [a b] said [a b] in []", 0},
		"a file of its place":                   {[]keyuse.File{file(t, "f", "prod", "db", not)}, []keyuse.Live{live(t, "prod", "db", now)}, "prod/db [a b] said [] in [f]", 1},
		"a file under another name":             {[]keyuse.File{file(t, "f", "", "base", now)}, []keyuse.Live{live(t, "prod", "db", now)}, "prod/db [a b] said [] in [f]", 1},
		"a file with another place":             {[]keyuse.File{file(t, "f", "stage", "db", now)}, []keyuse.Live{live(t, "prod", "db", not)}, "stage/db [a b] in [f]", 0},
		"a file that goes to two":               {[]keyuse.File{file(t, "f", "", "db", now)}, []keyuse.Live{live(t, "stage", "db", now), live(t, "prod", "db", now)}, "prod/db [a b] said [] in [f]\nstage/db [a b] said [] in [f]", 2},
		"two files of one":                      {[]keyuse.File{file(t, "g", "prod", "db", now), file(t, "f", "prod", "db", not)}, []keyuse.Live{live(t, "prod", "db", not+" !a")}, "prod/db [a b] said [a] in [f g]", 0},
		"files alone":                           {[]keyuse.File{file(t, "g", "prod", "db", was), file(t, "f", "", "web", now)}, nil, "/web [a b] in [f]\nprod/db [a] in [g]", 0},
		"the file has another value, renewed":   {[]keyuse.File{file(t, "f", "prod", "db", not)}, []keyuse.Live{live(t, "prod", "db", not)}, "", 0},
		"renewed in the cluster, not in a file": {[]keyuse.File{file(t, "f", "prod", "db", now)}, []keyuse.Live{live(t, "prod", "db", not)}, "prod/db [a b] said [] in [f]", 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			keys := map[string]bool{"k1": true}
			if got := told(keyuse.Exposures(tc.files, tc.objects, keys)); got != tc.want {
				t.Errorf("got\n%s\nnot\n%s", got, tc.want)
			}
			if got := keyuse.Unsaid(tc.objects, keys); got != tc.unsaid {
				t.Errorf("%d are unsaid, not %d", got, tc.unsaid)
			}
		})
	}
}

func TestWhatIsKeptDoesNotHoldTheDocument(t *testing.T) {
	text := doc(t, "prod", "db", "a@e1 e1/prod=k1<k0")
	o, err := keyuse.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if w := o.Wraps["e1"]; len(w) != 1 || w[0].Holder != "prod" || !slices.Equal(w[0].Keys, []string{"k1"}) || !slices.Equal(w[0].Before, []string{"k0"}) {
		t.Errorf("%+v", w)
	}
	for _, bad := range []string{`[]`, `{"spec": 3}`} {
		if _, err := keyuse.Read([]byte(bad)); err == nil {
			t.Errorf("%s is read", bad)
		}
		if _, err := keyuse.ReadLive([]byte(bad)); err == nil {
			t.Errorf("%s is read as one of the cluster", bad)
		}
	}
}
