package unseal

import (
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// EventRolledBack is the reason of the event about an object that went back and was let through.
const EventRolledBack = "RolledBack"

// judge holds an object that is to be opened against who may sign, and against what was opened of it before. It completes the plan with what is to be remembered.
func judge(in *Input, p *Plan) *Refusal {
	p.rules = rulesFor(in.Ring, in.Object.Namespace)
	if r := checkSigner(in, p); r != nil {
		return r
	}
	checkBreakGlass(in, p)
	return checkRollback(in, p)
}

// checkRollback compares the envelope of each item with the newest one that was opened of it. An item is back if its envelope is older, and is not the one that
// it was let go back to before.
func checkRollback(in *Input, p *Plan) *Refusal {
	mark := in.Marks.Mark
	if in.Marks.Damaged {
		if len(p.rules.deny) > 0 {
			return refuse(RollbackDenied, "", "whether the object goes back cannot be told: its mark is damaged, and keyring %q refuses that", p.rules.deny[0]).
				hint("look at the mark, and remove it if the object is as it should be: " + in.Marks.Where)
		}
		return nil
	}
	var back []string
	for _, item := range p.Items {
		envelope, seen := in.Object.Spec.Items[item].Envelope, mark.seen(markName(item))
		if envelope < seen.Newest && envelope != seen.Accepted {
			back = append(back, item)
		}
	}
	next := p.opened(in)
	if len(back) > 0 {
		story := tellBack(in, back)
		overrides, obstacle := p.override(in)
		switch {
		case overrides:
			next.Spent = mark.Newest()
			p.rolledBack = "item " + clip(back[0]) + " " + story + "; the signed annotation " + v1alpha1.AnnotationRollbackFrom + " lets it"
		case len(p.rules.deny) > 0:
			return refuse(RollbackDenied, "items."+back[0], "%s; keyring %q refuses that%s", story, p.rules.deny[0], obstacle).hint(p.waysBack(in))
		default:
			p.rolledBack = "item " + clip(back[0]) + " " + story
		}
	}
	p.remember = &next
	return nil
}

// opened is the mark once the object has been opened, all but its values.
func (p *Plan) opened(in *Input) Mark {
	next := p.claims.clone()
	next.Ledger = next.Ledger.opened(p.sight, p.Keys)
	for _, item := range p.Items {
		name, envelope := markName(item), in.Object.Spec.Items[item].Envelope
		if seen := next.seen(name); envelope < seen.Newest {
			next.Items[name] = Seen{Newest: seen.Newest, Accepted: envelope}
		} else {
			next.Items[name] = Seen{Newest: envelope}
		}
	}
	if p.allowed() {
		next.Signed, next.Signature = true, digest(in.Object.Spec.Signature.SSHSig)
	}
	return next.bound(&in.Object.Spec)
}

// standing is what is to be remembered of an object whose Secret is as it should be, and of which something is not: marks began after it was opened, or were lost.
// Nothing is opened for it, so it only ever adds.
func standing(in *Input, p *Plan) *Mark {
	if in.Marks.Damaged || in.Ring == nil {
		return nil
	}
	p.rules = rulesFor(in.Ring, in.Object.Namespace)
	next := p.claims.clone()
	for _, item := range p.Items {
		name, envelope := markName(item), in.Object.Spec.Items[item].Envelope
		if envelope > next.seen(name).Newest {
			next.Items[name] = Seen{Newest: envelope}
		}
	}
	if p.allowed() && !next.Signed {
		next.Signed, next.Signature = true, digest(in.Object.Spec.Signature.SSHSig)
	}
	if next = next.bound(&in.Object.Spec); next.equal(in.Marks.Mark) {
		return nil
	}
	return &next
}

// waysBack says how to go back all the same, and where the mark is for somebody who has to remove it.
func (p *Plan) waysBack(in *Input) string {
	ways := "seal the value again to go back to it"
	if len(p.rules.limited) > 0 {
		ways += ", or annotate the object with " + v1alpha1.AnnotationRollbackFrom + "=" + in.Marks.Mark.Newest() + " and let an allowed signer sign it"
	}
	return ways + "; the mark is " + in.Marks.Where
}

// override says whether the annotation lets the object go back, and if it does not what is in its way, in words that end a sentence. Each keyring that refuses to
// go back must itself list the signer: nobody else's signer speaks for it.
func (p *Plan) override(in *Input) (overrides bool, obstacle string) {
	from, set := in.Object.Annotations[v1alpha1.AnnotationRollbackFrom]
	newest := in.Marks.Mark.Newest()
	unlisted := slices.IndexFunc(p.rules.deny, func(name string) bool { return !p.rules.policies[name].Limited })
	switch {
	case !set:
		return false, ""
	case from != newest:
		return false, fmt.Sprintf(" (the annotation names %q, and the newest envelope is %s)", clip(from), newest)
	case from == in.Marks.Mark.Spent:
		return false, " (the annotation was used already: it counts once)"
	case p.signer == "":
		return false, " (the annotation counts in signed objects only)"
	case unlisted >= 0:
		return false, fmt.Sprintf(" (the annotation does not count: keyring %q lists no signers)", p.rules.deny[unlisted])
	case !p.allowed():
		return false, " (the annotation does not count: no signer who is listed now has signed)"
	}
	return true, ""
}

// tellBack says from where to where the first item goes back, and how many more do.
func tellBack(in *Input, back []string) string {
	envelope, seen := in.Object.Spec.Items[back[0]].Envelope, in.Marks.Mark.seen(markName(back[0]))
	story := fmt.Sprintf("goes back from envelope %s (sealed %s) to %s (sealed %s)", seen.Newest, dateOf(seen.Newest), envelope, dateOf(envelope))
	if n := len(back) - 1; n > 0 {
		story += fmt.Sprintf(", and %d more do", n)
	}
	return story
}

// Remember is what is to be remembered of the object once the plan is carried out, with the MACs of what was opened; nil: nothing new. Where durable is true it must be stored, and
// what was remembered before too, after the values are opened and before the Secret is written.
func (p *Plan) Remember(macs MACs) (mark *Mark, durable bool) {
	durable = len(p.rules.deny) > 0 || p.allowed()
	if p.remember == nil {
		return nil, durable
	}
	next := p.remember.valued(p.before, p.sight, p.Items, macs)
	next.exposed(p.checked.Spec(), p.sight)
	if next.equal(p.before) {
		return nil, durable
	}
	return &next, durable
}

// Before is what is to be remembered where the plan was not carried out after all: what was known, and what the object claims.
func (p *Plan) Before() Mark { return p.claims }

// Exposure is that of the object once it was opened.
func (p *Plan) Exposure(macs MACs) Exposure {
	if p.remember == nil {
		return Exposure{}
	}
	next := p.remember.valued(p.before, p.sight, p.Items, macs)
	exposure := next.exposed(p.checked.Spec(), p.sight)
	exposure.Known = exposure.Known && p.marked
	return exposure
}
