package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// GitSecret is a Secret sealed for Git. The controller opens it inside the cluster and writes the Secret of the same name.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=gs,categories=waxwing
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Keys",type=string,JSONPath=`.status.openedWith`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type GitSecret struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec seal.Spec `json:"spec"`
	// +kubebuilder:default={observedGeneration:-1}
	Status GitSecretStatus `json:"status,omitempty"`
}

// GitSecretStatus is output only: the controller never takes a security decision from it.
type GitSecretStatus struct {
	// observedGeneration is the generation that the conditions speak of; -1 until the controller has seen the object.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready and, only while true, Reconciling or Stalled (kstatus), and Exposed.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// openedWith names the keys that opened the present values, as KEYRING/KEYID with 16 digits, for people.
	// +optional
	OpenedWith string `json:"openedWith,omitempty"`
	// keys are the keys that opened the present values.
	// +optional
	// +listType=atomic
	Keys []KeyUse `json:"keys,omitempty"`
	// secret is the Secret as the controller wrote it last.
	// +optional
	Secret *SecretRef `json:"secret,omitempty"`
	// rewrap offers new wraps to be put into Git, of holders whose keys have rotated.
	// +optional
	// +listType=map
	// +listMapKey=holder
	Rewrap []RewrapOffer `json:"rewrap,omitempty"`
	// exposed are the items whose present value a compromised key could ever have opened.
	// +optional
	// +listType=atomic
	Exposed []string `json:"exposed,omitempty"`
}

// KeyUse says that a key has opened an envelope of the object.
type KeyUse struct {
	// keyring that the key belongs to.
	Keyring string `json:"keyring"`
	// id of the key, 32 hex digits.
	ID string `json:"id"`
	// envelope that was opened with it.
	Envelope string `json:"envelope"`
}

// SecretRef names a version of the written Secret.
type SecretRef struct {
	// name of the Secret.
	Name string `json:"name"`
	// uid of the Secret.
	UID string `json:"uid"`
	// resourceVersion after the last write; another one means that somebody changed the Secret.
	ResourceVersion string `json:"resourceVersion"`
	// generation of the GitSecret that the Secret was written from.
	Generation int64 `json:"generation"`
	// content is a digest of all in the GitSecret that the Secret is made from, the ciphertexts and not the wraps among it: while it stays, a change of the GitSecret leaves the Secret as it is.
	// +optional
	Content string `json:"content,omitempty"`
}

// GitSecretList is a list of GitSecrets.
//
// +kubebuilder:object:root=true
type GitSecretList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GitSecret `json:"items"`
}

// Marks on Secrets.
const (
	// AnnotationAdopt on a Secret that nobody controls, with the value "true", lets the GitSecret of the same name take it over.
	AnnotationAdopt = "waxwing.io/adopt"
	// AnnotationOrigin on a Secret is NAMESPACE/NAME of the GitSecret that it was written from. It stays when the Secret outlives the GitSecret, so that a
	// GitSecret that comes back finds its Secret again.
	AnnotationOrigin = "waxwing.io/origin"
	// LabelManagedBy with the value ManagedBy is on every Secret that the controller wrote.
	LabelManagedBy = "app.kubernetes.io/managed-by"
	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "waxwing"
)

// AnnotationRollbackFrom on a GitSecret that an allowed signer has signed lets its items go back to older envelopes, once. Its value is the newest envelope that the
// controller has opened of the object, which the message of RollbackDenied names.
const AnnotationRollbackFrom = "waxwing.io/rollback-from"

// AnnotationAppliedBy on a GitSecret is the Kubernetes user who wrote its spec last, as the admission policy of the chart stamps it. It is not among those that a signature
// covers, waxwing.io/..., because the signer cannot know it.
const AnnotationAppliedBy = "audit.waxwing.io/applied-by"

// Condition types of GitSecret and Keyring (kstatus).
const (
	ConditionReady       = "Ready"
	ConditionReconciling = "Reconciling"
	ConditionStalled     = "Stalled"
	// ConditionDegraded is on Keyrings, and only while true: the keys work, but not as they should in production.
	ConditionDegraded = "Degraded"
	// ConditionMoving is on Keyrings with spec.moveFrom: True while something is left there, then False.
	ConditionMoving = "Moving"
)

// Reasons of ConditionMoving.
const (
	ReasonKeysLeft    = "KeysLeft"
	ReasonNothingLeft = "NothingLeft"
)

// ReasonAuditNotPersistent is the reason of ConditionDegraded while the audit log goes with the controller's pod.
const ReasonAuditNotPersistent = "AuditNotPersistent"
