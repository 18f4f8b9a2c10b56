package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"filippo.io/age"
)

const processRuns = 15

const plainSecret = `apiVersion: v1
kind: Secret
metadata: {name: db, namespace: prod}
stringData:
  key0: a value of thirty-two bytes here
  key1: a value of thirty-two bytes here
  key2: a value of thirty-two bytes here
  key3: a value of thirty-two bytes here
  key4: a value of thirty-two bytes here
`

// processRows runs `seal` and `kubeseal` in turn on the same Secret and compares the CPU time of the whole processes, and opening offline with each.
func processRows(ctx context.Context, _ config) ([]row, error) {
	kubeseal, err := tool(ctx, "kubeseal")
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "waxwing-bench")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	m, err := newMaterial(dir)
	if err != nil {
		return nil, err
	}
	binary, err := filepath.Abs("bin/seal")
	if err != nil {
		return nil, err
	}
	seal := []string{binary, "-r", "prod=" + m.recipient, m.secret}
	open := []string{binary, "open", "-i", m.identity, m.sealed}
	theirSeal := []string{kubeseal, "--cert", m.cert, "-f", m.secret, "-o", "yaml"}
	theirOpen := []string{kubeseal, "--recovery-unseal", "--recovery-private-key", m.key, "-f", m.theirs, "-o", "yaml"}
	if err := writeOutput(ctx, seal, m.sealed); err != nil {
		return nil, err
	}
	if err := writeOutput(ctx, theirSeal, m.theirs); err != nil {
		return nil, err
	}
	sealRow, err := compare(ctx, "seal (CPU of the process)", seal, "kubeseal --cert, RSA-4096", theirSeal)
	if err != nil {
		return nil, err
	}
	openRow, err := compare(ctx, "seal open (CPU of the process)", open, "kubeseal --recovery-unseal, RSA-4096", theirOpen)
	return []row{sealRow, openRow}, err
}

// material is what both programs need: a Secret, an age identity, an RSA-4096 key with its certificate.
type material struct {
	secret, sealed, theirs, identity, recipient, key, cert string
}

func newMaterial(dir string) (m material, err error) {
	file := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if werr := os.WriteFile(path, content, 0o600); werr != nil {
			err = werr
		}
		return path
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return m, err
	}
	key, err := rsa.GenerateKey(rand.Reader, 4096)
	if err != nil {
		return m, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bench"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return m, err
	}
	m = material{
		secret:    file("secret.yaml", []byte(plainSecret)),
		identity:  file("identity.txt", []byte(id.String()+"\n")),
		recipient: id.Recipient().String(),
		key:       file("tls.key", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})),
		cert:      file("tls.crt", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})),
		sealed:    filepath.Join(dir, "sealed.yaml"),
		theirs:    filepath.Join(dir, "theirs.yaml"),
	}
	return m, err
}

func writeOutput(ctx context.Context, argv []string, path string) error {
	out, _, err := timed(ctx, argv)
	if err != nil {
		return err
	}
	return os.WriteFile(path, out, 0o600)
}

// compare runs the two in turn, so that a drift of the machine's speed meets both, and takes the medians of user plus system time.
func compare(ctx context.Context, what string, ours []string, name string, theirs []string) (row, error) {
	var a, b []time.Duration
	for range processRuns {
		_, d, err := timed(ctx, ours)
		if err != nil {
			return row{}, err
		}
		a = append(a, d)
		if _, d, err = timed(ctx, theirs); err != nil {
			return row{}, err
		}
		b = append(b, d)
	}
	return row{what: what, ours: median(a), baseline: name, theirs: median(b)}, nil
}

func timed(ctx context.Context, argv []string) ([]byte, time.Duration, error) {
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %s", filepath.Base(argv[0]), err, errs.String())
	}
	return out.Bytes(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), nil
}
