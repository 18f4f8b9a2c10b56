package cli

import (
	"errors"
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
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
	var wraps []rewrap.Wrap
	var errs []error
	var texts []*manifest.Doc
	for _, obj := range todo {
		f.out.objects++
		texts = append(texts, obj.text)
		if f.o.fresh {
			if f.only == nil || f.only(obj.doc) {
				errs = append(errs, f.reseal(obj, keys))
			}
			continue
		}
		more, err := f.look(obj, keys)
		errs = append(errs, err)
		wraps = append(wraps, more...)
	}
	if err := errors.Join(errs...); err != nil || f.o.check {
		return err
	}
	if f.o.fresh {
		return f.writeFresh()
	}
	n, err := rewrap.Replace(texts, wraps)
	f.out.changed += n
	return err
}

// look finds what is wrong with an object, and makes the new wraps unless it is only to be told.
func (f *fileRewrapper) look(obj sealedObject, keys seal.Keys) ([]rewrap.Wrap, error) {
	spec := obj.doc.Spec()
	var wraps []rewrap.Wrap
	for _, h := range f.at.holders {
		if f.o.holder != "" && h.Name != f.o.holder {
			continue
		}
		f.out.known = f.out.known || holdersOf(spec)[h.Name]
		if stale := rewrap.Stale(spec, h); len(stale) > 0 {
			f.out.holders[h.Name] = true
			f.out.findings = append(f.out.findings, obj.stale(h, stale))
			if f.o.check {
				continue
			}
			more, err := rewrap.Make(spec, h, stale, keys)
			if err != nil {
				return nil, obj.error(withIdentities(err, f.ids))
			}
			wraps = append(wraps, more...)
		}
	}
	f.compareHolders(obj)
	return wraps, nil
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
	for _, r := range h.Recipients {
		f.Now = append(f.Now, r.KeyID())
	}
	slices.Sort(f.Now)
	f.Back = len(without(f.Now, before)) == 0
	return f
}
