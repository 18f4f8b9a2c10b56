package unseal

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const maxMessage = 1024

// Outcome is what became of an object.
type Outcome struct {
	Reason  Reason
	Message string
	// Keys and Secret are set for Unsealed; otherwise the status keeps what it has, because the Secret is as it was.
	Keys   []v1alpha1.KeyUse
	Secret *v1alpha1.SecretRef
	// RolledBack tells that items went back to older envelopes, where that was let through: an event and the audit log say so, the status does not.
	RolledBack string
	// NoBreakGlass tells of envelopes that only the keyring opens, although it names who else should: an event says so once.
	NoBreakGlass string
	// Exposure is that of the object.
	Exposure Exposure
}

// Outcome of a refusal.
func (r *Refusal) Outcome() Outcome { return Outcome{Reason: r.Reason, Message: r.Error()} }

// unsealed is the outcome of a Secret that holds what it should.
func unsealed(items int, keys []v1alpha1.KeyUse, ref v1alpha1.SecretRef) Outcome {
	noun := "items"
	if items == 1 {
		noun = "item"
	}
	return Outcome{Reason: Unsealed, Message: fmt.Sprintf("Secret %s holds %d sealed %s", ref.Name, items, noun), Keys: keys, Secret: &ref}
}

// Written is the outcome of a Secret that was written by p with contents c.
func (p *Plan) Written(c *Contents, o *v1alpha1.GitSecret, secret metav1.ObjectMeta) Outcome {
	out := unsealed(len(p.Items), c.Keys, refTo(o, secret, contentOf(o)))
	out.RolledBack, out.NoBreakGlass, out.Exposure = p.rolledBack, p.noBreakGlass, p.Exposure(c.MACs)
	return out
}

// Proved is the outcome of an object that was opened for Proves.
func (p *Plan) Proved(c *Contents) Outcome {
	out := *p.Proves
	out.Keys, out.NoBreakGlass, out.Exposure = c.Keys, p.noBreakGlass, p.Exposure(c.MACs)
	return out
}

func refTo(o *v1alpha1.GitSecret, secret metav1.ObjectMeta, content string) v1alpha1.SecretRef {
	return v1alpha1.SecretRef{Name: secret.Name, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion, Generation: o.Generation, Content: content}
}

// Status is old with the outcome in it, for the generation that it speaks of. Transition times stay where a condition's status stays; conditions are as
// kstatus reads them: Ready always, Reconciling and Stalled only while true.
func (o Outcome) Status(old v1alpha1.GitSecretStatus, generation int64, now time.Time) v1alpha1.GitSecretStatus {
	row, ok := o.Reason.Row()
	if !ok {
		row = Row{Ready: metav1.ConditionUnknown, Then: Retrying}
	}
	next := *old.DeepCopy()
	next.ObservedGeneration = generation
	set := func(kind string, status metav1.ConditionStatus, wanted bool) {
		if !wanted {
			meta.RemoveStatusCondition(&next.Conditions, kind)
			return
		}
		meta.SetStatusCondition(&next.Conditions, metav1.Condition{
			Type: kind, Status: status, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
			Reason: string(o.Reason), Message: shorten(o.Message),
		})
	}
	set(v1alpha1.ConditionReady, row.Ready, true)
	set(v1alpha1.ConditionReconciling, metav1.ConditionTrue, row.Then == Retrying)
	set(v1alpha1.ConditionStalled, metav1.ConditionTrue, row.Then == Stalled)
	o.Exposure.show(&next, generation, now)
	if o.Reason == Unsealed {
		next.Keys, next.Secret, next.OpenedWith = o.Keys, o.Secret, openedWith(o.Keys)
	}
	return next
}

// ReasonOf is the reason that a status shows; empty if it shows none.
func ReasonOf(s v1alpha1.GitSecretStatus) Reason {
	if c := meta.FindStatusCondition(s.Conditions, v1alpha1.ConditionReady); c != nil {
		return Reason(c.Reason)
	}
	return ""
}

// openedWith lists the different keys as KEYRING/ID, for people.
func openedWith(keys []v1alpha1.KeyUse) string {
	const most = 4
	var names []string
	for _, k := range keys {
		if name := k.Keyring + "/" + k.ID[:min(len(k.ID), seal.KeyIDDisplay)]; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	more := ""
	if len(names) > most {
		more = fmt.Sprintf(" and %d more", len(names)-most)
		names = names[:most]
	}
	return strings.Join(names, ",") + more
}

// shorten cuts a message between characters; a condition takes no more than 32 KiB, and people less.
func shorten(s string) string {
	if len(s) <= maxMessage {
		return s
	}
	cut := maxMessage
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}
