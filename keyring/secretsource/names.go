package secretsource

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Types of the Secrets.
const (
	KeyType       corev1.SecretType = "waxwing.io/sealing-key"
	StatementType corev1.SecretType = "waxwing.io/statement-key"
)

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
	AnnotationRecipients = "waxwing.io/recipients" // StatementType: the signed note; empty before the first set, never absent
	AnnotationClaim      = "waxwing.io/claim"      // StatementType: the id of the key that is about to become active
)

const manager = "waxwing-controller"

// KeySecretName is the name of the Secret of a key.
func KeySecretName(keyring, id string) string {
	return "waxwing-key-" + keyring + "-" + id[:min(len(id), seal.KeyIDDisplay)]
}

// keyIDOf is the id, of 16 digits, that the name of a key's Secret says; empty where it says none.
func keyIDOf(secretName string) string {
	if _, ok := KeyringOf(secretName); !ok || !strings.HasPrefix(secretName, "waxwing-key-") {
		return ""
	}
	return secretName[len(secretName)-seal.KeyIDDisplay:]
}

// StatementSecretName is the name of the Secret of a keyring's statement key.
func StatementSecretName(keyring string) string { return "waxwing-statement-" + keyring }

// KeyringOf is the keyring that a Secret belongs to by its name. A foreign Secret may have such a name too.
func KeyringOf(secretName string) (keyring string, ok bool) {
	if keyring, ok = strings.CutPrefix(secretName, StatementSecretName("")); ok {
		return keyring, keyring != ""
	}
	rest, ok := strings.CutPrefix(secretName, "waxwing-key-")
	i := strings.LastIndexByte(rest, '-')
	if !ok || i < 1 || len(rest)-i-1 != seal.KeyIDDisplay {
		return "", false
	}
	return rest[:i], true
}
