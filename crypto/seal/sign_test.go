package seal_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

func sshSigner(t testing.TB) ssh.Signer {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return signerFor(t, key)
}

func signerFor(t testing.TB, key crypto.Signer) ssh.Signer {
	t.Helper()
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signers(t testing.TB) map[string]ssh.Signer {
	t.Helper()
	all := map[string]ssh.Signer{"ed25519": sshSigner(t)}
	for name, curve := range map[string]elliptic.Curve{"ecdsa 256": elliptic.P256(), "ecdsa 384": elliptic.P384(), "ecdsa 521": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = signerFor(t, key)
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	all["rsa"] = signerFor(t, key)
	return all
}

// signable is an object with everything that a signature covers, and annotations of which one is covered.
func signable(t testing.TB) (*seal.Spec, map[string]string) {
	t.Helper()
	w := newWorld(t)
	w.spec.DeletionPolicy, w.spec.OnImmutable, w.spec.Suspend = seal.DeletionRetain, seal.OnImmutableRecreate, true
	w.spec.Template.Metadata = &seal.TemplateMetadata{Labels: map[string]string{"app": "db"}, Annotations: map[string]string{"note": "n"}}
	w.spec.Signature = nil
	return w.spec, map[string]string{"waxwing.io/rollback": "allow", "example.com/note": "x"}
}

func TestSignThenVerify(t *testing.T) {
	spec, annotations := signable(t)
	for name, signer := range signers(t) {
		c := mustCheck(t, spec)
		if err := c.Sign(annotations, signer, rand.Reader); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		key, err := mustCheck(t, spec).VerifySignature(annotations)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if ssh.FingerprintSHA256(key) != spec.Signature.Signer || ssh.FingerprintSHA256(signer.PublicKey()) != spec.Signature.Signer {
			t.Errorf("%s: the signer is %s", name, spec.Signature.Signer)
		}
	}
}

func TestTheSignedMessageIsThatOfThePage(t *testing.T) {
	spec, annotations := signable(t)
	key := forge.Ed25519()
	doc := forge.Document(spec, prodDB)
	for k, v := range annotations {
		doc = doc.Set(v, "metadata", "annotations", k)
	}
	d, err := seal.ParseDocument(doc.Sign(key).JSON())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.VerifySignature(d.Annotations); err != nil {
		t.Error(err)
	}
}

func TestOnlyKeysThatMaySignCanSign(t *testing.T) {
	spec, _ := signable(t)
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	inner := sshSigner(t)
	certificate := &ssh.Certificate{Key: inner.PublicKey(), CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity}
	if err := certificate.SignCert(rand.Reader, sshSigner(t)); err != nil {
		t.Fatal(err)
	}
	certified, err := ssh.NewCertSigner(certificate, inner)
	if err != nil {
		t.Fatal(err)
	}
	for name, signer := range map[string]ssh.Signer{"RSA of 1024 bits": signerFor(t, small), "a certificate": certified} {
		if err := mustCheck(t, spec).Sign(nil, signer, rand.Reader); err == nil || spec.Signature != nil {
			t.Errorf("%s signs: %v, %v", name, err, spec.Signature)
		}
	}
}

func TestASignatureThatCannotBeMadeIsNoSignature(t *testing.T) {
	spec, _ := signable(t)
	if err := mustCheck(t, spec).Sign(nil, brokenSigner{sshSigner(t)}, rand.Reader); !errors.Is(err, os.ErrClosed) || spec.Signature != nil {
		t.Errorf("%v, %v", err, spec.Signature)
	}
	if _, err := mustCheck(t, spec).VerifySignature(nil); seal.Outcome(err) != "BadSignature" {
		t.Errorf("no signature: %v", err)
	}
}

type brokenSigner struct{ ssh.Signer }

func (brokenSigner) Sign(io.Reader, []byte) (*ssh.Signature, error) {
	return nil, os.ErrClosed
}

// keygen runs ssh-keygen, which the tests of signatures need.
func keygen(t *testing.T, stdin []byte, args ...string) {
	t.Helper()
	if _, err := exec.LookPath("ssh-keygen"); err != nil {
		t.Fatal("these tests hold our signatures against OpenSSH's: install ssh-keygen (openssh-client)")
	}
	cmd := exec.Command("ssh-keygen", args...)
	cmd.Stdin = strings.NewReader(string(stdin))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func TestOpenSSHSignsAndWeVerify(t *testing.T) {
	spec, annotations := signable(t)
	doc := forge.Document(spec, prodDB).Set(annotations, "metadata", "annotations").Clone()
	for name, c := range map[string]struct{ make, sign []string }{
		"ed25519":             {[]string{"-t", "ed25519"}, nil},
		"ed25519 with sha256": {[]string{"-t", "ed25519"}, []string{"-O", "hashalg=sha256"}},
		"ecdsa 256":           {[]string{"-t", "ecdsa", "-b", "256"}, nil},
		"ecdsa 384":           {[]string{"-t", "ecdsa", "-b", "384"}, nil},
		"ecdsa 521":           {[]string{"-t", "ecdsa", "-b", "521"}, nil},
		"rsa":                 {[]string{"-t", "rsa", "-b", "2048"}, nil},
		"rsa with sha256":     {[]string{"-t", "rsa", "-b", "2048"}, []string{"-O", "hashalg=sha256"}},
	} {
		t.Run(name, func(t *testing.T) {
			key, message := filepath.Join(t.TempDir(), "key"), filepath.Join(t.TempDir(), "message")
			if err := os.WriteFile(message, doc.Message(), 0o600); err != nil {
				t.Fatal(err)
			}
			keygen(t, nil, append(c.make, "-q", "-N", "", "-C", "", "-f", key)...)
			keygen(t, nil, append(append([]string{"-Y", "sign"}, c.sign...), "-q", "-n", seal.SignatureNamespace, "-f", key, message)...)
			armor, err := os.ReadFile(message + ".sig")
			if err != nil {
				t.Fatal(err)
			}
			public, err := os.ReadFile(key + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			pub, _, _, _, err := ssh.ParseAuthorizedKey(public)
			if err != nil {
				t.Fatal(err)
			}
			signed := doc.Set(map[string]any{"signer": ssh.FingerprintSHA256(pub), "sshsig": string(armor)}, "spec", "signature")
			d, err := seal.ParseDocument(signed.JSON())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := d.VerifySignature(d.Annotations); err != nil {
				t.Error(err)
			}
			if _, err := d.VerifySignature(nil); seal.Outcome(err) != "BadSignature" {
				t.Errorf("without the signed annotation: %v", err)
			}
		})
	}
}

// verifyWithOpenSSH holds a signature against ssh-keygen -Y verify.
func verifyWithOpenSSH(t *testing.T, publicBlob []byte, kind, armor string, message []byte) {
	t.Helper()
	folder := t.TempDir()
	allowed, sig := filepath.Join(folder, "allowed"), filepath.Join(folder, "sig")
	line := "tester namespaces=\"" + seal.SignatureNamespace + "\" " + kind + " " + base64.StdEncoding.EncodeToString(publicBlob) + "\n"
	for path, text := range map[string]string{allowed: line, sig: armor} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	keygen(t, message, "-Y", "verify", "-f", allowed, "-I", "tester", "-n", seal.SignatureNamespace, "-s", sig)
}

func TestWeSignAndOpenSSHVerifies(t *testing.T) {
	spec, annotations := signable(t)
	for name, signer := range signers(t) {
		t.Run(name, func(t *testing.T) {
			if err := mustCheck(t, spec).Sign(annotations, signer, rand.Reader); err != nil {
				t.Fatal(err)
			}
			message := forge.Document(spec, prodDB).Set(annotations, "metadata", "annotations").Clone().Message()
			verifyWithOpenSSH(t, signer.PublicKey().Marshal(), signer.PublicKey().Type(), spec.Signature.SSHSig, message)
		})
	}
}

func TestHardwareSignaturesAreThoseThatOpenSSHKnows(t *testing.T) {
	spec, _ := signable(t)
	doc := forge.Document(spec, prodDB)
	for kind, key := range map[string]forge.Signer{"sk-ssh-ed25519@openssh.com": forge.HardwareEd25519(1), "sk-ecdsa-sha2-nistp256@openssh.com": forge.HardwareECDSA(1)} {
		signed := doc.Sign(key)
		d, err := seal.ParseDocument(signed.JSON())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.VerifySignature(nil); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		verifyWithOpenSSH(t, key.Blob, kind, signed.Text("spec", "signature", "sshsig"), doc.Message())
	}
}
