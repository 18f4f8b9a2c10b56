package main

import (
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strconv"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/seal/internal/forge"
)

func signatures(w *world) []vector {
	var all []vector
	for _, part := range []func(*world) []vector{signaturesThatVerify, signaturesOfAChangedDocument, signaturesArmor, signaturesBlob, signaturesKeys} {
		all = append(all, part(w)...)
	}
	return all
}

// full is a document with everything that a signature covers.
func (w *world) full() forge.Tree {
	return w.doc().Set(true, "spec", "immutable").Set("Retain", "spec", "deletionPolicy").Set(true, "spec", "suspend").
		Set(map[string]any{"app": "db", "\uffee": "1", "\U0001f600": "2"}, "spec", "template", "metadata", "labels").
		Set(map[string]any{"note": "n"}, "spec", "template", "metadata", "annotations").
		Set(map[string]any{"dsn": "{{ .user }}"}, "spec", "template", "data").
		Set(map[string]any{"waxwing.io/rollback": "allow", "example.com/note": "x"}, "metadata", "annotations")
}

func signaturesThatVerify(w *world) []vector {
	doc, envelope, wrap := w.base()
	full := w.full()
	key := forge.Ed25519()
	good := full.Sign(key)
	everything := full.Set("Recreate", "spec", "onImmutable")
	blob := forge.SSHSig{}.Blob(full.Message(), key)
	absent := doc.Set(false, "spec", "suspend").Set("", "spec", "deletionPolicy").Set("", "spec", "onImmutable").Set(map[string]any{}, "spec", "template").Set(nil, "spec", "immutable")
	return []vector{
		w.ok("ssh-ed25519", doc.Sign(key), signed),
		w.ok("everything that a signature covers", everything.Sign(key), signed),
		w.ok("ecdsa-sha2-nistp256", full.Sign(forge.ECDSA(elliptic.P256())), signed),
		w.ok("ecdsa-sha2-nistp384", full.Sign(forge.ECDSA(elliptic.P384())), signed),
		w.ok("ecdsa-sha2-nistp521", full.Sign(forge.ECDSA(elliptic.P521())), signed),
		w.ok("rsa-sha2-512", full.Sign(forge.RSA(2048, ssh.KeyAlgoRSASHA512)), signed),
		w.ok("rsa-sha2-256", full.Sign(forge.RSA(3072, ssh.KeyAlgoRSASHA256)), signed),
		w.ok("an RSA signature without the zero byte in front", shortRSA(full), signed),
		w.ok("a hardware key with Ed25519", full.Sign(forge.HardwareEd25519(1)), signed),
		w.ok("a hardware key with ECDSA, user verified", full.Sign(forge.HardwareECDSA(5)), signed),
		w.ok("hash sha256", full.SignAs(forge.SSHSig{Hash: "sha256"}, key), signed),
		w.ok("armor with 64 columns", full.WithSignature(key, forge.ArmorSSH(blob, 64)), signed),
		w.ok("armor in one line, without the last line feed", full.WithSignature(key, strings.TrimSuffix(forge.ArmorSSH(blob, 10000), "\n")), signed),
		w.ok("absent and empty members are signed alike", absent.WithSignature(key, doc.Sign(key).Text("spec", "signature", "sshsig")), signed),
		w.ok("an annotation that is not signed changed", good.Set("y", "metadata", "annotations", "example.com/note"), signed),
		w.ok("labels of the object itself are not signed", good.Set("y", "metadata", "labels", "x"), signed),
		w.ok("a wrap replaced", good.Set(w.e.Wrap(w.other, w.prod), wrap...), signed),
		w.ok("a holder added", good.Set(w.e.Wrap(w.glass), in(envelope, "wraps", "glass")...), signed),
		w.ok("a document without signature where none is required", doc),
		w.bad(badSignature, "a document without signature where one is required", doc, signed),
		w.bad(badSignature, "a signature that is null where one is required", good.Set(nil, "spec", "signature"), signed),
	}
}

// signaturesOfAChangedDocument: one change after signing each.
func signaturesOfAChangedDocument(w *world) []vector {
	good := w.full().Sign(forge.Ed25519())
	recreated := w.full().Set("Recreate", "spec", "onImmutable").Sign(forge.Ed25519())
	later := forge.New(w.f, sealedAt)
	cluster := w.placed(seal.For{Scope: "cluster"}, w.at)
	bad := func(description string, doc forge.Tree) vector {
		return w.bad(badSignature, description+" after signing", doc)
	}
	return []vector{
		bad("an item removed", good.Delete("spec", "items", "user")),
		bad("a value replaced by a sound one", good.Set(w.e.Item("user", []byte("root")), "spec", "items", "user")),
		bad("two items exchanged", good.Swap([]string{"spec", "items", "user"}, []string{"spec", "items", "password"})),
		bad("an item renamed", good.Rename("admin", "spec", "items", "user")),
		bad("an envelope added", good.Set(later.Envelope(later.Wraps(w.prod)), "spec", "envelopes", later.ID)),
		bad("a commit replaced", good.Set(later.Commit(), "spec", "envelopes", w.e.ID, "commit")),
		bad("for replaced", cluster.Set(good.Get("spec", "signature"), "spec", "signature")),
		bad("the type changed", good.Set("kubernetes.io/tls", "spec", "type")),
		bad("the type removed", good.Delete("spec", "type")),
		bad("immutable changed", good.Set(false, "spec", "immutable")),
		bad("immutable removed", good.Delete("spec", "immutable")),
		bad("a label changed", good.Set("x", "spec", "template", "metadata", "labels", "app")),
		bad("a label added", good.Set("x", "spec", "template", "metadata", "labels", "b")),
		bad("a label moved to the annotations", good.Delete("spec", "template", "metadata", "labels", "app").Set("db", "spec", "template", "metadata", "annotations", "app")),
		bad("a template of data changed", good.Set("{{ .password }}", "spec", "template", "data", "dsn")),
		bad("the template removed", good.Delete("spec", "template")),
		bad("deletionPolicy changed", good.Set("Delete", "spec", "deletionPolicy")),
		bad("deletionPolicy removed", good.Delete("spec", "deletionPolicy")),
		bad("onImmutable added", good.Set("Recreate", "spec", "onImmutable")),
		bad("onImmutable changed", recreated.Set("Refuse", "spec", "onImmutable")),
		bad("onImmutable removed", recreated.Delete("spec", "onImmutable")),
		bad("suspend removed", good.Delete("spec", "suspend")),
		bad("a signed annotation changed", good.Set("deny", "metadata", "annotations", "waxwing.io/rollback")),
		bad("a signed annotation removed", good.Delete("metadata", "annotations", "waxwing.io/rollback")),
		bad("a signed annotation added", good.Set("", "metadata", "annotations", "waxwing.io/")),
		bad("the signer replaced", good.Set(forge.Ed25519().Fingerprint(), "spec", "signature", "signer")),
		bad("the signature of another document put in its place", good.Set(w.doc().Sign(forge.Ed25519()).Get("spec", "signature"), "spec", "signature")),
	}
}

func signaturesArmor(w *world) []vector {
	doc := w.doc()
	key := forge.Ed25519()
	armor := doc.Sign(key).Text("spec", "signature", "sshsig")
	first, rest, _ := strings.Cut(armor, "\n")
	bad := func(description, bent string) vector {
		if bent == armor {
			panic("nothing was bent: " + description)
		}
		return w.bad(badSignature, description, doc.WithSignature(key, bent))
	}
	return []vector{
		bad("text before the armor", "x\n"+armor),
		bad("a line feed before the armor", "\n"+armor),
		bad("text after the armor", armor+"x"),
		bad("a line feed too many after the armor", armor+"\n"),
		bad("the armor twice", armor+armor),
		bad("a broken armor in front of a sound one", first+"\nAAAA\n-----END X-----\n"+armor),
		bad("a header in the armor", first+"\nComment: x\n\n"+rest),
		bad("an empty line in the armor", first+"\n\n"+rest),
		bad("armor of a signature with CRLF", strings.ReplaceAll(armor, "\n", "\r\n")),
		bad("armor with a space in it", strings.Replace(armor, "U1NI", "U1N I", 1)),
		bad("armor of a signature of another kind", strings.ReplaceAll(armor, "SSH SIGNATURE", "SSH SIGNATURES")),
		bad("armor of a signature with nothing in it", first+"\n"+rest[strings.Index(rest, "-----"):]),
		bad("armor without its padding sign", strings.Replace(armor, "==\n", "\n", 1)),
		bad("text that is no armor", "x"),
	}
}

func signaturesBlob(w *world) []vector {
	doc := w.doc()
	key := forge.Ed25519()
	var all []vector
	for _, c := range []struct {
		description string
		o           forge.SSHSig
	}{
		{"another namespace", forge.SSHSig{Namespace: "file"}},
		{"a namespace that only begins like ours", forge.SSHSig{Namespace: "object@waxwing.io.example.com"}},
		{"hash sha384", forge.SSHSig{Hash: "sha384"}},
		{"hash in upper case", forge.SSHSig{Hash: "SHA512"}},
		{"the hash sha512 named, that of sha256 signed", forge.SSHSig{Digest: forge.Random(32)}},
		{"version 2", forge.SSHSig{Version: 2}},
		{"another magic", forge.SSHSig{Magic: "SSHSIH"}},
		{"a reserved field that is not empty", forge.SSHSig{Reserved: "x"}},
		{"a byte after the blob", forge.SSHSig{After: []byte{0}}},
		{"a byte after the signature", forge.SSHSig{AfterSignature: []byte{0}}},
	} {
		all = append(all, w.bad(badSignature, c.description, doc.SignAs(c.o, key)))
	}
	blob := forge.SSHSig{}.Blob(doc.Message(), key)
	other := forge.Ed25519()
	stolen := forge.Signer{Blob: other.Blob, Sign: key.Sign}
	bare := forge.SSHSig{}.Blob([]byte(nil), key)
	return append(all,
		w.bad(badSignature, "a blob that is cut", doc.WithSignature(key, forge.ArmorSSH(blob[:len(blob)-1], 70))),
		w.bad(badSignature, "a blob of six bytes", doc.WithSignature(key, forge.ArmorSSH(blob[:6], 70))),
		w.bad(badSignature, "a length inside the blob that goes beyond it", doc.WithSignature(key, forge.ArmorSSH(append(append([]byte{}, blob[:10]...), 0xff, 0xff, 0xff, 0xff), 70))),
		w.bad(badSignature, "the public key of another signer", doc.Sign(stolen)),
		w.bad(badSignature, "a signature over nothing", doc.WithSignature(key, forge.ArmorSSH(bare, 70))),
		w.bad(badSignature, "a signature over the document's text", doc.WithSignature(key, forge.ArmorSSH(forge.SSHSig{}.Blob(doc.JSON(), key), 70))),
	)
}

func signaturesKeys(w *world) []vector {
	doc := w.doc()
	rsa2048 := forge.RSA(2048, ssh.KeyAlgoRSASHA512)
	sha1 := forge.RSA(2048, ssh.KeyAlgoRSA)
	kind := len(forge.LP("ssh-rsa"))
	exponent := len(forge.LP("\x01\x00\x01"))
	zeros := forge.Signer{Blob: append(append(forge.LP("ssh-rsa"), forge.LP("\x00\x01\x00\x01")...), rsa2048.Blob[kind+exponent:]...), Sign: rsa2048.Sign}
	ed := forge.Ed25519()
	renamed := forge.Signer{Blob: ed.Blob, Sign: func(data []byte) []byte {
		return append(forge.LP("rsa-sha2-512"), ed.Sign(data)[len(forge.LP("ssh-ed25519")):]...)
	}}
	trailing := forge.Signer{Blob: append(append([]byte{}, ed.Blob...), 0), Sign: ed.Sign}
	return []vector{
		w.bad(badSignature, "RSA of 1024 bits", doc.Sign(forge.RSA(1024, ssh.KeyAlgoRSASHA512))),
		w.bad(badSignature, "RSA with SHA-1", doc.Sign(sha1)),
		w.bad(badSignature, "an RSA key with a needless zero byte in its exponent", doc.Sign(zeros)),
		w.bad(badSignature, "the same, with the fingerprint of the key without it", doc.Sign(zeros).Set(rsa2048.Fingerprint(), "spec", "signature", "signer")),
		w.bad(badSignature, "an algorithm that does not fit the key", doc.Sign(renamed)),
		w.bad(badSignature, "a byte after the key", doc.Sign(trailing)),
		w.bad(badSignature, "a hardware key that nobody touched", doc.Sign(forge.HardwareEd25519(0))),
		w.bad(badSignature, "a hardware key with ECDSA that nobody touched", doc.Sign(forge.HardwareECDSA(4))),
		w.bad(badSignature, "a certificate", doc.Sign(certified())),
		w.bad(badSignature, "a key of an unknown type", doc.Sign(forge.Signer{Blob: forge.LP("ssh-unknown", "x"), Sign: ed.Sign})),
	}
}

// certified is a key that signs as its certificate.
func certified() forge.Signer {
	key := forge.Ed25519()
	public, err := ssh.ParsePublicKey(key.Blob)
	if err != nil {
		panic(err)
	}
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		panic(err)
	}
	authority, err := ssh.NewSignerFromKey(private)
	if err != nil {
		panic(err)
	}
	certificate := &ssh.Certificate{Key: public, CertType: ssh.UserCert, ValidBefore: ssh.CertTimeInfinity, Nonce: forge.Random(16)}
	if err := certificate.SignCert(rand.Reader, authority); err != nil {
		panic(err)
	}
	return forge.Signer{Blob: certificate.Marshal(), Sign: key.Sign}
}

// shortRSA signs variants of doc until the signature begins with a zero byte, and leaves that byte out.
func shortRSA(doc forge.Tree) forge.Tree {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	key := forge.ForKey(private, ssh.KeyAlgoRSASHA512)
	head := forge.LP(ssh.KeyAlgoRSASHA512)
	for i := 0; ; i++ {
		variant := doc.Set(strconv.Itoa(i), "metadata", "annotations", "waxwing.io/variant")
		found := false
		short := forge.Signer{Blob: key.Blob, Sign: func(data []byte) []byte {
			sig := key.Sign(data)
			signature := sig[len(head)+4:]
			if found = signature[0] == 0; !found {
				return sig
			}
			return append(forge.LP(ssh.KeyAlgoRSASHA512), forge.LP(string(signature[1:]))...)
		}}
		if out := variant.Sign(short); found {
			return out
		}
	}
}
