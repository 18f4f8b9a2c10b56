package source

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	pgperrors "github.com/ProtonMail/go-crypto/openpgp/errors"
	"github.com/ProtonMail/go-crypto/openpgp/packet"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// signatureNamespace is what Git has SSH sign for.
const signatureNamespace = "git"

// Signer is somebody who may sign, by SSH.
type Signer struct {
	Name string
	Key  string // as a line of authorized_keys has it
}

// Signers are those whose signatures count.
type Signers struct {
	SSH     []Signer
	OpenPGP []string // armored public keys
	// Now is when keys of OpenPGP have to be valid.
	Now time.Time
}

// allowed are Signers that were read.
type allowed struct {
	ssh map[string]string // names by the keys' bytes
	pgp openpgp.EntityList
	now time.Time
}

// Verify makes sure that a commit that Fetch has given was signed by one of some, and gives the name: that of the Signer, or "OpenPGP" and the fingerprint. Where the place is an
// annotated tag it is the tag's own signature that counts, and the tag's own name. The error is CommitNotSigned otherwise.
func (r *Repository) Verify(c Commit, place Place, by Signers) (string, error) {
	a, err := by.read()
	if err != nil {
		return "", err
	}
	r.reading.RLock()
	defer r.reading.RUnlock()
	s, err := r.content.signatureOf(c, place)
	var known *Error
	if errors.As(err, &known) {
		return "", known
	}
	if err != nil {
		return "", r.read(err)
	}
	what := "commit " + c.ID
	if c.Tag != "" {
		what = "tag " + clean(place.Tag)
	}
	name, err := a.verify(s)
	if err != nil {
		return "", fail(CommitNotSigned, "%s %v", what, err)
	}
	return name, nil
}

// read reads the keys. One that cannot be read is an error: it would seem to be allowed.
func (s Signers) read() (allowed, error) {
	a := allowed{ssh: map[string]string{}, now: s.Now}
	for _, signer := range s.SSH {
		key, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(signer.Key))
		if err != nil || len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 || !seal.CanSign(key) {
			return a, fail(CommitNotSigned, "the key of signer %q cannot be used", clean(signer.Name))
		}
		a.ssh[string(key.Marshal())] = signer.Name
	}
	for i, armored := range s.OpenPGP {
		keys, err := openpgp.ReadArmoredKeyRing(strings.NewReader(armored))
		if err != nil || len(keys) == 0 {
			return a, fail(CommitNotSigned, "OpenPGP key %d cannot be read", i+1)
		}
		a.pgp = append(a.pgp, keys...)
	}
	return a, nil
}

// verify gives who made a signature.
func (a allowed) verify(s signedText) (string, error) {
	switch {
	case len(s.signature) == 0:
		return "", errors.New("is not signed")
	case s.ssh():
		return a.verifySSH(s)
	case bytes.HasPrefix(s.signature, []byte(beginPGP)):
		return a.verifyPGP(s)
	default:
		return "", errors.New("has a signature of a kind that is not known; SSH and OpenPGP are")
	}
}

func (a allowed) verifySSH(s signedText) (string, error) {
	armored := bytes.TrimRight(s.signature, "\n")
	sig, err := sshsig.Unarmor(append(bytes.Clone(armored), '\n'))
	if err != nil || !bytes.HasSuffix(armored, []byte(endSSH)) || bytes.Count(armored, []byte(beginSSH)) != 1 {
		return "", errors.New("has an SSH signature that cannot be read")
	}
	name, is := a.ssh[string(sig.PublicKey.Marshal())]
	if !is {
		return "", fmt.Errorf("is signed by %s, which is none of the signers", ssh.FingerprintSHA256(sig.PublicKey))
	}
	if err := sshsig.Verify(bytes.NewReader(s.text), sig, sig.PublicKey, sig.HashAlgorithm, signatureNamespace); err != nil {
		return "", fmt.Errorf("has a signature of %s that does not fit it", clean(name))
	}
	return name, nil
}

func (a allowed) verifyPGP(s signedText) (string, error) {
	config := &packet.Config{Time: func() time.Time { return a.now }}
	block, err := armor.Decode(bytes.NewReader(s.signature))
	if err != nil || block.Type != openpgp.SignatureType {
		return "", errors.New("has an OpenPGP signature that cannot be read")
	}
	sig, entity, err := openpgp.VerifyDetachedSignature(a.pgp, bytes.NewReader(s.text), block.Body, config)
	switch {
	case err == nil && sig.SigType != packet.SigTypeBinary:
		// One over a text would hold for other line ends, too.
		return "", errors.New("has an OpenPGP signature of a kind that Git does not make")
	case errors.Is(err, pgperrors.ErrUnknownIssuer):
		return "", errors.New("is signed with an OpenPGP key that is none of the signers'")
	case errors.Is(err, pgperrors.ErrKeyExpired), errors.Is(err, pgperrors.ErrSignatureExpired), errors.Is(err, pgperrors.ErrKeyRevoked):
		return "", fmt.Errorf("is signed with OpenPGP, but: %s", clean(err.Error()))
	case err != nil:
		return "", errors.New("has an OpenPGP signature that does not fit it")
	}
	return fmt.Sprintf("OpenPGP %X", entity.PrimaryKey.Fingerprint), nil
}
