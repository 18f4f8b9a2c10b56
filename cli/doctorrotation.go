package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// rotationSlack is how late a rotation may be: it waits for moves, and for a source that is away.
const rotationSlack = time.Hour

// rotationDiagnoses say what is the matter with a keyring's rotation: one that is overdue, requests that are refused, and keys that others know.
func rotationDiagnoses(k *v1alpha1.Keyring, now time.Time) (all []diagnosis) {
	warn := func(hint, format string, args ...any) {
		all = append(all, diagnosis{"rotation", healthWarn, k.Name + ": " + fmt.Sprintf(format, args...), hint})
	}
	switch next := k.Status.NextRotation; {
	case next == nil:
	case now.Sub(next.Time) > rotationSlack:
		warn("kubectl describe keyring "+shown(k.Name)+" has the events", "its key was to be replaced %s, and has not been", ageWords(now.Sub(next.Time)))
	default:
		all = append(all, diagnosis{"rotation", healthOK, fmt.Sprintf("%s: its key is replaced on %s", k.Name, next.UTC().Format(time.DateOnly)), ""})
	}
	for _, r := range k.Spec.Requests {
		if s := requestStatus(k, r); s != nil && s.Outcome == v1alpha1.RequestRefused {
			warn("it is carried out when nothing is in its way any more: take it out of spec.requests if it is not meant", "to %s key %s is refused: %s", strings.ToLower(r.Do), displayID(r.Key), s.Message)
		}
	}
	for _, key := range k.Status.Keys {
		if key.State == stateCompromised {
			warn("seal keys exposed lists the values to renew; when they are, seal keys destroy "+displayID(key.ID), "key %s is compromised, and still opens what is sealed for it", displayID(key.ID))
		}
	}
	return all
}
