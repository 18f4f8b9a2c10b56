package forge

import (
	"bytes"
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"strings"

	"golang.org/x/crypto/ssh"
)

// Signer is an SSH key: its blob and what it makes of data, both in SSH's wire encoding.
type Signer struct {
	Blob []byte
	Sign func(data []byte) []byte
}

// SSHSig says how an SSHSIG blob is made; the zero value is as section 11 wants it.
type SSHSig struct {
	Magic, Namespace, Hash string
	Reserved               string
	Version                uint32
	// After is put behind the blob, AfterSignature behind the signature inside it.
	After, AfterSignature []byte
	// Digest stands in for the hash of the message.
	Digest []byte
}

// Blob signs message.
func (o SSHSig) Blob(message []byte, signer Signer) []byte {
	namespace, hash := cmp.Or(o.Namespace, "object@waxwing.io"), cmp.Or(o.Hash, "sha512")
	digest := o.Digest
	switch {
	case digest != nil:
	case hash == "sha256":
		sum := sha256.Sum256(message)
		digest = sum[:]
	default:
		sum := sha512.Sum512(message)
		digest = sum[:]
	}
	data := append([]byte("SSHSIG"), LP(namespace, o.Reserved, hash, string(digest))...)
	blob := binary.BigEndian.AppendUint32([]byte(cmp.Or(o.Magic, "SSHSIG")), cmp.Or(o.Version, 1))
	blob = append(blob, LP(string(signer.Blob), namespace, o.Reserved, hash, string(append(signer.Sign(data), o.AfterSignature...)))...)
	return append(blob, o.After...)
}

// Sign is the tree with a signature over it.
func (t Tree) Sign(signer Signer) Tree { return t.SignAs(SSHSig{}, signer) }

// SignAs is Sign with a blob of another making.
func (t Tree) SignAs(o SSHSig, signer Signer) Tree {
	return t.WithSignature(signer, ArmorSSH(o.Blob(t.Message(), signer), 70))
}

// WithSignature is the tree with any armor for a signer's signature.
func (t Tree) WithSignature(signer Signer, armor string) Tree {
	return t.Set(map[string]any{"signer": signer.Fingerprint(), "sshsig": armor}, "spec", "signature")
}

// Fingerprint is section 11's signer.
func (s Signer) Fingerprint() string {
	sum := sha256.Sum256(s.Blob)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// ArmorSSH is the armor of an SSH signature with lines of some length.
func ArmorSSH(blob []byte, columns int) string {
	var b strings.Builder
	b.WriteString("-----BEGIN SSH SIGNATURE-----\n")
	text := base64.StdEncoding.EncodeToString(blob)
	for len(text) > columns {
		b.WriteString(text[:columns] + "\n")
		text = text[columns:]
	}
	b.WriteString(text + "\n-----END SSH SIGNATURE-----\n")
	return b.String()
}

// Ed25519 is a new key of the usual type.
func Ed25519() Signer {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return ForKey(key, "")
}

// ECDSA is a new key on a curve.
func ECDSA(curve elliptic.Curve) Signer {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	must(err)
	return ForKey(key, "")
}

// RSA is a new key that signs with an algorithm such as rsa-sha2-512.
func RSA(bits int, algorithm string) Signer {
	key, err := rsa.GenerateKey(rand.Reader, bits)
	must(err)
	return ForKey(key, algorithm)
}

// ForKey is a signer for one of Go's keys; the algorithm is needed for RSA only.
func ForKey(key crypto.Signer, algorithm string) Signer {
	s, err := ssh.NewSignerFromKey(key)
	must(err)
	return Signer{Blob: s.PublicKey().Marshal(), Sign: func(data []byte) []byte {
		sig, err := s.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, data, algorithm)
		must(err)
		return ssh.Marshal(sig)
	}}
}

// HardwareEd25519 is a software key that signs as a hardware key does (PROTOCOL.u2f), with any flags.
func HardwareEd25519(flags byte) Signer {
	const kind, application = "sk-ssh-ed25519@openssh.com", "ssh:"
	public, private, err := ed25519.GenerateKey(rand.Reader)
	must(err)
	return Signer{Blob: LP(kind, string(public), application), Sign: func(data []byte) []byte {
		tail := []byte{flags, 0, 0, 0, 7}
		return append(LP(kind, string(ed25519.Sign(private, hardwareMessage(application, tail, data)))), tail...)
	}}
}

// HardwareECDSA is the same with ECDSA.
func HardwareECDSA(flags byte) Signer {
	const kind, application = "sk-ecdsa-sha2-nistp256@openssh.com", "ssh:"
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(err)
	point, err := key.PublicKey.Bytes()
	must(err)
	return Signer{Blob: LP(kind, "nistp256", string(point), application), Sign: func(data []byte) []byte {
		tail := []byte{flags, 0, 0, 0, 7}
		digest := sha256.Sum256(hardwareMessage(application, tail, data))
		r, s, err := ecdsa.Sign(rand.Reader, key, digest[:])
		must(err)
		return append(LP(kind, string(LP(mpint(r.Bytes()), mpint(s.Bytes())))), tail...)
	}}
}

func hardwareMessage(application string, tail, data []byte) []byte {
	a, d := sha256.Sum256([]byte(application)), sha256.Sum256(data)
	return bytes.Join([][]byte{a[:], tail, d[:]}, nil)
}

func mpint(natural []byte) string {
	if len(natural) > 0 && natural[0] >= 0x80 {
		natural = append([]byte{0}, natural...)
	}
	return string(natural)
}
