package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// Rotation says when a keyring gets a new key, and when an old one goes.
type Rotation struct {
	// every is how old the active key becomes at the most before another takes its place, such as 2160h; absent: a key is only replaced when that is asked for.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="a key lives for 1m at least"
	// +optional
	Every *metav1.Duration `json:"every,omitempty"`
	// renewBefore has a key that became active before this time replaced by a new one, once; a time that has not come yet has none replaced. `seal keys rotate` sets it.
	// +optional
	RenewBefore *metav1.Time `json:"renewBefore,omitempty"`
	// destroyAfter is how long a key stays after it was deactivated, and how long what is gone from the cluster counts as a use of it: after that, and when no use is known, it
	// is destroyed. Absent: never, because going back in Git needs old keys.
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="a key is kept for 1m at least"
	// +optional
	DestroyAfter *metav1.Duration `json:"destroyAfter,omitempty"`
}

// KeyRequest asks for something to be done with one key. Those that cannot be done, and why, are in status.requests.
type KeyRequest struct {
	// key is the id of the key, all 32 hex digits.
	// +kubebuilder:validation:Pattern=`^[0-9a-f]{32}$`
	Key string `json:"key"`
	// do is Suspend (it neither seals nor opens), Resume (a suspended key is as before, or opens only where another is active by now), Deactivate (it opens only; an active
	// one is replaced), Compromise (others know it: it is replaced at once, and what it could open is Exposed) or Destroy.
	// +kubebuilder:validation:Enum=Suspend;Resume;Deactivate;Compromise;Destroy
	Do string `json:"do"`
	// reason, for people and the audit log.
	// +kubebuilder:validation:MaxLength=1024
	// +optional
	Reason string `json:"reason,omitempty"`
	// despite, with Destroy, is which known uses are no obstacle: Gone (what is not in the cluster any more) or Any.
	// +kubebuilder:validation:Enum=Gone;Any
	// +optional
	Despite string `json:"despite,omitempty"`
}

// Values of KeyRequest.
const (
	RequestSuspend    = "Suspend"
	RequestResume     = "Resume"
	RequestDeactivate = "Deactivate"
	RequestCompromise = "Compromise"
	RequestDestroy    = "Destroy"
	DespiteGone       = "Gone"
	DespiteAny        = "Any"
)

// RequestStatus is what has become of a request of spec.requests.
type RequestStatus struct {
	// key and do are those of the request.
	Key string `json:"key"`
	Do  string `json:"do"`
	// outcome is Done, Waiting (it is tried again by itself) or Refused (somebody has to change something).
	Outcome string `json:"outcome"`
	// message says why.
	// +optional
	Message string `json:"message,omitempty"`
}

// Outcomes of RequestStatus.
const (
	RequestDone    = "Done"
	RequestWaiting = "Waiting"
	RequestRefused = "Refused"
)

// KeyUses is what is known of who needs a key. It is counted from time to time.
type KeyUses struct {
	// objects of the cluster that need the key, as far as is known: none means that no use is known, not that there is none.
	Objects int32 `json:"objects"`
	// gone are objects, or earlier versions of them, that needed it and are not in the cluster any more: going back to them in Git needs the key.
	// +optional
	Gone int32 `json:"gone,omitempty"`
	// examples are up to 10 of the objects, NAMESPACE/NAME.
	// +optional
	// +listType=atomic
	Examples []string `json:"examples,omitempty"`
	// git are up to 10 of the SecretSyncs, NAMESPACE/NAME, that follow files which are wrapped for it.
	// +optional
	// +listType=atomic
	Git []string `json:"git,omitempty"`
	// unseen says what was not looked at, such as namespaces that this controller cannot read; nothing is destroyed by itself then.
	// +optional
	Unseen string `json:"unseen,omitempty"`
	// counted is when.
	Counted metav1.Time `json:"counted"`
}

// RewrapOffer is a new wrap of one holder for the envelopes of a GitSecret, for whoever keeps it in Git to put into place: `seal rewrap`, or the sync agent.
type RewrapOffer struct {
	// holder whose wraps these are: the name of the keyring.
	Holder string `json:"holder"`
	// set is the number of the recipient set that the wraps are for.
	Set int64 `json:"set"`
	// note is the offer, signed with the keyring's statement key (docs/statements.md).
	Note string `json:"note"`
}

// ConditionExposed is on GitSecrets while a value could ever have been opened with a key that is compromised: it has to be renewed at its source.
const ConditionExposed = "Exposed"

// ReasonKeyCompromised is the reason of ConditionExposed.
const ReasonKeyCompromised = "KeyCompromised"
