package cli

import (
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// signedState is what can be said about an object's signature.
type signedState struct {
	present bool
	err     error         // why it is not valid
	key     ssh.PublicKey // that made it, where it is valid
	allowed bool          // the key counts now
	signer  string        // the name of the allowed signer whose key it is
	why     string        // what stands against a signer who has that key
}

// signatureOf judges the signature of doc, and whether the key that made it is one of signers'.
func signatureOf(doc *seal.Document, signers []allowedSigner, now time.Time) signedState {
	s := signedState{present: doc.Spec().Signature != nil}
	if !s.present {
		return s
	}
	if s.key, s.err = doc.VerifySignature(doc.Annotations); s.err == nil {
		s.signer, s.why, s.allowed = findSigner(signers, s.key, now)
	}
	return s
}

// signersOf are the allowed signers that settings list. Settings with a key that is none are refused when they are read.
func signersOf(list []repo.Signer) []allowedSigner {
	var signers []allowedSigner
	for _, s := range list {
		if pub, err := s.PublicKey(); err == nil {
			signers = append(signers, allowedSigner{name: signerName(s.Name, s.Key, pub), pub: pub})
		}
	}
	return signers
}
