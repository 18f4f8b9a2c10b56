package seal

// Format is the version of the sealed format that this package reads and writes (section 2).
const Format = 1

// Deletion policies: what becomes of the Secret when its GitSecret is deleted.
const (
	DeletionDelete = "Delete"
	DeletionRetain = "Retain"
)

// What becomes of an immutable Secret that would have to change.
const (
	OnImmutableRefuse   = "Refuse"
	OnImmutableRecreate = "Recreate"
)

// Spec is the spec of a GitSecret (section 2). Byte strings stay in their text form, so that decoding is strict in one place, Check.
//
// +kubebuilder:object:generate=true
// +kubebuilder:validation:XValidation:rule="!has(self.items) || self.items.all(k, has(self.envelopes) && self.items[k].envelope in self.envelopes)",message="every item must name an envelope of spec.envelopes; a merge may have lost lines: take an item together with its envelope"
type Spec struct {
	// format is the version of the sealed format, independent of apiVersion.
	// +kubebuilder:validation:Enum=1
	Format int32 `json:"format"`

	// for says where the items may be opened; it is bound into every ciphertext.
	For For `json:"for"`

	// items maps each key of the Secret to its ciphertext.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=4096
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.size() <= 253 && k.matches('^[-._a-zA-Z0-9]+$') && k != '.' && !k.startsWith('..'))",message="the name of an item must be a key of a Secret: letters, digits, -, _ and ., at most 253"
	Items map[string]Item `json:"items,omitempty"`

	// envelopes maps envelope ids (ULIDs in lower case) to sealing operations.
	// +optional
	// +mapType=atomic
	// +kubebuilder:validation:MaxProperties=4096
	// +kubebuilder:validation:XValidation:rule="self.all(k, k.matches('^[0-7][0-9a-hjkmnp-tv-z]{25}$'))",message="the id of an envelope must be a ULID in lower case"
	Envelopes map[string]Envelope `json:"envelopes,omitempty"`

	// type is the type of the Secret; absent means Opaque.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Type string `json:"type,omitempty"`

	// immutable makes the Secret immutable.
	// +optional
	Immutable *bool `json:"immutable,omitempty"`

	// template adds metadata and rendered data to the Secret.
	// +optional
	Template *Template `json:"template,omitempty"`

	// deletionPolicy says what becomes of the Secret when this object is deleted; absent means Delete.
	// +optional
	// +kubebuilder:validation:Enum=Delete;Retain
	DeletionPolicy string `json:"deletionPolicy,omitempty"`

	// onImmutable says what becomes of an immutable Secret that would have to change: Refuse leaves it as it is, Recreate deletes it and makes it anew, so
	// that for a moment there is none; absent means Refuse. A Secret that was not written from this object is never deleted.
	// +optional
	// +kubebuilder:validation:Enum=Refuse;Recreate
	OnImmutable string `json:"onImmutable,omitempty"`

	// suspend stops the controller from opening this object; an existing Secret stays as it is.
	// +optional
	Suspend bool `json:"suspend,omitempty"`

	// signature covers everything in spec but the wraps and itself.
	// +optional
	Signature *Signature `json:"signature,omitempty"`
}

// For is the place that the items are bound to (section 3).
//
// +kubebuilder:object:generate=true
// +structType=atomic
// +kubebuilder:validation:XValidation:rule="(has(self.__namespace__) && size(self.__namespace__) > 0) == (self.scope in ['strict', 'namespace'])",message="namespace is required for the scopes strict and namespace, and must be absent for cluster and match"
// +kubebuilder:validation:XValidation:rule="(has(self.name) && size(self.name) > 0) == (self.scope == 'strict' || self.scope.startsWith('match:'))",message="name is required for the scopes strict and match, and must be absent for namespace and cluster"
type For struct {
	// scope is strict, namespace, cluster or match:GLOB.
	// +kubebuilder:validation:Pattern=`^(strict|namespace|cluster|match:[a-z0-9*-]{1,63})$`
	Scope string `json:"scope"`
	// namespace that the items are bound to (scopes strict and namespace).
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// name that the items are bound to (scopes strict and match).
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// Item is one data key with its ciphertext (section 7).
//
// +kubebuilder:object:generate=true
type Item struct {
	// envelope is the id of the envelope that the value was sealed in.
	// +kubebuilder:validation:Pattern=`^[0-7][0-9a-hjkmnp-tv-z]{25}$`
	Envelope string `json:"envelope"`
	// value is the ciphertext in base64.
	// +kubebuilder:validation:MaxLength=1572864
	Value string `json:"value"`
}

// Envelope is one sealing operation: a random key, wrapped for each holder (section 5).
//
// +kubebuilder:object:generate=true
type Envelope struct {
	// sealedAt is the time of the envelope id, to the second.
	// +kubebuilder:validation:Pattern=`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$`
	SealedAt string `json:"sealedAt"`
	// commit is the key commitment, 32 bytes in base64.
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9+/]{43}=$`
	Commit string `json:"commit"`
	// wraps maps each holder to the envelope key, encrypted to that holder's recipients.
	// +mapType=atomic
	// +kubebuilder:validation:MinProperties=1
	// +kubebuilder:validation:MaxProperties=32
	Wraps map[string]Wrap `json:"wraps"`
}

// Wrap is the envelope key, encrypted to one holder (section 6).
//
// +kubebuilder:object:generate=true
type Wrap struct {
	// keys are the ids of the recipients, in the order of the age file's stanzas.
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:Pattern=`^[0-9a-f]{32}$`
	Keys []string `json:"keys"`
	// wrappedBefore are ids of recipients that this envelope key was wrapped for earlier.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:Pattern=`^[0-9a-f]{32}$`
	WrappedBefore []string `json:"wrappedBefore,omitempty"`
	// age is an armored age file.
	// +kubebuilder:validation:MaxLength=32768
	Age string `json:"age"`
}

// Template adds to the Secret what is not sealed.
//
// +kubebuilder:object:generate=true
type Template struct {
	// metadata is added to the Secret's.
	// +optional
	Metadata *TemplateMetadata `json:"metadata,omitempty"`
	// data maps further keys of the Secret to templates over the opened items.
	// +optional
	// +mapType=atomic
	Data map[string]string `json:"data,omitempty"`
}

// TemplateMetadata is the part of a Secret's metadata that a template may set.
//
// +kubebuilder:object:generate=true
type TemplateMetadata struct {
	// labels of the Secret.
	// +optional
	// +mapType=atomic
	Labels map[string]string `json:"labels,omitempty"`
	// annotations of the Secret.
	// +optional
	// +mapType=atomic
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Signature is an SSH signature over the object (section 11).
//
// +kubebuilder:object:generate=true
type Signature struct {
	// signer is the fingerprint of the signing key, SHA256:….
	// +kubebuilder:validation:Pattern=`^SHA256:[A-Za-z0-9+/]{43}$`
	Signer string `json:"signer"`
	// sshsig is the armored signature.
	// +kubebuilder:validation:MaxLength=16384
	SSHSig string `json:"sshsig"`
}
