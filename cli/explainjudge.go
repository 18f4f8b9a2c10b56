package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// tooFarAhead is how far an envelope may be dated ahead before the controller refuses it.
const tooFarAhead = 5 * time.Minute

// explainHolders says who can open the object, and holds that against the settings and the identities.
func (e *explainer) explainHolders(x *explanation, spec *seal.Spec) {
	_, every := wrapHolders(spec)
	x.Holders = every
	used := spec.Referenced()
	if len(e.ids) > 0 && len(used) > 0 {
		fits := 0
		for _, envelope := range x.Envelopes {
			for _, w := range envelope.Wraps {
				if envelope.Used && w.Yours {
					fits++
					break
				}
			}
		}
		all := fits == len(used)
		x.YourKeys = &all
		switch {
		case all:
			x.identitySaid = "yes, " + displayIDs(e.ids)
		case fits > 0:
			x.identitySaid = fmt.Sprintf("for %d of %s only: %s", fits, countOf(len(used), "envelope"), displayIDs(e.ids))
		default:
			x.identitySaid = "no: " + displayIDs(e.ids)
		}
		if !all {
			x.problem(severityWarning, "the identities given do not open all of it", "it is sealed for "+strings.Join(every, ", ")+"; the key ids are listed above")
		}
	}
	for _, envelope := range x.Envelopes {
		if at, err := time.Parse(time.RFC3339, envelope.SealedAt); err == nil && at.Sub(e.env.Now()) > tooFarAhead {
			x.problem(severityWarning, "envelope "+envelope.ID+" is dated ahead: the controller refuses it until then", "is the clock right here, and was it where it was sealed?")
		}
	}
	switch {
	case e.stray:
		x.problem(severityWarning, "no environment of the settings has a path that matches: nobody says who should open it", "add its path to an environment of .seal.yaml")
	case e.rules != nil:
		x.Environment = e.rules.Environment
		e.againstSettings(x, spec)
	}
}

// againstSettings holds the holders against the environment's.
func (e *explainer) againstSettings(x *explanation, spec *seal.Spec) {
	if len(x.Items) == 0 {
		return
	}
	for _, p := range holderProblems(spec, e.rules, x.File) {
		x.problem(severityWarning, p.Message, p.Hint)
	}
	if scope := x.Scope.Scope; wider(scope, e.rules.Scope) {
		x.problem(severityWarning, "is sealed for scope "+scope+", and the settings say "+e.rules.Scope, "")
	}
	stale := map[string]bool{}
	for _, envelope := range x.Envelopes {
		for _, w := range envelope.Wraps {
			if envelope.Used && w.State == wrapStale && !stale[w.Holder] {
				stale[w.Holder] = true
				x.problem(severityWarning, "is sealed for other keys of "+shown(w.Holder)+" than it has now", "seal rewrap renews the wraps; values stay as they are")
			}
		}
	}
}

// explainSignature says who signed, and whether that counts.
func (e *explainer) explainSignature(x *explanation, doc *seal.Document) {
	var signers []allowedSigner
	if e.rules != nil {
		signers = signersOf(e.rules.Signers)
	}
	s := signatureOf(doc, signers, e.env.Now())
	if x.RollbackFrom = doc.Annotations[v1alpha1.AnnotationRollbackFrom]; x.RollbackFrom != "" && !s.present {
		x.problem(severityWarning, "its annotation "+v1alpha1.AnnotationRollbackFrom+" counts in signed objects only", "seal sign "+fileHint(x.File))
	}
	if !s.present {
		if e.rules != nil && e.rules.Signed {
			x.problem(severityWarning, "is not signed, and environment "+shown(e.rules.Environment)+" wants it", "seal sign "+fileHint(x.File))
		}
		return
	}
	x.Signature = &explainedSignature{Signer: doc.Spec().Signature.Signer, Name: s.signer, Valid: s.err == nil}
	if s.err != nil {
		x.Opens, x.code = "no", max(x.code, codeOf(s.err))
		x.problem(severityError, s.err.Error(), "what is signed was changed afterwards: look at git log, then seal sign "+fileHint(x.File))
		return
	}
	if e.rules != nil && (len(e.rules.Signers) > 0 || e.rules.Signed) {
		allowed := s.allowed
		x.Signature.Allowed = &allowed
		if !allowed {
			x.problem(severityWarning, "is signed by a key that is no signer in the settings", "have one of the signers sign it, or add the key to signers")
		}
	}
}

// explainSize holds the object against the limits.
func (e *explainer) explainSize(x *explanation, doc []byte) {
	x.Size = len(doc)
	warnings, err := secret.CheckSize(doc)
	if err != nil {
		x.Opens, x.code = "no", max(x.code, codeOf(err))
		x.problem(severityError, err.Error(), hint(err))
	}
	for _, w := range warnings {
		x.problem(severityWarning, w, "")
	}
}
