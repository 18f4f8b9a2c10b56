package merge

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// maxWork bounds what one document may cost: the number of edits times its length, because each edit reads the document again. Beyond it, members of the
// document are written as wholes.
const maxWork = 16 << 20

// edit sets the value at path, or removes it where it is nil.
type edit struct {
	path  []string
	value any
}

// edits lists what has to be done to make have into want: additions before removals, so that no mapping is empty in between.
func edits(have, want tree) []edit {
	var set, remove []edit
	var walk func(path []string, have, want any)
	walk = func(path []string, have, want any) {
		if sameTree(have, want) {
			return
		}
		h, haveIs := have.(tree)
		w, wantIs := want.(tree)
		switch {
		case want == nil:
			remove = append(remove, edit{path: path})
		case !haveIs || !wantIs || atomic(path):
			set = append(set, edit{path: path, value: want})
		default:
			for _, name := range members(h, w) {
				walk(append(slices.Clone(path), name), h[name], w[name])
			}
		}
	}
	walk(nil, have, want)
	return append(set, remove...)
}

// atomic says whether the value at path is written as a whole: an item, a wrap, the place and the signature.
func atomic(path []string) bool {
	if len(path) < 2 || path[0] != "spec" {
		return false
	}
	switch path[1] {
	case "items":
		return len(path) == 3
	case "envelopes":
		return len(path) == 5
	}
	return path[1] == "for" || path[1] == "signature"
}

// coarse is edits for a document that is too long for many of them: members of the document are written as wholes.
func coarse(have, want tree) []edit {
	var out []edit
	for _, name := range members(have, want) {
		if !sameTree(have[name], want[name]) {
			out = append(out, edit{path: []string{name}, value: want[name]})
		}
	}
	return out
}

// become edits the text of a document, which means have now, until it means want. asWhole says that layout was lost.
func (m *merger) become(text []byte, have, want tree) (out []byte, asWhole bool, err error) {
	list := edits(have, want)
	if len(list)*len(text) > maxWork && len(list) > 4 {
		list, asWhole = coarse(have, want), true
	}
	d, err := m.parseOne(text)
	if err != nil {
		return nil, false, err
	}
	for _, e := range list {
		if err := e.apply(d); err != nil {
			return nil, false, err
		}
	}
	b, err := d.JSON()
	if err != nil {
		return nil, false, err
	}
	if !sameTree(decodeTree(b), any(want)) {
		return nil, false, fmt.Errorf("the merged object cannot be written into this file")
	}
	return d.Bytes(), asWhole, nil
}

func (e edit) apply(d *manifest.Doc) error {
	if e.value == nil {
		return d.Delete(e.path)
	}
	b, err := encode(e.path, e.value)
	if err != nil {
		return err
	}
	return d.Set(e.path, b)
}

// encode writes a value as JSON, with the members of sealed parts in the order that sealing gives them.
func encode(path []string, v any) ([]byte, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	var typed any
	switch {
	case len(path) == 0 || path[0] != "spec":
		return b, nil
	case len(path) == 1:
		typed = &seal.Spec{}
	case path[1] == "envelopes" && len(path) == 2:
		typed = &map[string]seal.Envelope{}
	case path[1] == "envelopes" && len(path) == 3:
		typed = &seal.Envelope{}
	case path[1] == "envelopes" && len(path) == 5:
		typed = &seal.Wrap{}
	case path[1] == "for":
		typed = &seal.For{}
	case path[1] == "signature":
		typed = &seal.Signature{}
	default:
		return b, nil
	}
	if err := json.Unmarshal(b, typed); err != nil {
		return nil, err
	}
	return json.Marshal(typed)
}
