package keyring

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Result is what an Ensure has come to, for status and events. Texts in it name places and ids, never contents.
type Result struct {
	// Ready, Reason and Message are the Ready condition. Stalled says that a person must act.
	Ready, Stalled  bool
	Reason, Message string
	// Known says that the fields below are the present truth; otherwise what was known before still counts.
	Known        bool
	StatementKey string
	ActiveKey    string // for display; empty unless exactly one key is active
	Note         string // the signed recipient set; empty where there is none to seal to
	Keys         []v1alpha1.KeyStatus
	// NextRotation is when the active key is to be replaced by what spec.rotation says; nil where it is not planned.
	NextRotation *metav1.Time
	// Requests is what has become of spec.requests, whatever is known.
	Requests []v1alpha1.RequestStatus
	// LookAgain is when something may have to be done because time has passed; zero: there is no such time.
	LookAgain time.Time
	// Move is what has become of spec.moveFrom; nil where there is none.
	Move *Move
	// Backup is how the backup of the keys does; nil where nobody keeps any, or it was not looked at.
	Backup *Backed
	// Restore is what has become of a request to take keys from a backup; nil where there is none.
	Restore *Restored
	// Done is what was done, in order, also before an error.
	Done []Done
}

// Done is one thing that was done to a keyring, with a reason in CamelCase.
type Done struct{ Reason, Message string }

// DoneCompromised is the reason of a Done that people should be warned of.
const DoneCompromised = "KeyCompromised"

// result puts what was found and what went wrong into words.
func (r *run) result(err error) Result {
	// A source that is behind the status takes nothing from it: that is all that is left to say which key is missing.
	situation := r.situation()
	res := Result{Done: r.done, Known: r.inv.complete() && !situation.behind()}
	res.Move, res.Backup, res.Restore = r.moved(err), r.backed, r.restored(err)
	published := r.inv.published()
	res.StatementKey, res.Note = published.VerifierKey, published.Note
	res.Keys = statuses(r.inv.plain(), func(id string) *v1alpha1.KeyUses { return r.m.lastUses(r.kr.Name).shown(id, r.kr.Status.Keys) })
	if at := situation.NextRotation(); !at.IsZero() {
		res.NextRotation = &metav1.Time{Time: at}
	}
	res.Requests, res.LookAgain = r.requests(situation), situation.LookAgain()
	if again := r.m.cfg.Now().Add(soonAgain); r.waits != "" && (res.LookAgain.IsZero() || again.Before(res.LookAgain)) {
		res.LookAgain = again
	}
	if active := inState(r.inv.plain(), Active); len(active) == 1 {
		res.ActiveKey = display(active[0])
	}
	switch {
	case err != nil:
		f := (*refusal)(nil)
		res.Stalled = errors.As(err, &f) && f.stalled
		res.Reason, res.Message = reasonOf(err), err.Error()
	default:
		res.Ready, res.Reason = true, ReasonKeyActive
		res.Message = sealingTo(published, res.ActiveKey)
		if waits := situation.Waits(); waits != "" {
			res.Message += "; another is to take its place, which waits: " + waits
		}
	}
	if res.Reason == ReasonProbeFailed && res.ActiveKey != "" && res.Note != "" {
		// The new key is not well; the one that is sealed to is.
		res.Ready, res.Stalled, res.Message = true, false, sealingTo(published, res.ActiveKey)+"; no other can take its place: "+res.Message
	}
	if len(r.inv.faults) > 0 {
		if res.Ready {
			res.Reason = ReasonKeyUnreadable
		}
		res.Message += "; cannot be used: " + describe(r.inv.faults)
	}
	for _, u := range r.undestroyed {
		res.Message += "; key " + display(u.Key) + " is to be destroyed and stays: " + u.Why
	}
	if clear := onceClear(r.inv.plain()); len(clear) > 0 {
		res.Message += "; have lain in a Secret in the clear, so that backups of etcd may hold them: " + displays(clear) + " (rotate, seal anew what they could open with seal rewrap --fresh, and destroy them)"
	}
	res.Message = bounded(res.Message)
	if res.Move != nil {
		res.Move.Message = bounded(res.Move.Message)
	}
	return res
}

// onceClear lists the keys that have lain in the clear and still open something, oldest first.
func onceClear(keys []Key) []string {
	return ids(slices.DeleteFunc(slices.SortedFunc(slices.Values(keys), older), func(k Key) bool { return !k.WasClear || k.State == Destroyed }))
}

// maxMessage bounds a message in bytes: the API server refuses a status with one of 32 KiB, and sources have names that others have chosen.
const maxMessage = 4 << 10

func bounded(text string) string {
	if len(text) <= maxMessage {
		return text
	}
	return strings.ToValidUTF8(text[:maxMessage], "") + "…"
}

func sealingTo(set Published, key string) string {
	return fmt.Sprintf("sealing to key %s, recipient set %d", key, set.Set)
}

// requests says what has become of those of the spec. Where the keys could not be read, what was known before still counts.
func (r *run) requests(s Situation) []v1alpha1.RequestStatus {
	if r.inv.keysRead {
		waits := ""
		if r.stopped != nil {
			waits = r.stopped.Error()
		}
		return s.Outcomes(waits)
	}
	var all []v1alpha1.RequestStatus
	for _, asked := range s.Requests {
		o := v1alpha1.RequestStatus{Key: asked.Key, Do: asked.Do, Outcome: v1alpha1.RequestWaiting, Message: bounded(errorText(r.stopped))}
		for _, before := range r.kr.Status.Requests {
			if before.Key == asked.Key && before.Do == asked.Do {
				o = before
			}
		}
		all = append(all, o)
	}
	return all
}

// maxShown and maxDestroyedShown bound the keys that a status lists: one with a post-quantum recipient takes some 2 KiB, and etcd takes no object of 1.5 MiB.
const maxShown, maxDestroyedShown = 200, 20

// statuses describes keys, newest first; of those that are too many the oldest are left out.
func statuses(keys []Key, uses func(id string) *v1alpha1.KeyUses) []v1alpha1.KeyStatus {
	var all []v1alpha1.KeyStatus
	var destroyed int
	for _, k := range slices.SortedFunc(slices.Values(keys), func(a, b Key) int { return older(b, a) }) {
		if k.State == Destroyed {
			destroyed++
		}
		if len(all) >= maxShown && k.State != Active || k.State == Destroyed && destroyed > maxDestroyedShown {
			continue
		}
		s := v1alpha1.KeyStatus{ID: k.ID, Recipient: k.Recipient, State: string(k.State), Created: metav1.NewTime(k.Created), WasClear: k.WasClear, Uses: uses(k.ID)}
		if !k.Activated.IsZero() {
			at := metav1.NewTime(k.Activated)
			s.Activated = &at
		}
		if !k.Since.IsZero() {
			at := metav1.NewTime(k.Since)
			s.Since = &at
		}
		all = append(all, s)
	}
	return all
}
