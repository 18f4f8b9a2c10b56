package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Keyring is the life of one holder's sealing keys. Its name is the holder's name in envelopes.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:scope=Cluster,categories=waxwing
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Active",type=string,JSONPath=`.status.activeKey`
// +kubebuilder:printcolumn:name="Source",type=string,JSONPath=`.status.source`
// +kubebuilder:printcolumn:name="Rotates",type=string,JSONPath=`.status.nextRotation`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Degraded",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Degraded")].reason`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 63",message="the name of a keyring is at most 63 characters long: it stands in every sealed file"
type Keyring struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec KeyringSpec `json:"spec"`
	// +kubebuilder:default={observedGeneration:-1}
	Status KeyringStatus `json:"status,omitempty"`
}

// KeyringSpec says where the keys live and what they may open.
//
// +kubebuilder:validation:XValidation:rule="!has(self.source.vaultTransit) || (has(self.class) ? self.class : 'postquantum') == 'classical'",message="keys of source vaultTransit are RSA keys: set class: classical"
// +kubebuilder:validation:XValidation:rule="!has(self.source.vaultTransit) || has(self.breakGlass)",message="what is sealed to a key that never leaves Vault is lost with that Vault: set breakGlass.recipients"
// +kubebuilder:validation:XValidation:rule="!has(self.moveFrom) || (!has(self.source.vaultTransit) && !has(self.moveFrom.vaultTransit))",message="keys of source vaultTransit cannot leave Vault, and others cannot become such: make another keyring and rewrap"
type KeyringSpec struct {
	// source is where the private keys live.
	// +kubebuilder:default={secret:{}}
	// +optional
	Source KeySource `json:"source,omitzero"`
	// moveFrom is the source that the keys are moved from. While it is set, they are opened with wherever they are; each is copied to source, read back and proved,
	// and then deleted here. When status says that nothing is left in it, take it out.
	// +optional
	MoveFrom *KeySource `json:"moveFrom,omitempty"`
	// breakGlass is who can open without the keyring, such as when its Vault is lost.
	// +optional
	BreakGlass *BreakGlass `json:"breakGlass,omitempty"`
	// rotation says when the keyring gets a new key, and when an old one is destroyed.
	// +optional
	Rotation *Rotation `json:"rotation,omitempty"`
	// requests ask for something to be done with single keys, one request a key; the controller carries them out and leaves them here. `seal keys` makes them.
	// +kubebuilder:validation:MaxItems=64
	// +listType=map
	// +listMapKey=key
	// +optional
	Requests []KeyRequest `json:"requests,omitempty"`
	// class of the keys: postquantum (age hybrid) or classical (X25519; RSA-4096 with source vaultTransit).
	// +kubebuilder:validation:Enum=postquantum;classical
	// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="the class of a keyring cannot change: one object never mixes classes; make another keyring"
	// +kubebuilder:default=postquantum
	// +optional
	Class string `json:"class,omitempty"`
	// namespaces that the keyring opens for, by name or with * as a wildcard.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=256
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9*-]{1,63}$`
	// +kubebuilder:default={"*"}
	// +listType=set
	// +optional
	Namespaces []string `json:"namespaces,omitempty"`
	// scopes that the keyring opens: strict, namespace, cluster, match.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:items:Enum=strict;namespace;cluster;match
	// +kubebuilder:default={"strict","namespace"}
	// +listType=set
	// +optional
	Scopes []string `json:"scopes,omitempty"`
	// signers are who may sign objects of the keyring's namespaces. With an empty list, anybody's signature will do, and none is remembered. The rules of every
	// keyring that opens for a namespace hold there, whichever keyring opens the object, because whoever writes to Git can drop wraps.
	// +kubebuilder:validation:MaxItems=256
	// +listType=map
	// +listMapKey=name
	// +optional
	Signers []Signer `json:"signers,omitempty"`
	// signatures says whether objects of the keyring's namespaces have to be signed: Optional or Required.
	// +kubebuilder:validation:Enum=Optional;Required
	// +kubebuilder:default=Optional
	// +optional
	Signatures string `json:"signatures,omitempty"`
	// rollback says what becomes of an object of the keyring's namespaces that goes back to an older envelope: Event (it is opened, and an event tells of it) or
	// Deny (it is refused).
	// +kubebuilder:validation:Enum=Event;Deny
	// +kubebuilder:default=Event
	// +optional
	Rollback string `json:"rollback,omitempty"`
	// templateMetadata lists the keys, or PREFIX/*, of labels and annotations that templates may set on Secrets besides those without a prefix. All keyrings whose
	// keys open the object must list them.
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=317
	// +kubebuilder:validation:items:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?/(\*|[A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)$`
	// +kubebuilder:validation:XValidation:rule="self.all(k, !['waxwing.io/', 'kubectl.kubernetes.io/', 'kubernetes.io/', 'k8s.io/'].exists(p, k.startsWith(p)) && k != 'app.kubernetes.io/managed-by')",message="keys of waxwing.io/, kubectl.kubernetes.io/, kubernetes.io/ and k8s.io/, and app.kubernetes.io/managed-by, are never taken from a template"
	// +listType=set
	// +optional
	TemplateMetadata []string `json:"templateMetadata,omitempty"`
}

// Values of KeyringSpec.Signatures and KeyringSpec.Rollback.
const (
	SignaturesOptional = "Optional"
	SignaturesRequired = "Required"
	RollbackEvent      = "Event"
	RollbackDeny       = "Deny"
)

// Signer is somebody who may sign objects.
type Signer struct {
	// name of the signer, for people.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
	// key is the public key as a line of authorized_keys has it, without options: its type, the key in base64, perhaps a comment. Ed25519, ECDSA and RSA (2,048
	// bits and more), and Ed25519 and ECDSA on hardware.
	// +kubebuilder:validation:MaxLength=4096
	// +kubebuilder:validation:Pattern=`^[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,2}( [^\n\r]*)?$`
	Key string `json:"key"`
}

// KeyringStatus is output only.
type KeyringStatus struct {
	// observedGeneration is the generation that the conditions speak of; -1 until the controller has seen the object.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// conditions are Ready and, only while true, Reconciling or Stalled (kstatus), and Degraded; Moving with spec.moveFrom.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// statementKey is the public half of the statement key (a C2SP verifier key); pin it where sealed files are kept.
	// +optional
	StatementKey string `json:"statementKey,omitempty"`
	// activeKey is the display id of the key to seal to.
	// +optional
	ActiveKey string `json:"activeKey,omitempty"`
	// source is the kind of spec.source: secret, secret/transit (sealed keys), vaultKV or vaultTransit.
	// +optional
	Source string `json:"source,omitempty"`
	// recipients is the signed note of the present recipient set; also in a ConfigMap and at GET /v1/recipients.
	// +optional
	Recipients string `json:"recipients,omitempty"`
	// keys of the keyring, newest first.
	// +optional
	// +listType=map
	// +listMapKey=id
	Keys []KeyStatus `json:"keys,omitempty"`
	// nextRotation is when the active key is to be replaced by what spec.rotation says; in the past where the rotation is held up, as the message of Ready says.
	// +optional
	NextRotation *metav1.Time `json:"nextRotation,omitempty"`
	// requests is what has become of those of spec.
	// +optional
	// +listType=map
	// +listMapKey=key
	Requests []RequestStatus `json:"requests,omitempty"`
}

// KeyStatus describes one sealing key.
type KeyStatus struct {
	// id of the key, 32 hex digits.
	ID string `json:"id"`
	// recipient is the public key.
	Recipient string `json:"recipient"`
	// state is one of NIST SP 800-57: PreActive, Active, Suspended, Deactivated, Compromised, Destroyed.
	State string `json:"state"`
	// created is when the key was made.
	Created metav1.Time `json:"created"`
	// activated is when the key became active.
	// +optional
	Activated *metav1.Time `json:"activated,omitempty"`
	// since is when the key came into its present state; absent for keys of before this was kept.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// uses is what is known of who needs the key.
	// +optional
	Uses *KeyUses `json:"uses,omitempty"`
	// wasClear says that the private key has lain in a Secret in the clear before it was moved: backups of etcd may hold it. What it
	// could open should be sealed anew with another key (seal rewrap --fresh).
	// +optional
	WasClear bool `json:"wasClear,omitempty"`
}

// KeyringList is a list of Keyrings.
//
// +kubebuilder:object:root=true
type KeyringList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Keyring `json:"items"`
}
