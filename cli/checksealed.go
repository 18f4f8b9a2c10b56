package cli

import (
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// standsAt holds doc against its own scope. Where it names no namespace, it goes to that of the settings.
func standsAt(doc *seal.Document, namespace string) error {
	if doc.Target.Namespace != "" {
		namespace = ""
	}
	return checkStanding(doc, namespace)
}

// againstScope holds an object against its own scope, and that against the settings.
func againstScope(obj object, doc *seal.Document, rules *repo.Rules) []finding {
	namespace := ""
	if rules != nil {
		namespace = rules.Namespace
	}
	if err := standsAt(doc, namespace); err != nil {
		f := of(obj, ruleScope, "would not open where it stands: %v", err)
		f.Hint = hint(err)
		return []finding{f}
	}
	// A wider scope may be meant: seal --scope wins over the settings.
	if scope := doc.Spec().For.Scope; rules != nil && wider(scope, rules.Scope) {
		f := warning(of(obj, ruleScope, "is sealed for scope %s, and the settings say %s", scope, rules.Scope))
		f.Hint = "seal it again from the Secret, or say the scope in the environment of " + rules.File
		return []finding{f}
	}
	return nil
}

// wider says whether values of scope can be moved to places where those of other cannot.
func wider(scope, other string) bool {
	width := map[string]int{seal.ScopeStrict: 0, seal.ScopeNamespace: 1, seal.ScopeCluster: 3}
	of := func(s string) int {
		if w, ok := width[s]; ok {
			return w
		}
		return 2 // match:GLOB
	}
	return of(scope) > of(other)
}

// againstSignature checks the signature, and without settings no more than whether it is valid.
func (c *checker) againstSignature(obj object, doc *seal.Document, rules *repo.Rules) []finding {
	if rules == nil {
		rules = &repo.Rules{}
	}
	s := signatureOf(doc, signersOf(rules.Signers), c.now)
	known := len(rules.Signers) > 0 || rules.Signed
	var f finding
	switch {
	case !s.present && !rules.Signed, s.present && s.err == nil && !known:
		return nil
	case !s.present:
		f = of(obj, ruleSignature, "is not signed, and environment %s of %s wants it", shown(rules.Environment), rules.File)
		f.Hint = "seal sign " + fileHint(obj.name)
	case s.err != nil:
		f = of(obj, ruleSignature, "the signature is not valid: %v", s.err)
		f.Hint = "what is signed was changed afterwards: look at git log, then seal sign " + fileHint(obj.name)
	case s.allowed:
		return nil
	default:
		f = of(obj, ruleSignature, "is signed by %s, who is no signer in the settings", doc.Spec().Signature.Signer)
		f.Hint = "have one of the signers sign it, or add the key to signers"
		if !rules.Signed {
			f = warning(f)
		}
	}
	return []finding{f}
}

// againstHolders holds the wraps against the environment's holders, and their recipients against the present ones.
func (c *checker) againstHolders(obj object, spec *seal.Spec, rules *repo.Rules) []finding {
	if len(spec.Referenced()) == 0 {
		return nil
	}
	var all []finding
	add := func(f finding, hint string) {
		f.Hint = hint
		all = append(all, f)
	}
	for _, p := range holderProblems(spec, rules, obj.name) {
		add(of(obj, ruleHolders, "%s", p.Message), p.Hint)
	}
	for _, h := range rules.Holders {
		set, err := c.book.tree.Set(h)
		if err != nil {
			add(finding{File: h.File, Rule: ruleNote, Message: "holder " + h.Name + ": " + err.Error(), label: h.File}, hint(err))
			continue
		}
		for _, id := range spec.Referenced() {
			if w, ok := spec.Envelopes[id].Wraps[h.Name]; ok && stateOf(w, set.Recipients) == wrapStale {
				add(warning(of(obj, ruleStale, "is sealed for other keys of %s than it has now", h.Name)), "seal rewrap renews the wraps; values stay as they are")
				break
			}
		}
	}
	return all
}
