package sshkey_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
)

// pair is a private key in OpenSSH's form, under passphrase unless that is empty, with its public half.
func pair(t *testing.T, key any, passphrase string) (private []byte, public string) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "alice@example.org")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "alice@example.org", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(block), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
}

func ed25519Key(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func rsaKey(t *testing.T, bits int) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSealedForAnSSHKeyItOpensWithItsPrivateHalf(t *testing.T) {
	for name, key := range map[string]any{"ed25519": ed25519Key(t), "rsa": rsaKey(t, 2048)} {
		for _, passphrase := range []string{"", "a passphrase"} {
			private, public := pair(t, key, passphrase)
			r, err := sshkey.ParseRecipient(public + " alice@example.org")
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if r.String() != public || r.Class() != seal.Classical {
				t.Errorf("%s: recipient %q of class %s", name, r, r.Class())
			}
			p, err := sshkey.ParsePrivate(private)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if p.Recipient() != public || p.Locked() != (passphrase != "") {
				t.Errorf("%s: recipient %q, locked %v", name, p.Recipient(), p.Locked())
			}
			id, err := p.Identity([]byte(passphrase))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if got := sealAndOpen(t, r, id); got != "value" {
				t.Errorf("%s: opened %q", name, got)
			}
			if passphrase == "" {
				continue
			}
			if _, err := p.Identity([]byte("another one")); !errors.Is(err, sshkey.ErrPassphrase) {
				t.Errorf("%s: a wrong passphrase: %v", name, err)
			}
		}
	}
}

func sealAndOpen(t *testing.T, r seal.Recipient, id seal.Identity) string {
	t.Helper()
	place := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	sealer := seal.Sealer{Rand: rand.Reader, Now: time.Now}
	spec, err := sealer.Seal(place, seal.Values{"a": seal.NewValue([]byte("value"))}, []seal.Holder{{Name: "breakglass", Recipients: []seal.Recipient{r}}})
	if err != nil {
		t.Fatal(err)
	}
	c, err := seal.Check(spec)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := c.Open(seal.Target{Namespace: "prod", Name: "db"}, seal.NewIdentities(id))
	if err != nil {
		t.Fatal(err)
	}
	return string(opened.Values["a"].Bytes())
}

func TestKeysThatCannotDecryptAreRefused(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, passphrase := range []string{"", "a passphrase"} {
		private, public := pair(t, key, passphrase)
		if _, err := sshkey.ParsePrivate(private); !errors.Is(err, sshkey.ErrType) {
			t.Errorf("a private ECDSA key: %v", err)
		}
		if _, err := sshkey.ParseRecipient(public); err == nil || !strings.Contains(err.Error(), "can sign but not decrypt") {
			t.Errorf("a public ECDSA key: %v", err)
		}
	}
	for name, private := range map[string][]byte{
		"nothing": nil,
		"no key":  []byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"),
		"no PEM":  []byte("AGE-SECRET-KEY-1"),
	} {
		if _, err := sshkey.ParsePrivate(private); !errors.Is(err, sshkey.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// An OpenSSH file says its public key in the clear, so whoever can write the file can put another one there.
func TestAPrivateKeyUnderAPassphraseMustBelongToItsPublicHalf(t *testing.T) {
	mine, myPublic := pair(t, ed25519Key(t), "a passphrase")
	_, otherPublic := pair(t, ed25519Key(t), "a passphrase")
	block, _ := pem.Decode(mine)
	was, now := rawKey(t, myPublic), rawKey(t, otherPublic)
	if !bytes.Contains(block.Bytes, was) {
		t.Fatal("the public key does not stand in the file")
	}
	block.Bytes = bytes.Replace(block.Bytes, was, now, 1)
	p, err := sshkey.ParsePrivate(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	if p.Recipient() != otherPublic {
		t.Fatalf("recipient %q", p.Recipient())
	}
	if _, err := p.Identity([]byte("a passphrase")); err == nil {
		t.Error("it was taken")
	}
}

func rawKey(t *testing.T, public string) []byte {
	t.Helper()
	key, _, _, _, err := ssh.ParseAuthorizedKey([]byte(public))
	if err != nil {
		t.Fatal(err)
	}
	return key.Marshal()
}

func TestRecipientsAreOneLineWithoutOptions(t *testing.T) {
	_, public := pair(t, ed25519Key(t), "")
	for name, text := range map[string]string{
		"options":      `command="id" ` + public,
		"two lines":    public + "\n" + public,
		"no key":       "ssh-ed25519 AAAA",
		"a type alone": "ssh-ed25519",
		"age":          "age1yrhy96jj48dp2nmqrcqnnnj3c3jllsj6eax28zw6t4r2w2d6u3nqw7a3fe",
	} {
		if r, err := sshkey.ParseRecipient(text); err == nil || strings.Contains(err.Error(), "AAAA") {
			t.Errorf("%s: %q, %v", name, r, err)
		}
	}
}
