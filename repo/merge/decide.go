package merge

import (
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

var errScopes = errors.New("spec.for was changed, and values were sealed on the other side, which do not open under it")

// plan is what a GitSecret becomes: want, with ours in each clash.
type plan struct {
	want     tree
	clashes  []clash
	warnings []string
}

// theirs is want with theirs in each clash.
func (p *plan) theirs() tree { return withTheirs(p.want, p.clashes) }

// decide merges three versions of a GitSecret; base may be nil. An error means that the sides do not go together in one object.
func decide(base, ours, theirs *sealed) (*plan, error) {
	var was tree
	spec := &seal.Spec{}
	if base != nil {
		was, spec = base.tree, base.spec()
	}
	p := &plan{}
	rest, clashes := merge3(nil, withoutSealed(was), withoutSealed(ours.tree), withoutSealed(theirs.tree))
	p.want, p.clashes = rest.(tree), clashes
	if err := p.scope(base, ours, theirs); err != nil {
		return nil, err
	}
	items, clashes := mergeMembers([]string{"spec", "items"}, at(was, "spec", "items"), at(ours.tree, "spec", "items"), at(theirs.tree, "spec", "items"))
	p.clashes = append(p.clashes, clashes...)
	p.want = with(p.want, items, "spec", "items")
	if err := p.envelopes(spec, ours.spec(), theirs.spec()); err != nil {
		return nil, err
	}
	if err := p.sign(base, ours, theirs); err != nil {
		return nil, err
	}
	return p, p.check(ours, theirs)
}

// withoutSealed is a GitSecret without the members that have rules of their own.
func withoutSealed(t tree) any {
	if t == nil {
		return nil
	}
	for _, name := range []string{"for", "items", "envelopes", "signature"} {
		t = with(t, nil, "spec", name)
	}
	return t
}

// scope merges spec.for, which is bound into every value: a side that changed it brings all values of its own, and goes only with a side that has sealed nothing.
func (p *plan) scope(base, ours, theirs *sealed) error {
	from := ours
	switch o, t := ours.spec(), theirs.spec(); {
	case o.For == t.For:
	case base == nil:
		return errScopes
	case o.For == base.spec().For && maps.Equal(o.Items, base.spec().Items):
		from = theirs
	case t.For == base.spec().For && maps.Equal(t.Items, base.spec().Items):
	default:
		return errScopes
	}
	p.want = with(p.want, at(from.tree, "spec", "for"), "spec", "for")
	return nil
}

// envelopes takes those that an item of either choice names, with the wraps of both sides.
func (p *plan) envelopes(base, ours, theirs *seal.Spec) error {
	needed := map[string]bool{}
	for _, t := range []tree{p.want, p.theirs()} {
		items, _ := at(t, "spec", "items").(tree)
		for name := range items {
			id, _ := at(items, name, "envelope").(string)
			needed[id] = true
		}
	}
	merged := tree{}
	for _, id := range slices.Sorted(maps.Keys(needed)) {
		o, inOurs := ours.Envelopes[id]
		t, inTheirs := theirs.Envelopes[id]
		e := o
		switch {
		case !inOurs && !inTheirs:
			return errors.New("an item names an envelope that neither side has")
		case !inOurs:
			e, o = t, t
		case !inTheirs:
			t = o
		case o.Commit != t.Commit:
			return errCommit
		}
		wraps, clashes, err := mergeWraps(id, base.Envelopes[id].Wraps, o.Wraps, t.Wraps)
		if err != nil {
			return err
		}
		merged[id] = tree{"sealedAt": e.SealedAt, "commit": e.Commit, "wraps": wraps}
		p.clashes = append(p.clashes, clashes...)
	}
	if len(merged) > 0 || ours.Envelopes != nil && theirs.Envelopes != nil {
		p.want = with(p.want, merged, "spec", "envelopes")
	}
	return nil
}

// sign keeps a signature where what it covers is what that side signed.
func (p *plan) sign(base, ours, theirs *sealed) error {
	if ours.spec().Signature == nil && theirs.spec().Signature == nil {
		return nil
	}
	merged, err := newSealed(p.want)
	if err != nil {
		return err
	}
	covered := merged.signed()
	fits := func(s *sealed) any {
		if s.spec().Signature == nil || len(p.clashes) > 0 && !onlyWraps(p.clashes) || !sameSigned(s.signed(), covered) {
			return nil
		}
		return at(s.tree, "spec", "signature")
	}
	o, t := fits(ours), fits(theirs)
	var was any
	if base != nil {
		was = at(base.tree, "spec", "signature")
	}
	switch {
	case was != nil && (sameTree(o, was) && theirs.spec().Signature == nil || sameTree(t, was) && ours.spec().Signature == nil):
		p.warnings = append(p.warnings, "the signature is dropped: one side has taken it off")
	case o == nil && t == nil:
		p.warnings = append(p.warnings, "the signature is dropped: the merge changed the object; sign it again")
	case o == nil:
		p.want = with(p.want, t, "spec", "signature")
	case t == nil || sameTree(o, t):
		p.want = with(p.want, o, "spec", "signature")
	default:
		v, clashes := merge1([]string{"spec", "signature"}, was, o, t)
		p.want, p.clashes = with(p.want, v, "spec", "signature"), append(p.clashes, clashes...)
	}
	return nil
}

// onlyWraps says whether no clash is over anything that a signature covers.
func onlyWraps(clashes []clash) bool {
	return !slices.ContainsFunc(clashes, func(c clash) bool { return len(c.path) < 4 || c.path[1] != "envelopes" })
}

func sameSigned(a, b signed) bool { return sameTree(a, b) }

// check holds both choices against the format, and warns where values differ in who can open them.
func (p *plan) check(ours, theirs *sealed) error {
	merged, err := newSealed(p.want)
	if err != nil {
		return err
	}
	if len(p.clashes) > 0 {
		if _, err := newSealed(p.theirs()); err != nil {
			return err
		}
	}
	if sets := holderSets(merged.spec()); len(sets) > max(len(holderSets(ours.spec())), len(holderSets(theirs.spec()))) {
		p.warnings = append(p.warnings, "not all values are sealed for the same holders: some for "+strings.Join(sets, "; some for "))
	}
	return nil
}

// holderSets lists for whom the values are sealed, each combination once.
func holderSets(spec *seal.Spec) []string {
	sets := map[string]bool{}
	for _, id := range spec.Referenced() {
		sets[strings.Join(slices.Sorted(maps.Keys(spec.Envelopes[id].Wraps)), ", ")] = true
	}
	return slices.Sorted(maps.Keys(sets))
}
