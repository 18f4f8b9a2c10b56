package seal

import (
	"bytes"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

const (
	// SignatureNamespace is the SSHSIG namespace of object signatures (section 11).
	SignatureNamespace = "object@waxwing.io"
	// SignedAnnotationPrefix marks the annotations that a signature covers.
	SignedAnnotationPrefix = "waxwing.io/"

	maxSSHSig  = 16 << 10
	minRSABits = 2048
)

// Sign signs c and the signed ones among annotations, and sets the Spec's signature. random feeds signature schemes that need it.
func (c *Checked) Sign(annotations map[string]string, signer ssh.Signer, random io.Reader) error {
	if !CanSign(signer.PublicKey()) {
		return fmt.Errorf("signing: keys of type %s do not sign objects", signer.PublicKey().Type())
	}
	sig, err := sshsig.SignWithRand(bytes.NewReader(c.message(annotations)), random, signer, sshsig.HashSHA512, SignatureNamespace)
	if err != nil {
		return fmt.Errorf("signing: %w", err)
	}
	c.spec.Signature = &Signature{Signer: ssh.FingerprintSHA256(signer.PublicKey()), SSHSig: string(sshsig.Armor(sig))}
	return nil
}

// VerifySignature checks the Spec's signature and gives the key that made it; whether that key may sign is for the caller to say. Errors are ErrSignature.
func (c *Checked) VerifySignature(annotations map[string]string) (ssh.PublicKey, error) {
	s := c.spec.Signature
	if s == nil {
		return nil, badSignature("there is none")
	}
	sig, err := unarmor(s.SSHSig)
	if err != nil {
		return nil, badSignature("sshsig is not an armored SSH signature")
	}
	if !CanSign(sig.PublicKey) {
		return nil, badSignature("the key is of a type or size that does not sign objects")
	}
	if ssh.FingerprintSHA256(sig.PublicKey) != s.Signer {
		return nil, badSignature("signer is not the key that signed")
	}
	if sig.Namespace != SignatureNamespace {
		return nil, badSignature("it was made for something else than an object of waxwing.io")
	}
	if err := sshsig.Verify(bytes.NewReader(c.message(annotations)), sig, sig.PublicKey, sig.HashAlgorithm, SignatureNamespace); err != nil {
		return nil, badSignature("it does not fit this object")
	}
	return sig.PublicKey, nil
}

// unarmor reads section 11's armor and blob. encoding/pem would pass over text before the block, and sshsig over a reserved field and over keys
// that are not encoded in the one canonical way; the comparison with what it would write excludes both.
func unarmor(armored string) (*sshsig.Signature, error) {
	body, begins := strings.CutPrefix(armored, "-----BEGIN "+sshsig.PEMType+"-----\n")
	body, ends := strings.CutSuffix(strings.TrimSuffix(body, "\n"), "\n-----END "+sshsig.PEMType+"-----")
	if !begins || !ends || strings.Contains("\n"+body, "\n\n") {
		return nil, errors.New("not one armored block")
	}
	blob, err := decodeBase64(strings.ReplaceAll(body, "\n", ""))
	if err != nil {
		return nil, err
	}
	sig, err := sshsig.ParseSignature(blob)
	if err != nil || !bytes.Equal(sig.Marshal(), blob) {
		return nil, errors.New("not a canonical signature")
	}
	// Hardware keys put flags and a counter behind the signature; behind any other, ssh would leave bytes unread.
	if len(sig.Signature.Rest) > 0 && !strings.HasPrefix(sig.PublicKey.Type(), "sk-") {
		return nil, errors.New("bytes after the signature")
	}
	return sig, nil
}

// CanSign says whether section 11 allows keys like pub to sign objects. Certificates are not among them: their names and dates would need a judge.
func CanSign(pub ssh.PublicKey) bool {
	switch pub.Type() {
	case ssh.KeyAlgoED25519, ssh.KeyAlgoECDSA256, ssh.KeyAlgoECDSA384, ssh.KeyAlgoECDSA521, ssh.KeyAlgoSKED25519, ssh.KeyAlgoSKECDSA256:
		return true
	case ssh.KeyAlgoRSA:
		// A key of an SSH agent knows only its bytes.
		parsed, err := ssh.ParsePublicKey(pub.Marshal())
		if err != nil {
			return false
		}
		key, ok := parsed.(ssh.CryptoPublicKey)
		if !ok {
			return false
		}
		public, ok := key.CryptoPublicKey().(*rsa.PublicKey)
		return ok && public.N.BitLen() >= minRSABits
	}
	return false
}

func badSignature(msg string) error {
	return &Error{Kind: ErrSignature, Field: "signature", Msg: msg}
}

// message is the signed message of section 11: everything in spec but wraps and the signature, and the signed annotations.
func (c *Checked) message(annotations map[string]string) []byte {
	s := c.spec
	var b []byte
	for _, x := range []string{domain + "signature", strconv.Itoa(Format), s.For.Scope, s.For.Namespace, s.For.Name} {
		b = lp(b, x)
	}
	b = lpMap(b, s.Items, func(b []byte, name string, i Item) []byte { return lp(lp(b, i.Envelope), string(c.items[name])) })
	b = lpMap(b, s.Envelopes, func(b []byte, id string, e Envelope) []byte {
		return lp(lp(b, e.SealedAt), string(c.envelopes[id].commit))
	})
	immutable := ""
	if s.Immutable != nil {
		immutable = strconv.FormatBool(*s.Immutable)
	}
	b = lp(lp(b, s.Type), immutable)
	t := Template{}
	if s.Template != nil {
		t = *s.Template
	}
	m := TemplateMetadata{}
	if t.Metadata != nil {
		m = *t.Metadata
	}
	signed := maps.Clone(annotations)
	maps.DeleteFunc(signed, func(k, _ string) bool { return !strings.HasPrefix(k, SignedAnnotationPrefix) })
	for _, texts := range []map[string]string{m.Labels, m.Annotations, t.Data, s.options(), signed} {
		b = lpMap(b, texts, func(b []byte, _, v string) []byte { return lp(b, v) })
	}
	return b
}

// options are the members of spec that have no place of their own in the message; a member added to the format is added here.
func (s *Spec) options() map[string]string {
	m := map[string]string{}
	if s.DeletionPolicy != "" {
		m["deletionPolicy"] = s.DeletionPolicy
	}
	if s.OnImmutable != "" {
		m["onImmutable"] = s.OnImmutable
	}
	if s.Suspend {
		m["suspend"] = "true"
	}
	return m
}

// lpMap appends MAP of section 1.
func lpMap[V any](b []byte, m map[string]V, value func([]byte, string, V) []byte) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = value(lp(b, k), k, m[k])
	}
	return b
}
