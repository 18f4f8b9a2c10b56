package cli

import (
	"encoding/json"
	"fmt"
	"math"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/manifest"
)

// maxItemEdits is how many items of a list are edited in their place, each by an edit of the whole document. Longer lists, which are dumps of a cluster
// rather than written by hand, are written anew once: that costs comments and layout inside of the list, and saves minutes.
const maxItemEdits = 32

// longList is a list document whose items are replaced together.
type longList struct {
	doc     *manifest.Doc
	rest    map[string]json.RawMessage // the list's other members
	items   []json.RawMessage
	changed bool
}

// objects lists the objects of a file, with lists taken apart, empty documents left out. Items of lists with more than limit of them are handled together,
// and need flush; manifest's own edits (Set, Delete) do not go with that.
func objects(name string, file *manifest.File, limit int) []object {
	return expand(name, file, file.Docs(), limit)
}

func expand(name string, file *manifest.File, docs []*manifest.Doc, limit int) []object {
	var out []object
	for _, d := range docs {
		if d.Empty() {
			continue
		}
		if items, ok := d.Items(); ok {
			if long := newLongList(d, len(items), limit); long != nil {
				out = append(out, long.objects(name, file, items)...)
			} else {
				out = append(out, expand(name, file, items, math.MaxInt)...)
			}
			continue
		}
		o := object{Doc: d, file: file, name: name}
		o.role = o.findRole()
		out = append(out, o)
	}
	return out
}

// newLongList is nil for a list that is not longer than limit, and for one that cannot be read.
func newLongList(d *manifest.Doc, n, limit int) *longList {
	if n <= limit {
		return nil
	}
	l := &longList{doc: d}
	doc, err := d.JSON()
	if err != nil || json.Unmarshal(doc, &l.rest) != nil || json.Unmarshal(l.rest["items"], &l.items) != nil || len(l.items) != n {
		return nil
	}
	return l
}

// objects are the items. A list among them is not taken apart; with Secrets in it, it is refused.
func (l *longList) objects(name string, file *manifest.File, docs []*manifest.Doc) []object {
	var out []object
	for i, d := range docs {
		if d.Empty() {
			continue
		}
		o := object{Doc: d, file: file, name: name, list: l, index: i}
		o.role = o.findRole()
		out = append(out, o)
	}
	return out
}

// flush writes the long lists among the objects that have changed.
func flush(all []object) error {
	for _, o := range all {
		if o.list == nil || !o.list.changed {
			continue
		}
		if err := o.list.write(); err != nil {
			return fmt.Errorf("%s: %w", o.name, err)
		}
	}
	return nil
}

func (l *longList) write() error {
	var err error
	if l.rest["items"], err = secret.Marshal(l.items); err != nil {
		return err
	}
	doc, err := secret.Marshal(l.rest)
	if err != nil {
		return err
	}
	l.changed = false
	return l.doc.Replace(doc)
}
