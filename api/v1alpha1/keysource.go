package v1alpha1

// KeySource has exactly one member.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type KeySource struct {
	// secret keeps age identities in Secrets of the controller's namespace.
	// +optional
	Secret *SecretSource `json:"secret,omitempty"`
	// vaultKV keeps age identities in Vault's key/value store, version 2.
	// +optional
	VaultKV *VaultKVSource `json:"vaultKV,omitempty"`
	// vaultTransit keeps RSA-4096 keys in Vault's Transit engine, which they never leave.
	// +optional
	VaultTransit *VaultTransitSource `json:"vaultTransit,omitempty"`
}

// SecretSource keeps private keys in the clear unless encryptedBy is set.
type SecretSource struct {
	// encryptedBy makes them sealed keys: what etcd and its backups have opens nothing.
	// +optional
	EncryptedBy *KeyEncryption `json:"encryptedBy,omitempty"`
}

// KeyEncryption has exactly one member.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type KeyEncryption struct {
	// transit encrypts private keys with a key of Vault's Transit engine.
	// +optional
	Transit *TransitEncryption `json:"transit,omitempty"`
}

// TransitEncryption names a key of type aes256-gcm96 that is not exportable. Waxwing never makes it.
type TransitEncryption struct {
	Vault VaultConnection `json:"vault"`
	// mount is the path of the Transit engine.
	// +kubebuilder:default=transit
	// +optional
	Mount VaultPath `json:"mount,omitempty"`
	// key is the name of the key.
	Key VaultName `json:"key"`
}

// VaultKVSource is a folder of a key/value store.
type VaultKVSource struct {
	Vault VaultConnection `json:"vault"`
	// mount is the path of the key/value store.
	// +kubebuilder:default=secret
	// +optional
	Mount VaultPath `json:"mount,omitempty"`
	// path is the folder in it that has this keyring's keys and nothing else.
	Path VaultPath `json:"path"`
}

// VaultTransitSource is the keys of a Transit engine whose names begin with prefix.
type VaultTransitSource struct {
	Vault VaultConnection `json:"vault"`
	// mount is the path of the Transit engine.
	// +kubebuilder:default=transit
	// +optional
	Mount VaultPath `json:"mount,omitempty"`
	// prefix of the names of this keyring's keys, and of no others.
	Prefix VaultName `json:"prefix"`
}

// VaultPath is a path of Vault, without a slash at its ends.
//
// +kubebuilder:validation:MaxLength=253
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-][A-Za-z0-9_.-]*(/[A-Za-z0-9_-][A-Za-z0-9_.-]*)*$`
type VaultPath string

// VaultName is one element of a VaultPath.
//
// +kubebuilder:validation:MaxLength=128
// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_-][A-Za-z0-9_.-]*$`
type VaultName string

// VaultConnection says where a Vault is and how to log in to it. All of it comes from the Keyring: neither a GitSecret nor a file in Git can send a token elsewhere.
type VaultConnection struct {
	// address of Vault, such as https://vault.example.com:8200.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https?://[A-Za-z0-9.\[\]:-]+(/[A-Za-z0-9_./-]*)?$`
	Address string `json:"address"`
	// allowHTTP has an address without TLS taken, which shows tokens and keys to the network.
	// +optional
	AllowHTTP bool `json:"allowHTTP,omitempty"`
	// namespace of Vault Enterprise or OpenBao.
	// +optional
	Namespace VaultPath `json:"namespace,omitempty"`
	// caBundle are the certificates, in PEM, that may vouch for Vault's; empty: those of the system.
	// +kubebuilder:validation:MaxLength=65536
	// +optional
	CABundle string `json:"caBundle,omitempty"`
	// serverName is the name that Vault's certificate has, if it is not that of address.
	// +kubebuilder:validation:MaxLength=253
	// +optional
	ServerName string `json:"serverName,omitempty"`
	// clientCertificate is a Secret of type kubernetes.io/tls in the controller's namespace that has the controller's certificate for Vault (mTLS).
	// +optional
	ClientCertificate *SecretName `json:"clientCertificate,omitempty"`
	// proxy is an HTTP proxy to reach Vault through, such as http://proxy:3128; empty: none, whatever the environment says.
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^https?://[A-Za-z0-9.\[\]:-]+/?$`
	// +optional
	Proxy string `json:"proxy,omitempty"`
	// auth is how to log in.
	Auth VaultAuth `json:"auth"`
}

// SecretName names a Secret of the controller's namespace.
type SecretName struct {
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name"`
}

// VaultAuth has exactly one member.
//
// +kubebuilder:validation:MinProperties=1
// +kubebuilder:validation:MaxProperties=1
type VaultAuth struct {
	// kubernetes logs in with a token of the controller's ServiceAccount, which Vault has the API server review.
	// +optional
	Kubernetes *VaultServiceAccountAuth `json:"kubernetes,omitempty"`
	// jwt logs in with such a token, which Vault checks with the cluster's public key.
	// +optional
	JWT *VaultServiceAccountAuth `json:"jwt,omitempty"`
	// appRole logs in with a role id, and a secret id from a Secret.
	// +optional
	AppRole *VaultAppRoleAuth `json:"appRole,omitempty"`
	// tokenFile uses the token that something else, such as Vault's agent, keeps in a file.
	// +optional
	TokenFile *VaultTokenFileAuth `json:"tokenFile,omitempty"`
}

// VaultServiceAccountAuth is a login with a token that the API server makes for the controller's ServiceAccount, for this audience and for ten minutes.
type VaultServiceAccountAuth struct {
	// mount is the path of the auth method; kubernetes or jwt if empty.
	// +optional
	Mount VaultPath `json:"mount,omitempty"`
	// role of the auth method.
	Role VaultName `json:"role"`
	// audience of the token. The role should accept no other.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:default=vault
	// +optional
	Audience string `json:"audience,omitempty"`
}

// VaultAppRoleAuth is a login with an AppRole.
type VaultAppRoleAuth struct {
	// mount is the path of the auth method; approle if empty.
	// +optional
	Mount VaultPath `json:"mount,omitempty"`
	// roleID is the role's id, which is not secret.
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	RoleID string `json:"roleID"`
	// secretID is a Secret of the controller's namespace that has the secret id under the key secretID; it is read at each login.
	SecretID SecretName `json:"secretID"`
}

// VaultTokenFileAuth uses a token from a file.
type VaultTokenFileAuth struct {
	// name of a file in the folder that the controller's flag --vault-tokens names; it is read again when Vault refuses the token, and at least once a minute.
	Name VaultName `json:"name"`
}

// BreakGlass is a group of recipients outside of the cluster.
type BreakGlass struct {
	// recipients are public keys: age1… of the keyring's class.
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=4096
	// +listType=set
	Recipients []string `json:"recipients"`
}
