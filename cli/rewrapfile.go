package cli

import (
	"errors"
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo/rewrap"
)

// fileRewrapper works on the objects of one file.
type fileRewrapper struct {
	*rewrapper
	at    *place
	out   *rewrapped
	fresh []resealed
}

func (f *fileRewrapper) all(todo []sealedObject) error {
	f.out.holders, f.out.dropped = map[string]bool{}, map[string]int{}
	keys := seal.NewIdentities(f.ids...)
	var changes []rewrap.Change
	var errs []error
	for _, obj := range todo {
		f.out.objects++
		if f.o.fresh {
			if f.only == nil || f.only(obj.doc) {
				errs = append(errs, f.reseal(obj, keys))
			}
			continue
		}
		wraps, err := f.look(obj, keys)
		errs = append(errs, err)
		if len(wraps) > 0 {
			changes = append(changes, rewrap.Change{Doc: obj.text, Reads: obj.doc, Wraps: wraps})
		}
	}
	if err := errors.Join(errs...); err != nil || f.o.check {
		return err
	}
	if f.o.fresh {
		return f.writeFresh()
	}
	n, err := rewrap.Apply(changes)
	f.out.changed += n
	return err
}

// look finds what is wrong with an object, and gets the new wraps unless it is only to be told: those that the cluster offers, then those that an identity makes.
func (f *fileRewrapper) look(obj sealedObject, keys seal.Keys) ([]rewrap.Wrap, error) {
	spec := obj.doc.Spec()
	var wraps []rewrap.Wrap
	for _, h := range f.at.holders {
		if f.o.holder != "" && h.Name != f.o.holder {
			continue
		}
		f.out.known = f.out.known || holdersOf(spec)[h.Name]
		stale := spec.Stale(h)
		if len(stale) == 0 {
			continue
		}
		finding, left := obj.stale(h, stale), stale
		if f.cluster != nil {
			var more []rewrap.Wrap
			more, left = f.offered(obj, h, &finding)
			wraps = append(wraps, more...)
		}
		f.out.findings = append(f.out.findings, finding)
		switch {
		case f.o.check:
		case len(left) > 0 && len(f.ids) > 0:
			more, err := rewrap.Make(spec, h, left, keys)
			if err != nil {
				return nil, obj.error(withIdentities(err, f.ids))
			}
			wraps = append(wraps, more...)
		case len(left) > 0:
			rest := obj.stale(h, left)
			rest.Why, rest.hint = finding.Why, finding.hint
			f.out.left = append(f.out.left, rest)
		}
	}
	for _, w := range wraps {
		f.out.holders[w.Holder] = true
	}
	f.compareHolders(obj)
	return wraps, nil
}

// offered gives the wraps that the cluster offers for the stale envelopes of a finding, and the envelopes that are left. The finding says why.
func (f *fileRewrapper) offered(obj sealedObject, h seal.Holder, finding *wrapFinding) (wraps []rewrap.Wrap, left []string) {
	news := f.cluster.of(f.at, h.Name)
	for _, id := range finding.Envelopes {
		w, why := f.cluster.wrap(news, h, id, obj.doc)
		if why.text != "" {
			left = append(left, id)
			finding.Why, finding.hint = why.text, why.hint
			continue
		}
		wraps, finding.Offered = append(wraps, w), append(finding.Offered, id)
	}
	return wraps, left
}

// compareHolders finds holders that come or go, where the settings say who they are.
func (f *fileRewrapper) compareHolders(obj sealedObject) {
	if len(f.source.given) > 0 {
		return
	}
	has, wants := holdersOf(obj.doc.Spec()), map[string]bool{}
	for _, h := range f.at.holders {
		wants[h.Name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(has)) {
		if !wants[name] && (f.o.holder == "" || f.o.holder == name) {
			f.out.findings = append(f.out.findings, obj.finding(name, problemGone))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(wants)) {
		if !has[name] && len(has) > 0 && (f.o.holder == "" || f.o.holder == name) {
			f.out.findings = append(f.out.findings, obj.finding(name, problemAbsent))
		}
	}
}

// holdersOf are the holders that have a wrap in an envelope that an item names.
func holdersOf(spec *seal.Spec) map[string]bool {
	names := map[string]bool{}
	for _, id := range spec.Referenced() {
		for name := range spec.Envelopes[id].Wraps {
			names[name] = true
		}
	}
	return names
}

func (o sealedObject) finding(holder, problem string) wrapFinding {
	f := wrapFinding{File: o.object.name, Document: o.index + 1, Namespace: o.namespace, Name: o.node.name, Holder: holder, Problem: problem, label: o.label()}
	for _, n := range o.path {
		f.Item = append(f.Item, n+1)
	}
	return f
}

func (o sealedObject) stale(h seal.Holder, envelopes []string) wrapFinding {
	f := o.finding(h.Name, problemStale)
	f.Envelopes = envelopes
	var before []string
	for _, id := range envelopes {
		w := o.doc.Spec().Envelopes[id].Wraps[h.Name]
		f.Keys, before = append(f.Keys, w.Keys...), append(before, w.WrappedBefore...)
	}
	slices.Sort(f.Keys)
	f.Keys = slices.Compact(f.Keys)
	f.Now = recipientIDs(h)
	f.Back = len(without(f.Now, before)) == 0
	return f
}
