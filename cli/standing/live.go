package standing

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Live is a GitSecret as the cluster has it.
type Live struct {
	Sealed
	Ready  Ready
	Reason string    // of the condition Ready
	Since  time.Time // of the condition Ready; zero where there is none
	// Message of the condition Ready, where that is not true.
	Message string
	Opened  []v1alpha1.KeyUse // with which keys, as the status says
	Exposed []string          // items whose value a compromised key could ever have opened, as the status says
	secret  *v1alpha1.SecretRef
	current bool // the Secret was written from this generation
}

// Ready says in a word what the controller says of an object.
type Ready string

// What the controller says.
const (
	Yes       Ready = "yes"
	Stalled   Ready = "stalled"   // somebody has to act
	Waiting   Ready = "waiting"   // the controller tries again by itself
	No        Ready = "no"        // not ready, and neither of the two
	Suspended Ready = "suspended" // as the object wants it
	Unseen    Ready = "unseen"    // the controller has not looked at this version yet
	Deleting  Ready = "deleting"
	Absent    Ready = "" // there is no such object in the cluster
)

// reasonSuspended is the controller's reason for spec.suspend.
const reasonSuspended = "Suspended"

// ReadLive reads the JSON of a GitSecret as the API server gives it.
func ReadLive(doc []byte) (Live, error) {
	var o v1alpha1.GitSecret
	if err := json.Unmarshal(doc, &o); err != nil {
		return Live{}, err
	}
	l := Live{Sealed: Sealed{Namespace: o.Namespace, Name: o.Name}, Opened: o.Status.Keys, Exposed: o.Status.Exposed, secret: o.Status.Secret}
	l.current = l.secret != nil && l.secret.Generation == o.Generation
	l.sealed(&o.Spec)
	conditions := map[string]metav1.Condition{}
	for _, c := range o.Status.Conditions {
		conditions[c.Type] = c
	}
	ready, known := conditions[v1alpha1.ConditionReady]
	l.Reason, l.Since = ready.Reason, ready.LastTransitionTime.Time
	if ready.Status != metav1.ConditionTrue {
		l.Message = ready.Message
	}
	is := func(kind string) bool { return conditions[kind].Status == metav1.ConditionTrue }
	switch {
	case o.DeletionTimestamp != nil:
		l.Ready = Deleting
	case !known || o.Status.ObservedGeneration != o.Generation:
		l.Ready = Unseen
	case ready.Reason == reasonSuspended: // whatever its status: Ready is True, so that deliveries do not wait
		l.Ready = Suspended
	case ready.Status == metav1.ConditionTrue:
		l.Ready = Yes
	case is(v1alpha1.ConditionStalled):
		l.Ready = Stalled
	case is(v1alpha1.ConditionReconciling) || ready.Status == metav1.ConditionUnknown:
		l.Ready = Waiting
	default:
		l.Ready = No
	}
	if l.Ready == Unseen {
		l.Reason, l.Message, l.Since = "", "", time.Time{} // of another version
	}
	return l, nil
}

// Secret says how the Secret stands to what the controller wrote.
type Secret string

// How the Secret stands. Those that end in a question mark are the controller's word alone: the Secrets could not be looked at.
const (
	SecretOK      Secret = "ok"      // as it was written last
	SecretSaid    Secret = "ok?"     // written, by the status
	SecretOld     Secret = "old"     // written from an earlier version of the object
	SecretChanged Secret = "changed" // by somebody, after it was written
	SecretMissing Secret = "missing" // written, and no longer there
	SecretNone    Secret = "none"    // never written
	SecretUnknown Secret = "?"       // there is no status to go by
	SecretAbsent  Secret = ""        // no object in the cluster
)

// Written is a Secret of the controller's, as its metadata has it.
type Written struct{ UID, ResourceVersion string }

// secretState judges the Secret; written is nil where it is not there, known says whether Secrets could be looked at.
func (l *Live) secretState(written *Written, known bool) Secret {
	switch ref := l.secret; {
	case ref == nil && l.Ready == Unseen:
		return SecretUnknown
	case ref == nil:
		return SecretNone
	case known && written == nil:
		return SecretMissing
	case known && (written.UID != ref.UID || written.ResourceVersion != ref.ResourceVersion):
		return SecretChanged
	case !l.current:
		return SecretOld
	case known:
		return SecretOK
	}
	return SecretSaid
}
