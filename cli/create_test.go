package cli_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/crypto/ssh"
)

// writeKeyFiles writes what Secrets of types are made of: web.crt (valid), old.crt (expired), early.crt (not valid yet) of web.key, another key, and SSH keys
// with and without a passphrase.
func writeKeyFiles(dir string) error {
	key, err1 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	another, err2 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	now, year := time.Now(), 365*24*time.Hour
	return errors.Join(
		writeKey(filepath.Join(dir, "web.key"), key),
		writeKey(filepath.Join(dir, "another.key"), another),
		writeCert(filepath.Join(dir, "web.crt"), key, now.Add(-year), now.Add(year)),
		writeCert(filepath.Join(dir, "old.crt"), key, now.Add(-2*year), now.Add(-year)),
		writeCert(filepath.Join(dir, "early.crt"), key, now.Add(year), now.Add(2*year)),
		writeSSHKeys(dir),
	)
}

func writePEM(path, kind string, der []byte) error {
	return os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	return writePEM(path, "PRIVATE KEY", der)
}

func writeCert(path string, key *ecdsa.PrivateKey, from, to time.Time) error {
	c := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "web.example.org"}, NotBefore: from, NotAfter: to}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		return err
	}
	return writePEM(path, "CERTIFICATE", der)
}

func writeSSHKeys(dir string) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	open, err1 := ssh.MarshalPrivateKey(private, "")
	locked, err2 := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte(canary))
	line, err3 := ssh.NewPublicKey(public)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, "id_ed25519"), pem.EncodeToMemory(open), 0o600),
		os.WriteFile(filepath.Join(dir, "id_locked"), pem.EncodeToMemory(locked), 0o600),
		os.WriteFile(filepath.Join(dir, "id_ed25519.pub"), ssh.MarshalAuthorizedKey(line), 0o600),
	)
}
