package secretsource

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Form is how the Secrets of one Custody differ from those of another, so that a keyring's keys can be in two of them while they are moved.
type Form struct {
	// KeyType and StatementType are the types of its Secrets, and DestroyedType that of what is left of a key whose private half was in one; empty where private halves are elsewhere.
	KeyType, StatementType, DestroyedType corev1.SecretType
	// name stands in the Secrets' names: waxwing-NAMEkey-…, waxwing-NAMEstatement-….
	name string
	// DataIdentity and DataSigner are the keys of the Secrets' data that have what the Custody keeps of private keys.
	DataIdentity, DataSigner string
}

// Types of the Secrets of clear keys.
const (
	KeyType       corev1.SecretType = "waxwing.io/sealing-key"
	StatementType corev1.SecretType = "waxwing.io/statement-key"
	DestroyedType corev1.SecretType = "waxwing.io/destroyed-key"
)

// ClearForm is that of private keys in the clear.
func ClearForm() Form {
	return Form{KeyType: KeyType, StatementType: StatementType, DestroyedType: DestroyedType, DataIdentity: DataIdentity, DataSigner: DataSigner}
}

// SealedForm is that of private keys that are encrypted by a key elsewhere.
func SealedForm() Form {
	return Form{
		KeyType: "waxwing.io/sealed-sealing-key", StatementType: "waxwing.io/sealed-statement-key", DestroyedType: "waxwing.io/sealed-destroyed-key",
		name: "sealed-", DataIdentity: "sealed-identity", DataSigner: "sealed-signer",
	}
}

// TransitForm is that of private keys that are in Vault's Transit engine: the Secrets have their names there.
func TransitForm() Form {
	return Form{KeyType: "waxwing.io/transit-sealing-key", StatementType: "waxwing.io/transit-statement-key", name: "transit-", DataIdentity: "transit-key", DataSigner: "transit-signer"}
}

func forms() []Form { return []Form{ClearForm(), SealedForm(), TransitForm()} }

// KeySecretName is the name of the Secret of a key.
func (f Form) KeySecretName(keyring, id string) string {
	return f.keyPrefix() + keyring + "-" + id[:min(len(id), seal.KeyIDDisplay)]
}

// DestroyedSecretName is the name of the Secret that has what is left of a destroyed key.
func (f Form) DestroyedSecretName(keyring, id string) string {
	return f.destroyedPrefix() + keyring + "-" + id[:min(len(id), seal.KeyIDDisplay)]
}

// StatementSecretName is the name of the Secret of a keyring's statement key.
func (f Form) StatementSecretName(keyring string) string {
	return "waxwing-" + f.name + "statement-" + keyring
}

// LabelKeyring has the name of the keyring, on both types.
const LabelKeyring = "waxwing.io/keyring"

// LabelKeyID has the id of the key, on KeyType. It is for people and their selectors: the id that counts is that of the identity.
const LabelKeyID = "waxwing.io/key-id"

// Keys of the Secrets' data.
const (
	DataIdentity  = "identity"  // KeyType: an age identity file, as age-keygen writes it
	DataRecipient = "recipient" // KeyType: the public key
	DataSigner    = "signer"    // StatementType: the private key, in C2SP form
	DataVerifier  = "verifier"  // StatementType: the public key, in C2SP form
)

// Annotations that change in a key's life.
const (
	AnnotationState      = "waxwing.io/state"      // KeyType: a keyring.State
	AnnotationCreated    = "waxwing.io/created"    // KeyType: RFC 3339
	AnnotationActivated  = "waxwing.io/activated"  // KeyType: RFC 3339; absent before
	AnnotationSince      = "waxwing.io/since"      // KeyType: RFC 3339, when it came into its state; absent where that is not known
	AnnotationRecipients = "waxwing.io/recipients" // StatementType: the signed note; empty before the first set, never absent
	AnnotationClaim      = "waxwing.io/claim"      // StatementType: the id of the key that is about to become active
)

const manager = "waxwing-controller"

// KeySecretName is that of ClearForm.
func KeySecretName(keyring, id string) string { return ClearForm().KeySecretName(keyring, id) }

// keyIDOf is the id, of 16 digits, that the name of a key's Secret says; empty where it says none.
func keyIDOf(secretName string) string {
	for _, f := range forms() {
		if rest, ok := f.cutPrefix(secretName); ok {
			if _, id, ok := cutKeyID(rest); ok {
				return id
			}
		}
	}
	return ""
}

// StatementSecretName is that of ClearForm.
func StatementSecretName(keyring string) string { return ClearForm().StatementSecretName(keyring) }

func (f Form) keyPrefix() string { return "waxwing-" + f.name + "key-" }

func (f Form) destroyedPrefix() string { return "waxwing-" + f.name + "destroyed-" }

// cutPrefix takes off what the name of the Secret of a key begins with.
func (f Form) cutPrefix(secretName string) (rest string, ok bool) {
	if rest, ok = strings.CutPrefix(secretName, f.keyPrefix()); !ok && f.DestroyedType != "" {
		rest, ok = strings.CutPrefix(secretName, f.destroyedPrefix())
	}
	return rest, ok
}

// cutKeyID parts KEYRING-ID.
func cutKeyID(rest string) (keyring, id string, ok bool) {
	i := strings.LastIndexByte(rest, '-')
	if i < 1 || len(rest)-i-1 != seal.KeyIDDisplay {
		return "", "", false
	}
	return rest[:i], rest[i+1:], true
}

// KeyringOf is the keyring that a Secret belongs to by its name. A foreign Secret may have such a name too.
func KeyringOf(secretName string) (keyring string, ok bool) {
	for _, f := range forms() {
		if keyring, ok = strings.CutPrefix(secretName, f.StatementSecretName("")); ok {
			return keyring, keyring != ""
		}
		if rest, ok := f.cutPrefix(secretName); ok {
			keyring, _, ok = cutKeyID(rest)
			return keyring, ok
		}
	}
	return "", false
}
