package change

import (
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Wrap is a change of a holder's wraps in envelopes that both versions have: the values stay, but other keys open them.
type Wrap struct {
	Holder string `json:"holder"`
	// Change is Changed for a rewrap, Added for a holder that could not open these envelopes before, Removed for one that cannot any more.
	Change    Kind     `json:"change"`
	Old       []string `json:"old,omitempty"` // key ids; those of Old and New are the same where the holder's wrap was only made again
	New       []string `json:"new,omitempty"`
	Envelopes []string `json:"envelopes"`       // ids, in byte order
	Items     []string `json:"items,omitempty"` // of the new version that are sealed in these envelopes, in byte order
}

// wraps compares the wraps of envelopes in both versions. Envelopes with the same change are one Wrap.
func wraps(before, after Object) []Wrap {
	named := after.itemsByEnvelope()
	found := map[string]*Wrap{}
	for _, id := range slices.Sorted(maps.Keys(after.Spec.Envelopes)) {
		was, ok := before.Spec.Envelopes[id]
		if !ok {
			continue
		}
		for _, w := range rewrapped(was.Wraps, after.Spec.Envelopes[id].Wraps) {
			key := strings.Join([]string{w.Holder, string(w.Change), strings.Join(w.Old, " "), strings.Join(w.New, " ")}, "\x00")
			if found[key] == nil {
				found[key] = &w
			}
			found[key].Envelopes = append(found[key].Envelopes, id)
			found[key].Items = append(found[key].Items, named[id]...)
		}
	}
	var out []Wrap
	for _, key := range slices.Sorted(maps.Keys(found)) {
		w := *found[key]
		slices.Sort(w.Items)
		out = append(out, w)
	}
	return out
}

// rewrapped compares the wraps of one envelope, by holder.
func rewrapped(before, after map[string]seal.Wrap) []Wrap {
	var out []Wrap
	for holder, is := range after {
		was, had := before[holder]
		switch {
		case !had:
			out = append(out, Wrap{Holder: holder, Change: Added, New: is.Keys})
		case was.Age != is.Age || !slices.Equal(was.Keys, is.Keys):
			out = append(out, Wrap{Holder: holder, Change: Changed, Old: was.Keys, New: is.Keys})
		}
	}
	for holder, was := range before {
		if _, has := after[holder]; !has {
			out = append(out, Wrap{Holder: holder, Change: Removed, Old: was.Keys})
		}
	}
	return out
}
