package keyring

import (
	"fmt"
	"slices"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// request gives what is asked for with a key.
func (s Situation) request(id string) (v1alpha1.KeyRequest, bool) {
	i := slices.IndexFunc(s.Requests, func(r v1alpha1.KeyRequest) bool { return r.Key == id })
	if i < 0 {
		return v1alpha1.KeyRequest{}, false
	}
	return s.Requests[i], true
}

// satisfies says whether a key in this state is as a request wants it, so that one that lies there for ever does no harm.
func satisfies(state State, do string) bool {
	switch do {
	case v1alpha1.RequestSuspend:
		return state == Suspended
	case v1alpha1.RequestResume:
		return state != Suspended
	case v1alpha1.RequestDeactivate:
		return state == Deactivated || state == Compromised || state == Destroyed
	case v1alpha1.RequestCompromise:
		return state == Compromised || state == Destroyed
	case v1alpha1.RequestDestroy:
		return state == Destroyed
	}
	return false
}

// illegal says why a request cannot be done with a key in this state, and what can be; empty: it can.
func illegal(state State, do string) string {
	switch {
	case do == v1alpha1.RequestDestroy && state == Active:
		return "the key is sealed to: rotate first (seal keys rotate), or ask for Deactivate or Compromise, and then for Destroy"
	case do == v1alpha1.RequestDestroy && state == Suspended:
		return "the key is only suspended: ask for Deactivate or Compromise first, and then for Destroy"
	case do == v1alpha1.RequestDeactivate && state == PreActive:
		return "the key was never active: ask for Destroy, or for Compromise where others know it"
	case do == v1alpha1.RequestSuspend && state != Active:
		return fmt.Sprintf("only an active key can be suspended, and this one is %s%s", state, instead(state))
	case !slices.Contains([]string{v1alpha1.RequestSuspend, v1alpha1.RequestResume, v1alpha1.RequestDeactivate, v1alpha1.RequestCompromise, v1alpha1.RequestDestroy}, do):
		return fmt.Sprintf("this controller does not know what %q is", do)
	}
	return ""
}

// instead says what can be asked for with a key that cannot be suspended.
func instead(state State) string {
	switch state {
	case PreActive, Deactivated:
		return ": ask for Compromise where others know it, or for Destroy"
	case Compromised:
		return ": ask for Destroy"
	}
	return ""
}

// asked is the next step that a request asks for, but for those that need another key first: a key that is sealed to is deactivated by its rotation, and nothing that was in use
// is destroyed before all else is done.
func (s Situation) asked() (Next, bool) {
	for _, r := range s.Requests {
		k, ok := s.key(r.Key)
		if !ok || satisfies(k.State, r.Do) || illegal(k.State, r.Do) != "" {
			continue
		}
		next := Next{Key: k.ID, Why: asking(r)}
		switch {
		case r.Do == v1alpha1.RequestSuspend:
			next.Do, next.To = DoSuspend, Suspended
		case r.Do == v1alpha1.RequestCompromise:
			next.Do, next.To = DoCompromise, Compromised
		case r.Do == v1alpha1.RequestResume && len(inState(s.Keys, Active)) > 0:
			next.Do, next.To = DoResume, Deactivated
		case r.Do == v1alpha1.RequestResume:
			next.Do, next.To = DoResume, Active
		case r.Do == v1alpha1.RequestDeactivate && (k.State == Suspended || s.spare(k.ID)):
			next.Do, next.To = DoDeactivate, Deactivated
		case r.Do == v1alpha1.RequestDestroy && k.State == PreActive && !s.Moving:
			// It may be in the way of a rotation, because it cannot be proved.
			if next = s.destroy(k, r.Despite, next.Why); next.Do == DoNothing {
				continue
			}
		default:
			continue
		}
		return next, true
	}
	return Next{}, false
}

// spare says whether an active key is neither the only one nor that of the published set.
func (s Situation) spare(id string) bool {
	return len(inState(s.Keys, Active)) > 1 && !slices.Contains(s.Published, id)
}

// asking is why something is done that a request asks for.
func asking(r v1alpha1.KeyRequest) string {
	why := "asked for: " + r.Do
	if r.Despite != "" {
		why += " despite " + r.Despite
	}
	if r.Reason != "" {
		why += ", because: " + r.Reason
	}
	return why
}

// Outcomes says what has become of all requests where Decide has nothing more to ask for. waits is what has stopped it before; empty: nothing has.
func (s Situation) Outcomes(waits string) []v1alpha1.RequestStatus {
	var all []v1alpha1.RequestStatus
	for _, r := range s.Requests {
		o := v1alpha1.RequestStatus{Key: r.Key, Do: r.Do}
		o.Outcome, o.Message = s.outcome(r, waits)
		o.Message = bounded(o.Message)
		all = append(all, o)
	}
	return all
}

func (s Situation) outcome(r v1alpha1.KeyRequest, waits string) (outcome, message string) {
	k, ok := s.key(r.Key)
	switch {
	case !ok && s.Unreadable:
		return v1alpha1.RequestRefused, "the keyring has no key of this id that can be used"
	case !ok:
		return v1alpha1.RequestRefused, "the keyring has no key of this id"
	case satisfies(k.State, r.Do):
		return v1alpha1.RequestDone, fmt.Sprintf("the key is %s%s", k.State, since(k))
	case illegal(k.State, r.Do) != "":
		return v1alpha1.RequestRefused, illegal(k.State, r.Do)
	case r.Do == v1alpha1.RequestDestroy && s.undestroyed(k.ID) != "":
		return v1alpha1.RequestWaiting, s.undestroyed(k.ID)
	case waits != "":
		return v1alpha1.RequestWaiting, waits
	case r.Do == v1alpha1.RequestDestroy && s.Moving, r.Do == v1alpha1.RequestDeactivate && s.held() != "":
		return v1alpha1.RequestWaiting, s.held()
	case r.Do == v1alpha1.RequestDestroy && s.Uses != nil && s.obstacle(k, r.Despite) != "":
		if s.soon(k, r.Despite) {
			return v1alpha1.RequestWaiting, s.obstacle(k, r.Despite)
		}
		return v1alpha1.RequestRefused, s.obstacle(k, r.Despite)
	}
	return v1alpha1.RequestWaiting, "it was not done yet"
}

func since(k Key) string {
	if k.Since.IsZero() {
		return ""
	}
	return k.Since.UTC().Format(" since 2006-01-02T15:04:05Z")
}
