package standing

import (
	"slices"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Row is one object: one file of Git, one GitSecret of the cluster, or one of each.
type Row struct {
	Namespace string `json:"namespace,omitempty"` // empty where it is not known
	Name      string `json:"name"`
	File      string `json:"file,omitempty"`
	Document  int    `json:"document,omitempty"` // in the file, counted from 1
	// FileName is the name in the file, where it is applied under another one.
	FileName string `json:"fileName,omitempty"`

	Git Git `json:"git"`
	// WrapsOnly says that the two versions differ in nothing but wraps: one of them was rewrapped.
	WrapsOnly bool       `json:"wrapsOnly,omitempty"`
	Ready     Ready      `json:"ready,omitempty"`
	Reason    string     `json:"reason,omitempty"`
	Message   string     `json:"message,omitempty"`
	Since     *time.Time `json:"since,omitempty"`
	Secret    Secret     `json:"secret,omitempty"`
	// Opened are the keys that opened the present values, as the status says.
	Opened []v1alpha1.KeyUse `json:"openedWith,omitempty"`
	// Exposed are the items of the cluster's version whose value a compromised key could ever have opened, as the status says.
	Exposed []string `json:"exposed,omitempty"`
	// SealedFor are the holders of the version in Git, or of the cluster's where Git has none.
	SealedFor []SealedFor `json:"sealedFor"`
	// Wrong says that this row makes a finding, and Why in a word why.
	Wrong bool   `json:"wrong"`
	Why   string `json:"why,omitempty"`
}

// SealedFor is one holder of an object.
type SealedFor struct {
	Holder string   `json:"holder"`
	Keys   []string `json:"keys"`
	Wraps  Wraps    `json:"wraps"`
}

// row judges a pair, of which one may be nil.
func (j *joiner) row(f *File, o *Live) Row {
	var r Row
	var holders []Holder
	var people map[string][]string
	if o != nil {
		r.Namespace, r.Name, holders = o.Namespace, o.Name, o.Holders
		r.Git, r.Ready, r.Reason, r.Message, r.Opened, r.Exposed = ClusterOnly, o.Ready, o.Reason, o.Message, o.Opened, o.Exposed
		if !o.Since.IsZero() {
			r.Since = &o.Since
		}
		key := Key{o.Namespace, o.Name}
		if o.secret != nil && o.secret.Name != "" {
			key.Name = o.secret.Name
		}
		written, found := j.look.Secrets[key]
		at := &written
		if !found {
			at = nil
		}
		r.Secret = o.secretState(at, j.look.AllSecrets || j.look.SecretsIn[o.Namespace])
	}
	if f != nil {
		r.File, r.Document, holders, people = f.Path, f.Document, f.Holders, f.People
		if o == nil {
			r.Namespace, r.Name = f.Place, f.Name
		} else if f.Name != o.Name {
			r.FileName = f.Name
		}
	}
	r.SealedFor = make([]SealedFor, 0, len(holders))
	for _, h := range holders {
		r.SealedFor = append(r.SealedFor, SealedFor{h.Name, h.Keys, wraps(h, j.look.Keyrings[h.Name], people[h.Name])})
	}
	if f != nil {
		r.Git, r.WrapsOnly = j.git(f, o, holders)
	}
	r.judge()
	return r
}

// git says how the file stands to the object, which may be nil.
func (j *joiner) git(f *File, o *Live, holders []Holder) (state Git, wrapsOnly bool) {
	switch {
	case f.Problem != "":
		return Broken, false
	case o == nil && f.Place == "" && !j.look.All, o == nil && f.Place != "" && !j.look.asked(f.Place):
		return Unknown, false
	case o == nil && j.elsewhere(holders):
		return Elsewhere, false
	case o == nil:
		return NotApplied, false
	}
	state, wrapsOnly = compare(&f.Sealed, &o.Sealed)
	if state != InSync && j.elsewhere(holders) && !j.elsewhere(o.Holders) {
		// The object of this name in this cluster is another file's.
		return Elsewhere, false
	}
	return state, wrapsOnly
}

// elsewhere says whether the cluster has none of the keyrings that could open the object.
func (j *joiner) elsewhere(holders []Holder) bool {
	return len(holders) > 0 && !slices.ContainsFunc(holders, func(h Holder) bool {
		k := j.look.Keyrings[h.Name]
		return !k.Asked || k.Found
	})
}

// The reasons for which a row is wrong, as the summary counts them.
const (
	whyBroken      = "broken"
	whyNotApplied  = "not applied"
	whyDiffers     = "not in sync"
	whyNotReady    = "not ready"
	whyStalled     = "stalled"
	whyWaiting     = "waiting"
	whyUnseen      = "not seen by the controller"
	whyDeleting    = "being deleted"
	whySecret      = "with a Secret that is not as it was written"
	whyCompromised = "sealed for a compromised key"
	whyExposed     = "exposed to a compromised key"
	whyUnknown     = "not known"
)

// judge fills in whether the row is wrong. Git comes first: what was not applied cannot be ready.
func (r *Row) judge() {
	r.Why = r.why()
	r.Wrong = r.Why != ""
}

func (r *Row) why() string {
	switch r.Git {
	case Broken:
		return whyBroken
	case NotApplied:
		return whyNotApplied
	case Unknown:
		return whyUnknown // nobody may take it for well
	case Elsewhere:
		return ""
	}
	ready := map[Ready]string{Stalled: whyStalled, Waiting: whyWaiting, No: whyNotReady, Unseen: whyUnseen}
	if why := ready[r.Ready]; why != "" && r.Ready == Stalled {
		return why
	}
	switch r.Git {
	case ClusterOlder, ClusterNewer, Differs:
		return whyDiffers
	}
	switch {
	case ready[r.Ready] != "":
		return ready[r.Ready]
	case r.Ready == Deleting && r.File != "":
		return whyDeleting
	case r.Ready == Yes && (r.Secret == SecretMissing || r.Secret == SecretChanged || r.Secret == SecretOld):
		return whySecret
	case slices.ContainsFunc(r.SealedFor, func(h SealedFor) bool { return h.Wraps == WrapsCompromised }):
		return whyCompromised
	case len(r.Exposed) > 0:
		return whyExposed
	}
	return ""
}

// NeedsRewrap says whether a holder's wraps are for keys that it no longer seals to.
func (r *Row) NeedsRewrap() bool {
	return slices.ContainsFunc(r.SealedFor, func(h SealedFor) bool { return h.Wraps == WrapsRewrap })
}
