package unseal

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// maxExposed is how many bytes of names status.exposed has at the most.
const maxExposed = 16 << 10

// EventExposed is the reason of the event about an object with items that have become exposed.
const EventExposed = "Exposed"

// Exposure is which items of an object have a present value that a compromised key could ever have opened.
type Exposure struct {
	// Known is false where that cannot be told, and then the status keeps what it has.
	Known bool
	// Items are the names, sorted.
	Items []string
	// Keys are the compromised keys that are known, as KEYRING/ID, sorted.
	Keys []string
	// Short leaves the names out of the status, which has no room for them.
	Short bool
}

// MACs are those of an object's values; the zero value: they are not known.
type MACs struct {
	// Key names the key they are made with.
	Key string
	// Of has the MAC of each item.
	Of map[string]string
}

// look is what is to be remembered after a look at an object, whatever becomes of it: who its wraps say can open it. It has no room for the keys cut, which are needed as well.
func (m Mark) look(s sight) (next Mark, cut []string) {
	next = m.clone()
	all := m.Ledger.added(s)
	next.Ledger = all.fold(s)
	for name, item := range next.Items {
		id := item.present()
		w, known := all.Envelopes[id]
		if _, room := next.Envelopes[id]; known && !room {
			next.couldOpen(name, w.Ever)
		} else if was, known := m.Envelopes[id]; known && was.Commit != w.Commit {
			next.couldOpen(name, was.Ever)
		}
	}
	next.Ledger, cut = next.Ledger.withoutStrangers(m.Ledger, s)
	return next, cut
}

// couldOpen notes that keys could have opened the value of an item. m is changed.
func (m *Mark) couldOpen(name string, keys []string) {
	v := m.Values[name]
	v.Keys = union(v.Keys, keys)
	m.Values[name] = v
}

// valued is m, the mark of an object that was just opened, with the values that it has now; was is the one before. What could have opened a value counts for as long as the
// value stays, whatever envelope it is in, and where it is not known whether it has changed.
func (m Mark) valued(was Mark, s sight, items []string, macs MACs) Mark {
	m = m.clone()
	if other := m.MACKey != "" && macs.Key != "" && m.MACKey != macs.Key; other {
		for name, v := range m.Values { // they say nothing any more
			m.Values[name] = Valued{Keys: v.Keys, Exposed: v.Exposed}
		}
	}
	if macs.Key != "" {
		m.MACKey = macs.Key
	}
	for _, item := range items {
		name, mac := markName(item), macs.Of[item]
		v, known := m.Values[name]
		old, id := was.Items[name].present(), m.Items[name].present()
		switch {
		case known && v.MAC != "" && mac != "" && v.MAC != mac:
			v = v.changed()
		case known:
			v.Keys = union(v.Keys, m.Envelopes[old].Ever)
		default:
			v = Valued{Keys: union(m.Lost, m.Envelopes[old].Ever), Exposed: m.LostExposed || slices.Contains(s.exposed, item)}
		}
		if _, room := m.Envelopes[id]; !room {
			v.Keys = union(v.Keys, s.claims[id].ever)
		}
		v.MAC, v.Keys, v.Exposed = mac, minus(v.Keys, m.Envelopes[id].Ever), v.Exposed || slices.Contains(v.Was, mac)
		m.Values[name] = v
	}
	return m
}

// exposed tells which items of spec are exposed, and marks the values that are, so that it is known also when the key is destroyed. m is changed.
func (m *Mark) exposed(spec *seal.Spec, s sight) Exposure {
	compromised := map[string]string{}
	if s.ring != nil {
		for _, k := range s.ring.Compromised() {
			compromised[k.ID] = k.Keyring + "/" + k.Display()
		}
	}
	all := Exposure{Known: s.ring != nil}
	if len(compromised) == 0 && len(s.exposed) == 0 && !m.LostExposed && !m.anyExposed() {
		return all
	}
	keys := map[string]bool{}
	hit := func(set []string) (any bool) {
		for _, id := range set {
			if name, ok := compromised[id]; ok {
				keys[name], any = true, true
			}
		}
		return any
	}
	for _, item := range slices.Sorted(maps.Keys(spec.Items)) {
		name := markName(item)
		v, known := m.Values[name]
		seen, opened := m.Items[name]
		value := v.Exposed || (!known && (m.LostExposed || hit(m.Lost) || slices.Contains(s.exposed, item)))
		value = hit(union(v.Keys, m.Envelopes[seen.present()].Ever)) || value
		if value && opened && !v.Exposed {
			if !known {
				v.Keys = m.Lost
			}
			v.Exposed = true
			m.Values[name] = v
		}
		id := spec.Items[item].Envelope
		if hit(union(s.claims[id].ever, m.Envelopes[id].Ever)) || value {
			all.Items = append(all.Items, item)
		}
	}
	all.Keys = slices.Sorted(maps.Keys(keys))
	return all
}

// still is e with the exposed items of the status: where the Secret is not written, it has those, too, that the object has no more.
func (e Exposure) still(spec *seal.Spec, s sight) Exposure {
	if !e.Known {
		return e
	}
	e.Items = slices.Clone(e.Items)
	for _, item := range s.exposed {
		if _, there := spec.Items[item]; !there {
			e.Items = append(e.Items, item)
		}
	}
	slices.Sort(e.Items)
	return e
}

// Mentions says whether a key is among those that l speaks of.
func (l Ledger) Mentions(id string) bool { return contains(l.keys(), id) }

// unsure says whether an item is exposed whose MAC is not known: that its value has changed could not be told.
func (m Mark) unsure(spec *seal.Spec, s sight) bool {
	return slices.ContainsFunc(m.exposed(spec, s).Items, func(item string) bool { return m.Values[markName(item)].MAC == "" })
}

func (l Ledger) anyExposed() bool {
	for _, v := range l.Values {
		if v.Exposed {
			return true
		}
	}
	return false
}

// show puts e into a status, if it is known.
func (e Exposure) show(status *v1alpha1.GitSecretStatus, generation int64, now time.Time) {
	switch {
	case !e.Known:
		return
	case len(e.Items) == 0:
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.ConditionExposed)
		status.Exposed = nil
		return
	}
	status.Exposed = e.names()
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionExposed, Status: metav1.ConditionTrue, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		Reason: v1alpha1.ReasonKeyCompromised, Message: e.Message(),
	})
}

// Message says e for people.
func (e Exposure) Message() string {
	const most = 3
	items, are := e.Items[:min(len(e.Items), most)], "are"
	what := make([]string, 0, most)
	for _, item := range items {
		what = append(what, clip(item))
	}
	text := strings.Join(what, ", ")
	switch n := len(e.Items); {
	case n > most:
		text += fmt.Sprintf(" and %d more", n-most)
	case n == 1:
		are = "is"
	}
	by := "a compromised key"
	if len(e.Keys) > 0 {
		by = "the compromised key " + e.Keys[0]
	}
	if n := len(e.Keys) - 1; n > 0 {
		by += fmt.Sprintf(" or one of %d more", n)
	}
	return text + " " + are + " exposed: " + by + " could have opened the present value. Change it where it comes from, and seal the new one"
}

// names are those of Items that a status has room for.
func (e Exposure) names() (names []string) {
	size := 0
	for _, item := range e.Items {
		if size += len(item); size > maxExposed || e.Short {
			break
		}
		names = append(names, item)
	}
	return names
}
