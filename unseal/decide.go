package unseal

import (
	"time"

	"golang.org/x/crypto/ssh"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// MaxAhead is how far an envelope's date may lie ahead of the controller's clock.
const MaxAhead = 5 * time.Minute

// lookAgain is how long to wait for keys that are being loaded.
const lookAgain = time.Second

// Input is what the caller has gathered about one object. Decide changes none of it.
type Input struct {
	// Object as the API server holds it.
	Object *v1alpha1.GitSecret
	// Secret is the metadata of the Secret of the same name; nil where there is none.
	Secret *metav1.ObjectMeta
	// NamespaceTerminating is true while the object's namespace is being deleted.
	NamespaceTerminating bool
	// Ring is the present ring; nil while the keys are being loaded.
	Ring *keyring.Ring
	// Marks is what is remembered of the object.
	Marks Marks
	// Now is the controller's clock.
	Now time.Time
	// Home is the controller's own namespace.
	Home string
	// Stored is the size in bytes of the object without its status, as the API server stores it; 0 where it is far from the limit, or its status was written.
	Stored int
	// NoRoom is true if the API server has refused a status of this version of the object for its size.
	NoRoom bool
	// Starting is true for a while after a start, in which the sources of keyrings are being read for the first time.
	Starting bool
}

// Action is what the caller is to do.
type Action string

// The actions.
const (
	// Leave the object and its status as they are.
	Leave Action = "leave"
	// Report the Outcome: nothing is to be opened.
	Report Action = "report"
	// Open by Plan: intent, Plan.Open, write, outcome.
	Open Action = "open"
)

// Decision is what Decide says.
type Decision struct {
	Action Action
	// Outcome is set for Report.
	Outcome Outcome
	// Plan is set for Open.
	Plan *Plan
	// Remember, with Report, is what is to be remembered of an object that is as it was opened; nil: nothing new. It need not be durable at once.
	Remember *Mark
	// Claims is what is to be remembered of the object where neither Remember nor the Plan says more: the keys that its wraps name; nil: nothing new. It need not be durable at once.
	Claims *Mark
	// Cut are keys that its wraps, or its status, name and that its mark has no room for, sorted: none of a keyring that is known.
	Cut []string
	// Exposure is that of the object if nothing is opened. An Outcome of Report has it too.
	Exposure Exposure
	// Unmet are the envelopes of a well-formed object that nothing is remembered of, see Mark.Unmet.
	Unmet []string
	// Signer is the fingerprint of the key whose signature the object has, where it was found to hold.
	Signer string
	// After is when to look again even if nothing happens; zero: not. It is besides the retries of the table.
	After time.Duration
}

// Plan is how an object is to be opened and what its Secret has to be, all but the values.
type Plan struct {
	// Keys are the keys that will be used, in byte order of the envelopes.
	Keys []v1alpha1.KeyUse
	// Items are the names of the sealed items, sorted.
	Items []string
	// Secret is the metadata that the Secret has to carry.
	Secret metav1.ObjectMeta
	// Type of the Secret, never empty.
	Type string
	// Immutable as the object has it.
	Immutable *bool
	// Recreates is true where an immutable Secret that has to change is to be made anew.
	Recreates bool
	// Adopts is true where the Secret exists and belongs to nobody.
	Adopts bool
	// Repairs is true where the Secret was written from this generation before, as the status has it, and is not as it was written.
	Repairs bool
	// Cut is that of the Decision.
	Cut []string
	// Proves is set where the Secret is as it should be, and the object is only opened to see that a key is not needed any more, or to have the MACs of values that are exposed:
	// nothing is to be written. It is the outcome so far, which stands if the object cannot be opened for a reason that passes.
	Proves *Outcome

	checked *seal.Checked
	signer  string // the key that signed, in SSH wire format; empty: unsigned
	// fingerprint is that of signer.
	fingerprint string
	rules       rules
	// rolledBack tells of items that go back and are let through.
	rolledBack string
	// noBreakGlass tells of envelopes that only the keyring opens.
	noBreakGlass string
	remember     *Mark
	sight        sight
	before       Mark // what is remembered already
	marked       bool // whether that could be read
	claims       Mark // before, with the sight
	// keeps is true where the Secret need not be written.
	keeps    bool
	permits  permits
	programs map[string]program
	after    time.Duration
}

// comesRight says whether a refusal only tells that the controller has just been started. It must not turn objects that are well into ones that wait.
func (in *Input) comesRight(r *Refusal) bool {
	loading := in.Ring == nil || (in.Starting && r.Reason == KeySourceUnavailable)
	return loading && (r.Reason == Pending || r.Reason == KeySourceUnavailable) && in.Object.Status.ObservedGeneration == in.Object.Generation
}

// check refuses the input, or completes the plan.
type check func(in *Input, p *Plan) *Refusal

// Decide says what is to become of an object. It is a pure function.
func Decide(in Input) Decision {
	if in.Object.DeletionTimestamp != nil {
		return Decision{Action: Leave}
	}
	p, s, claims := &Plan{}, sightOf(&in), in.Marks.Mark
	looked, cut := claims.look(s)
	exposure := looked.exposed(&in.Object.Spec, s)
	exposure.Known, exposure.Short = exposure.Known && in.Marks.Loaded, in.NoRoom
	if in.Marks.Damaged { // then the wraps tell of a part
		exposure.Known = exposure.Known && len(exposure.Items) > 0
	} else {
		claims = looked
	}
	d := decide(in, p, s, claims)
	d.Cut, p.Cut = cut, cut
	if !claims.equal(in.Marks.Mark) {
		d.Claims = &claims
	}
	if d.Outcome.Reason != Unsealed && in.Secret != nil {
		exposure = exposure.still(&in.Object.Spec, s)
	}
	d.Exposure, d.Outcome.Exposure, d.Signer = exposure, exposure, p.fingerprint
	if p.checked != nil && (d.Action == Open || d.Action == Report) {
		d.Unmet = in.Marks.Mark.Unmet(&in.Object.Spec)
	}
	return d
}

// decide does the work of Decide, on a plan that is empty.
func decide(in Input, p *Plan, s sight, claims Mark) Decision {
	o := in.Object
	*p = Plan{Immutable: o.Spec.Immutable, Recreates: o.Spec.OnImmutable == seal.OnImmutableRecreate, sight: s, before: in.Marks.Mark, marked: in.Marks.Loaded, claims: claims}
	for _, c := range []check{
		checkStored, checkSuspended, checkNamespace, checkTarget,
		checkFormat, checkSignature, checkScope, // in the order of section 9 of docs/format.md
		checkType, checkTemplates, checkRoom,
		checkDates, checkKeys,
		checkMetadata, // keyrings grant some
		checkOwner,
	} {
		if r := c(&in, p); r != nil {
			if in.comesRight(r) {
				return Decision{Action: Leave, After: lookAgain}
			}
			return Decision{Action: Report, Outcome: r.Outcome(), After: p.after}
		}
	}
	p.Secret = secretMetadata(o)
	if kept, ok := unchanged(&in, p); ok {
		if p.prove(&in, kept) {
			return Decision{Action: Open, Plan: p}
		}
		return Decision{Action: Report, Outcome: kept, Remember: standing(&in, p)}
	}
	// Who may sign, and whether the object goes back, is judged when something is to be opened: what is in the cluster already stays.
	if r := judge(&in, p); r != nil {
		return Decision{Action: Report, Outcome: r.Outcome()}
	}
	p.Repairs = wroteBefore(&in, p)
	p.keeps = keeps(&in, p)
	return Decision{Action: Open, Plan: p}
}

// prove makes the plan of an object whose Secret is as it should be one that ends the use of a key, if there is one to end, or that gets MACs which are missed.
func (p *Plan) prove(in *Input, kept Outcome) bool {
	before := *p
	if only, uses, ok := p.claims.unproved(in, p); ok {
		p.permits, p.Keys = only, uses
	} else if !p.claims.unsure(&in.Object.Spec, p.sight) {
		return false
	}
	if judge(in, p) != nil || p.rolledBack != "" {
		*p = before // it stays as it is, whatever the rules of today say
		return false
	}
	p.Proves = &kept
	return true
}

// Unproved says whether there is still a use to end by opening the object again, once the plan is carried out.
func (p *Plan) Unproved(o *v1alpha1.GitSecret) bool {
	if p.remember == nil {
		return false
	}
	all := *p
	all.permits.only = ""
	_, _, ok := p.remember.unproved(&Input{Object: o}, &all)
	return ok
}

func checkSuspended(in *Input, _ *Plan) *Refusal {
	if in.Object.Spec.Suspend {
		if in.Secret == nil {
			return refuse(Suspended, "suspend", "is set; there is no Secret, and none is made")
		}
		return refuse(Suspended, "suspend", "is set; the existing Secret stays as it is")
	}
	return nil
}

func checkNamespace(in *Input, _ *Plan) *Refusal {
	if in.NamespaceTerminating {
		return refuse(Pending, "", "namespace %s is being deleted", in.Object.Namespace)
	}
	return nil
}

// checkTarget keeps sealed objects out of the controller's own namespace, where the private keys are.
func checkTarget(in *Input, _ *Plan) *Refusal {
	if in.Object.Namespace == in.Home {
		return refuse(PolicyDenied, "", "Secrets in %s, the controller's namespace, are not written", in.Home).hint("move the object to another namespace")
	}
	return nil
}

func checkFormat(in *Input, p *Plan) *Refusal {
	checked, err := seal.Check(&in.Object.Spec)
	if err != nil {
		return fromSeal(err)
	}
	p.checked = checked
	return nil
}

// checkSignature refuses a signature that does not hold as Tampered: the object is not the one that was signed. Who may sign is judged later.
func checkSignature(in *Input, p *Plan) *Refusal {
	if in.Object.Spec.Signature == nil {
		return nil
	}
	key, err := p.checked.VerifySignature(in.Object.Annotations)
	if err != nil {
		return fromSeal(err).hint("sign the object again after every change, its waxwing.io/ annotations included")
	}
	p.signer, p.fingerprint = string(key.Marshal()), ssh.FingerprintSHA256(key)
	return nil
}

func checkScope(in *Input, p *Plan) *Refusal {
	target := targetOf(in.Object)
	if in.Object.Spec.For.Allows(target) {
		return nil
	}
	// Open looks at the scope before it asks for a key.
	_, err := p.checked.Open(target, nil)
	return fromSeal(err)
}

func targetOf(o *v1alpha1.GitSecret) seal.Target {
	return seal.Target{Namespace: o.Namespace, Name: o.Name}
}

func checkTemplates(in *Input, p *Plan) (r *Refusal) {
	p.programs, r = compileAll(&in.Object.Spec)
	return r
}

// checkDates refuses an envelope that is dated ahead: a date that lies in the future would make the newest one of a rollback mark meaningless.
func checkDates(in *Input, p *Plan) *Refusal {
	for _, id := range in.Object.Spec.Referenced() {
		if ahead := sealedAt(in.Object.Spec.Envelopes[id]).Sub(in.Now); ahead > MaxAhead {
			p.after = ahead - MaxAhead + time.Second // no event will say that the date has come
			return refuse(PolicyDenied, "envelopes."+id+".sealedAt", "is more than %d minutes ahead of the controller's clock", int(MaxAhead.Minutes())).
				hint("set the clock of the machine that sealed it, and seal it again; or wait")
		}
	}
	return nil
}

// sealedAt reads a date that checkFormat has found to be well formed.
func sealedAt(e seal.Envelope) time.Time {
	t, _ := time.Parse(time.RFC3339, e.SealedAt)
	return t
}
