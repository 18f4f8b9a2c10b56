package bench_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/waxwing-io/waxwing/e2e/harness"
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

// BenchmarkProcess runs `seal` and `kubeseal` in turn on the same Secret and compares the CPU time of the whole processes; then opening offline with each.
func BenchmarkProcess(b *testing.B) {
	m, err := newMaterial(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	ours, theirs := harness.BuildBinary(b, "./cmd/seal"), tool(b, "kubeseal")
	seal := []string{ours, "-r", "prod=" + m.recipient, m.secret}
	open := []string{ours, "open", "-i", m.identity, m.sealed}
	theirSeal := []string{theirs, "--cert", m.cert, "-f", m.secret, "-o", "yaml"}
	theirOpen := []string{theirs, "--recovery-unseal", "--recovery-private-key", m.key, "-f", m.theirs, "-o", "yaml"}
	for path, argv := range map[string][]string{m.sealed: seal, m.theirs: theirSeal} {
		out, _ := timed(b, argv)
		if err := os.WriteFile(path, out, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	report(b, "5-key Secret, CPU time of the whole process",
		compare(b, "seal", seal, "kubeseal --cert, RSA-4096", theirSeal),
		compare(b, "seal open", open, "kubeseal --recovery-unseal, RSA-4096", theirOpen))
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

// compare runs the two in turn, so that a drift of the machine's speed meets both.
func compare(b *testing.B, what string, ours []string, name string, theirs []string) row {
	b.Helper()
	var mine, other []time.Duration
	for range processRuns {
		_, d := timed(b, ours)
		mine = append(mine, d)
		_, d = timed(b, theirs)
		other = append(other, d)
	}
	return row{what: what, ours: median(mine), baseline: name, theirs: median(other)}
}

// timed gives the output of a program and its user plus system time.
func timed(b *testing.B, argv []string) ([]byte, time.Duration) {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), argv[0], argv[1:]...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		b.Fatalf("%s: %v: %s", filepath.Base(argv[0]), err, errs.String())
	}
	return out.Bytes(), cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
}
