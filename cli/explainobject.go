package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// explanation is what can be said about a GitSecret without opening it.
type explanation struct {
	File      string `json:"file"`
	Document  int    `json:"document"` // counted from 1
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Opens says whether it would open where it stands, as far as can be seen: "yes", "no" or "unknown".
	Opens    string    `json:"opens"`
	Problems []problem `json:"problems"`

	Scope        *explainedScope     `json:"scope,omitempty"`
	Class        string              `json:"class,omitempty"`
	Size         int                 `json:"size,omitempty"` // bytes, as JSON
	Type         string              `json:"type,omitempty"`
	Immutable    bool                `json:"immutable,omitempty"`
	Deletion     string              `json:"deletionPolicy,omitempty"`
	OnImmutable  string              `json:"onImmutable,omitempty"`
	Suspend      bool                `json:"suspend,omitempty"`
	Template     *explainedTemplate  `json:"template,omitempty"`
	Environment  string              `json:"environment,omitempty"`
	Holders      []string            `json:"holders,omitempty"` // that can open all of it
	YourKeys     *bool               `json:"identitiesFit,omitempty"`
	Signature    *explainedSignature `json:"signature,omitempty"`
	RollbackFrom string              `json:"rollbackFrom,omitempty"` // the envelope that the object may go back from
	Items        []explainedItem     `json:"items,omitempty"`
	Envelopes    []explainedEnvelope `json:"envelopes,omitempty"`
	code         int
	label        string
	identitySaid string
}

// problem is something that is wrong, with the way out.
type problem struct {
	Severity string `json:"severity"` // error or warning
	Message  string `json:"message"`
	Hint     string `json:"hint,omitempty"`
}

type explainedScope struct {
	Scope     string `json:"scope"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Words     string `json:"words"`
}

type explainedTemplate struct {
	Labels      []string `json:"labels,omitempty"`
	Annotations []string `json:"annotations,omitempty"`
	Data        []string `json:"data,omitempty"`
}

type explainedSignature struct {
	Signer  string `json:"signer"` // the key's fingerprint
	Name    string `json:"name,omitempty"`
	Valid   bool   `json:"valid"`
	Allowed *bool  `json:"allowed,omitempty"` // absent where no settings say who may sign
}

type explainedItem struct {
	Name     string `json:"name"`
	AtMost   int    `json:"atMost"` // bytes
	Envelope string `json:"envelope"`
}

type explainedEnvelope struct {
	ID       string          `json:"id"`
	SealedAt string          `json:"sealedAt"`
	Age      string          `json:"age"`
	Used     bool            `json:"used"` // an item names it
	Wraps    []explainedWrap `json:"holders"`
}

type explainedWrap struct {
	Holder        string    `json:"holder"`
	Keys          []string  `json:"keys"` // as people see them
	State         wrapState `json:"state"`
	WrappedBefore []string  `json:"wrappedBefore,omitempty"`
	Yours         bool      `json:"yours,omitempty"` // one of the identities given fits
}

// explain judges one object. It never fails: what is wrong is a part of the answer.
func (e *explainer) explain(obj object) *explanation {
	x := &explanation{File: obj.name, Document: obj.index + 1, Namespace: obj.namespace, Name: obj.node.name, Opens: "unknown", Problems: []problem{}, label: obj.label()}
	for _, text := range e.broken {
		x.problem(severityWarning, text, "")
	}
	b, doc, err := readSealed(obj)
	if err != nil {
		x.Opens, x.code = "no", exitFailed
		x.problem(severityError, unlabelled(obj, err), hint(err))
		return x
	}
	e.explainSpec(x, doc.Checked)
	e.explainPlace(x, doc)
	e.explainHolders(x, doc.Spec())
	e.explainSignature(x, doc)
	e.explainSize(x, b)
	return x
}

func (x *explanation) problem(severity, message, hint string) {
	x.Problems = append(x.Problems, problem{severity, message, hint})
}

// explainSpec says what the text itself says.
func (e *explainer) explainSpec(x *explanation, c *seal.Checked) {
	spec := c.Spec()
	x.Scope = &explainedScope{Scope: spec.For.Scope, Namespace: spec.For.Namespace, Name: spec.For.Name, Words: scopeWords(spec.For)}
	switch c.Class() {
	case seal.PostQuantum:
		x.Class = "post-quantum"
	case seal.Classical:
		x.Class = "classical"
	}
	x.Type, x.Immutable, x.Deletion, x.Suspend = spec.Type, spec.Immutable != nil && *spec.Immutable, spec.DeletionPolicy, spec.Suspend
	x.OnImmutable = spec.OnImmutable
	if x.Type == "" {
		x.Type = "Opaque"
	}
	if x.Deletion == "" {
		x.Deletion = seal.DeletionDelete
	}
	if t := spec.Template; t != nil {
		x.Template = &explainedTemplate{Data: slices.Sorted(maps.Keys(t.Data))}
		if t.Metadata != nil {
			x.Template.Labels, x.Template.Annotations = slices.Sorted(maps.Keys(t.Metadata.Labels)), slices.Sorted(maps.Keys(t.Metadata.Annotations))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Items)) {
		x.Items = append(x.Items, explainedItem{Name: name, AtMost: c.Capacity(name), Envelope: spec.Items[name].Envelope})
	}
	used := spec.Referenced()
	for _, id := range slices.Sorted(maps.Keys(spec.Envelopes)) {
		x.Envelopes = append(x.Envelopes, e.envelope(id, spec.Envelopes[id], slices.Contains(used, id)))
	}
	if unused := len(spec.Envelopes) - len(used); unused > 0 {
		x.problem(severityWarning, fmt.Sprintf("no item names %s: they can still be read by their holders, and hold nothing", countOf(unused, "envelope")),
			"the next seal set or seal edit leaves them out")
	}
	if x.Suspend {
		x.problem(severityWarning, "is suspended: the controller leaves the Secret as it is", "remove spec.suspend")
	}
}

// envelope explains one sealing operation.
func (e *explainer) envelope(id string, sealed seal.Envelope, used bool) explainedEnvelope {
	out := explainedEnvelope{ID: id, SealedAt: sealed.SealedAt, Used: used}
	if at, err := time.Parse(time.RFC3339, sealed.SealedAt); err == nil {
		out.Age = ageWords(e.env.Now().Sub(at))
	}
	for _, holder := range slices.Sorted(maps.Keys(sealed.Wraps)) {
		w := sealed.Wraps[holder]
		out.Wraps = append(out.Wraps, explainedWrap{
			Holder: holder, Keys: displayKeys(w.Keys), State: e.state(holder, w), WrappedBefore: displayKeys(w.WrappedBefore), Yours: e.fits(w),
		})
	}
	return out
}

func (e *explainer) state(holder string, w seal.Wrap) wrapState {
	if e.rules == nil {
		return wrapUnknown
	}
	if !slices.Contains(holderNames(e.rules.Holders), holder) {
		return wrapExtra
	}
	set, ok := e.sets[holder]
	if !ok {
		return wrapUnknown
	}
	return stateOf(w, set.Recipients)
}

// fits says whether one of the identities is a recipient of w, by its key id.
func (e *explainer) fits(w seal.Wrap) bool {
	return slices.ContainsFunc(e.ids, func(id seal.Identity) bool { return slices.Contains(w.Keys, id.KeyID()) })
}

func displayKeys(ids []string) []string {
	out := make([]string, len(ids))
	for i, id := range ids {
		out[i] = id[:min(len(id), seal.KeyIDDisplay)]
	}
	return out
}

// scopeWords says where values open.
func scopeWords(f seal.For) string {
	switch f.Scope {
	case seal.ScopeStrict:
		return fmt.Sprintf("only as Secret %s in namespace %s", shown(f.Name), shown(f.Namespace))
	case seal.ScopeNamespace:
		return fmt.Sprintf("under any name in namespace %s", shown(f.Namespace))
	case seal.ScopeCluster:
		return "under any name in any namespace"
	}
	return fmt.Sprintf("as Secret %s in namespaces that match %s", shown(f.Name), shown(strings.TrimPrefix(f.Scope, seal.ScopeMatch)))
}

// explainPlace holds the object's place against its scope.
func (e *explainer) explainPlace(x *explanation, doc *seal.Document) {
	namespace := e.namespace
	if namespace == "" && doc.Target.Namespace == "" && e.rules != nil {
		namespace = e.rules.Namespace
	}
	err := secret.CheckPlace(doc, namespace)
	switch {
	case err == nil:
		x.Opens, x.Namespace = "yes", doc.Target.Namespace
	case doc.Target.Namespace == "":
		// Nobody has said where it goes; kustomize or -n will.
		x.problem(severityWarning, "names no namespace: it opens "+x.Scope.Words, "say which namespace it goes to, with -n NAMESPACE")
	default:
		x.Opens, x.code = "no", max(x.code, codeOf(err))
		x.problem(severityError, err.Error(), hint(err))
	}
}
