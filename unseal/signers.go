package unseal

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/keyring"
)

// rules are those of all keyrings that open for an object's namespace, each list by name: the strictest wins.
type rules struct {
	required []string // refuse unsigned objects
	limited  []string // list signers
	deny     []string // refuse to go back
	policies map[string]keyring.Policy
}

func rulesFor(ring *keyring.Ring, namespace string) rules {
	r := rules{policies: ring.Governing(namespace)}
	for _, name := range slices.Sorted(maps.Keys(r.policies)) {
		p := r.policies[name]
		if p.RequireSignatures {
			r.required = append(r.required, name)
		}
		if p.Limited {
			r.limited = append(r.limited, name)
		}
		if p.DenyRollback {
			r.deny = append(r.deny, name)
		}
	}
	return r
}

// hangOnMarks says whether an object may be refused because of what is remembered of it. Then it must be known, and durable before the Secret is written.
func (r rules) hangOnMarks() bool { return len(r.limited) > 0 || len(r.deny) > 0 }

// strangerTo is the first keyring that lists signers without this key; empty: each that lists signers has it.
func (r rules) strangerTo(key string) string {
	for _, name := range r.limited {
		if !slices.ContainsFunc(r.policies[name].Signers, func(s keyring.Signer) bool { return s.Key == key }) {
			return name
		}
	}
	return ""
}

// allowed says whether a signer whom the keyrings list has signed the object.
func (p *Plan) allowed() bool {
	return p.signer != "" && len(p.rules.limited) > 0 && p.rules.strangerTo(p.signer) == ""
}

// checkSigner holds the object's signature, which was found to fit it, against who may sign.
func checkSigner(in *Input, p *Plan) *Refusal {
	signed, mark := p.signer != "", in.Marks.Mark
	if !signed && len(p.rules.required) > 0 {
		return refuse(PolicyDenied, "signature", "the object is not signed, and keyring %q requires it", p.rules.required[0]).hint("sign it: seal sign FILE")
	}
	if !in.Marks.Loaded && p.rules.hangOnMarks() {
		return refuse(Pending, "", "the marks of envelopes opened before cannot be read (%s)", in.Marks.Where)
	}
	stranger := ""
	if signed {
		stranger = p.rules.strangerTo(p.signer)
	}
	switch {
	case !signed && mark.Signed:
		return refuse(PolicyDenied, "signature", "the object is not signed, and it was before by an allowed signer").
			hint("sign it: seal sign FILE; to accept it unsigned, remove its mark: " + in.Marks.Where)
	case !signed && in.Marks.Damaged && len(p.rules.limited) > 0:
		return refuse(PolicyDenied, "signature", "the object is not signed, and whether it was before cannot be told: its mark is damaged").
			hint("sign it: seal sign FILE; or remove the mark: " + in.Marks.Where)
	case stranger != "" && digest(in.Object.Spec.Signature.SSHSig) != mark.Signature:
		return refuse(PolicyDenied, "signature", "%s has signed, who is not among the signers of keyring %q", in.Object.Spec.Signature.Signer, stranger).
			hint("let " + p.whoMay(stranger) + " sign it: seal sign --force FILE; or list the key in spec.signers of the Keyring")
	}
	return nil
}

// whoMay names the signers of a keyring.
func (p *Plan) whoMay(name string) string {
	const most = 3
	var names []string
	for _, s := range p.rules.policies[name].Signers {
		names = append(names, clip(s.Name))
	}
	switch {
	case len(names) == 0:
		return "one of its signers"
	case len(names) > most:
		return fmt.Sprintf("%s or one of %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, " or ")
}
