package sealed

import (
	"encoding/base64"
	"encoding/binary"
)

// domain begins the associated data of all sealed keys.
const domain = "waxwing.io/key/v1"

// The purposes of sealed keys.
const (
	purposeIdentity  = "identity"  // of a sealing key; the subject is its whole key id
	purposeStatement = "statement" // of a keyring's statement key; the subject is its verifier key
	purposeCanary    = "canary"    // of a text that proves that the Transit key decrypts; without a subject
)

// binding is the associated data of a sealed key, in base64 as Transit takes them: each part as u32 length, big-endian, and its bytes.
func binding(purpose, cluster, keyring, subject string) string {
	var b []byte
	for _, part := range []string{domain, purpose, cluster, keyring, subject} {
		b = binary.BigEndian.AppendUint32(b, uint32(len(part)))
		b = append(b, part...)
	}
	return base64.StdEncoding.EncodeToString(b)
}
