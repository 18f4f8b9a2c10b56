package tiles

import (
	"crypto/ed25519"
	"encoding/base64"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
)

// PartOrigin is the origin of a part of a log. All parts have the log's key, under their own names, so that no two trees have one origin.
func PartOrigin(origin string, part int) string { return origin + "/" + audit.PartDir(part) }

// algEd25519 is the type byte of Ed25519 in signed notes (C2SP signed-note).
const algEd25519 = 1

// VerifierKey is the public half of key under a name, as golang.org/x/mod/sumdb/note writes it.
func VerifierKey(name string, key ed25519.PrivateKey) (string, error) {
	return note.NewEd25519VerifierKey(name, key.Public().(ed25519.PublicKey))
}

// NewSigner signs notes as name.
func NewSigner(name string, key ed25519.PrivateKey) (note.Signer, error) {
	verifier, err := VerifierKey(name, key)
	if err != nil {
		return nil, err
	}
	parsed, err := note.NewVerifier(verifier)
	if err != nil {
		return nil, err
	}
	return note.NewSigner(fmt.Sprintf("PRIVATE+KEY+%s+%08x+%s", name, parsed.KeyHash(), base64.StdEncoding.EncodeToString(append([]byte{algEd25519}, key.Seed()...))))
}
