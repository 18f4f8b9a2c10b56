package repo

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/waxwing-io/waxwing/manifest"
)

// Leaving is somebody whom settings are to know no longer.
type Leaving struct {
	// KeyID is that of the recipient that goes out of all lists of people.
	KeyID string
	// Drop are holders that go from these settings altogether: their definitions, and their names wherever they stand.
	Drop map[string]bool
}

// HeldBy lists the holders of people that have the recipient with this key id, in byte order; alone are those of them that have no other.
func (s *Settings) HeldBy(keyID string) (holders, alone []string) {
	for _, name := range slices.Sorted(maps.Keys(s.Holders)) {
		list := s.Holders[name].Recipients
		rest := len(list)
		for _, text := range list {
			if recipientID(text) == keyID {
				rest--
			}
		}
		if rest < len(list) {
			holders = append(holders, name)
		}
		if rest < len(list) && rest == 0 {
			alone = append(alone, name)
		}
	}
	return holders, alone
}

// recipientID is the key id of a recipient as settings may list it; empty for anything else.
func recipientID(text string) string {
	r, err := ParseRecipient(text)
	if err != nil {
		return ""
	}
	return r.KeyID()
}

// Without gives the content of a .seal.yaml without somebody: only the lines of that change, where the file's layout lets them. It is data where nobody has to go.
// Where a list that must not be empty would be, such as the holders of an environment, the error says so; it is an *Error or a *manifest.Error.
func Without(name string, data []byte, l Leaving) ([]byte, error) {
	old, err := ParseSettings(name, data)
	if err != nil {
		return nil, err
	}
	want, gone := old.without(l)
	if msg := want.check(); msg != "" {
		return nil, &Error{File: name, Msg: "without them, " + msg, Hint: "change the file by hand first"}
	}
	if len(gone) == 0 && len(want.Holders) == len(old.Holders) {
		return data, nil
	}
	for _, anew := range []bool{false, true} {
		if out, err := edited(name, data, want, gone, anew); err == nil && reads(name, out, want) {
			return out, nil
		}
	}
	return nil, &Error{File: name, Msg: "the change cannot be written into this file", Hint: "change it by hand first"}
}

// reads says whether settings read as they have to.
func reads(name string, data []byte, want *Settings) bool {
	got, err := ParseSettings(name, data)
	return err == nil && reflect.DeepEqual(got, want)
}

// entry is one entry of a list in settings.
type entry struct {
	path  []any // names and numbers that lead to the list
	index int
}

// without is what the settings become, and which entries of lists go for that.
func (s *Settings) without(l Leaving) (*Settings, []entry) {
	want := *s
	var gone []entry
	drop := func(list []string, goes func(string) bool, path ...any) []string {
		var rest []string
		for i, text := range list {
			if goes(text) {
				gone = append(gone, entry{path, i})
				continue
			}
			rest = append(rest, text)
		}
		return rest
	}
	named := func(name string) bool { return l.Drop[name] }
	optional := func(list *[]string, path ...any) *[]string {
		if list == nil || !slices.ContainsFunc(*list, named) {
			return list
		}
		rest := append([]string{}, drop(*list, named, path...)...)
		return &rest
	}
	want.Holders = maps.Clone(s.Holders)
	for _, name := range slices.Sorted(maps.Keys(s.Holders)) {
		h := s.Holders[name]
		if l.Drop[name] {
			delete(want.Holders, name)
			continue
		}
		h.Recipients = drop(h.Recipients, func(text string) bool { return recipientID(text) == l.KeyID }, "holders", name, "recipients")
		want.Holders[name] = h
	}
	want.BreakGlass = optional(s.BreakGlass, "breakGlass")
	want.Environments = slices.Clone(s.Environments)
	for i := range want.Environments {
		e := &want.Environments[i]
		e.Holders = drop(e.Holders, named, "environments", i, "holders")
		e.BreakGlass = optional(e.BreakGlass, "environments", i, "breakGlass")
	}
	return &want, gone
}

// edited takes the entries out of the text one by one, the last ones first, and then the definitions of holders. With anew, and where an entry's layout is not known, the list is written anew.
func edited(name string, data []byte, want *Settings, gone []entry, anew bool) ([]byte, error) {
	out := data
	var lists [][]any
	for _, e := range slices.Backward(gone) {
		next, ok := withoutEntry(out, e)
		if anew || !ok {
			lists = append(lists, e.path)
			continue
		}
		out = next
	}
	file, err := manifest.Parse(name, out)
	if err != nil {
		return nil, err
	}
	doc := file.Docs()[0]
	for _, path := range lists {
		if err := rewriteList(doc, want, path); err != nil {
			return nil, err
		}
	}
	old, err := ParseSettings(name, data)
	if err != nil {
		return nil, err
	}
	for _, holder := range slices.Sorted(maps.Keys(old.Holders)) {
		if _, stays := want.Holders[holder]; stays {
			continue
		}
		if err := doc.Delete([]string{"holders", holder}); err != nil {
			return nil, err
		}
	}
	return file.Bytes(), nil
}

// rewriteList writes the list at path as a whole; of those in environments, all environments.
func rewriteList(doc *manifest.Doc, want *Settings, path []any) error {
	var names []string
	var value any
	switch path[0] {
	case "holders":
		names, value = []string{"holders", path[1].(string), "recipients"}, want.Holders[path[1].(string)].Recipients
	case "breakGlass":
		names, value = []string{"breakGlass"}, want.BreakGlass
	default:
		names, value = []string{"environments"}, want.Environments
	}
	b, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("encoding JSON: %w", err)
	}
	return doc.Set(names, b)
}
