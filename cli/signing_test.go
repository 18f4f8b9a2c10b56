package cli_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hiddeco/sshsig"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// makeSSHKey is the script command "sshkey TYPE FILE [PASSPHRASE]": the files that ssh-keygen would make, FILE and FILE.pub with the comment FILE@example.org.
// The environment has the fingerprint afterwards, under FILE in upper case.
func makeSSHKey(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: sshkey TYPE FILE [PASSPHRASE]")
	}
	key, err := newSSHKey(args[0])
	ts.Check(err)
	comment := filepath.Base(args[1]) + "@example.org"
	block, err := ssh.MarshalPrivateKey(key, comment)
	if len(args) == 3 {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, comment, []byte(args[2]))
	}
	ts.Check(err)
	pub, err := ssh.NewPublicKey(key.Public())
	ts.Check(err)
	line := strings.TrimSuffix(string(ssh.MarshalAuthorizedKey(pub)), "\n")
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), pem.EncodeToMemory(block), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(args[1]+".pub"), []byte(line+" "+comment+"\n"), 0o644))
	ts.Setenv(strings.ToUpper(filepath.Base(args[1])), ssh.FingerprintSHA256(pub))
	ts.Setenv(strings.ToUpper(filepath.Base(args[1]))+"_PUB", line)
}

func newSSHKey(typ string) (crypto.Signer, error) {
	switch typ {
	case "ed25519":
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	case "ecdsa":
		return ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "rsa1024":
		return rsa.GenerateKey(rand.Reader, 1024)
	case "rsa":
		return rsa.GenerateKey(rand.Reader, 2048)
	}
	return nil, errors.New("unknown type of key")
}

// startAgent is the script command "agent [FILE]…": an SSH agent with these private keys behind SSH_AUTH_SOCK. It is x/crypto's keyring, in this process; files
// that begin with hardware- stand for keys on hardware.
func startAgent(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: agent [FILE]…")
	}
	a := &keyAgent{Agent: agent.NewKeyring()}
	for _, name := range args {
		raw, err := ssh.ParseRawPrivateKey([]byte(ts.ReadFile(name)))
		ts.Check(err)
		if strings.HasPrefix(name, "hardware-") {
			a.hardware = newFakeHardwareKey(*raw.(*ed25519.PrivateKey))
			ts.Check(os.WriteFile(ts.MkAbs(name+".pub"), ssh.MarshalAuthorizedKey(a.hardware.pub), 0o644))
			continue
		}
		ts.Check(a.Add(agent.AddedKey{PrivateKey: raw, Comment: name}))
	}
	// The path of a socket has to be short.
	dir, err := os.MkdirTemp("", "agent")
	ts.Check(err)
	socket := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", socket)
	ts.Check(err)
	ts.Defer(func() {
		listener.Close()
		os.RemoveAll(dir)
	})
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				_ = agent.ServeAgent(a, conn)
			}()
		}
	}()
	ts.Setenv("SSH_AUTH_SOCK", socket)
}

// keyAgent is a keyring that may hold a key on hardware, too.
type keyAgent struct {
	agent.Agent
	hardware *fakeHardwareKey
}

func (a *keyAgent) List() ([]*agent.Key, error) {
	keys, err := a.Agent.List()
	if a.hardware != nil {
		keys = append(keys, &agent.Key{Format: a.hardware.pub.Type(), Blob: a.hardware.pub.Marshal(), Comment: "hardware"})
	}
	return keys, err
}

func (a *keyAgent) Sign(key ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.SignWithFlags(key, data, 0)
}

func (a *keyAgent) SignWithFlags(key ssh.PublicKey, data []byte, flags agent.SignatureFlags) (*ssh.Signature, error) {
	if a.hardware != nil && bytes.Equal(key.Marshal(), a.hardware.pub.Marshal()) {
		return a.hardware.sign(data)
	}
	return a.Agent.(agent.ExtendedAgent).SignWithFlags(key, data, flags)
}

func (a *keyAgent) Extension(string, []byte) ([]byte, error) {
	return nil, agent.ErrExtensionUnsupported
}

// fakeHardwareKey signs as a FIDO token would (PROTOCOL.u2f), but with a key in memory and without a touch.
type fakeHardwareKey struct {
	key ed25519.PrivateKey
	pub ssh.PublicKey
}

const tokenApplication = "ssh:"

func newFakeHardwareKey(key ed25519.PrivateKey) *fakeHardwareKey {
	blob := ssh.Marshal(struct{ Type, Key, Application string }{ssh.KeyAlgoSKED25519, string(key.Public().(ed25519.PublicKey)), tokenApplication})
	pub, err := ssh.ParsePublicKey(blob)
	if err != nil {
		panic(err)
	}
	return &fakeHardwareKey{key: key, pub: pub}
}

func (k *fakeHardwareKey) sign(data []byte) (*ssh.Signature, error) {
	const userPresent, counter = 1, 7
	hash := func(b []byte) []byte {
		h := crypto.SHA256.New()
		h.Write(b)
		return h.Sum(nil)
	}
	rest := []byte{userPresent, 0, 0, 0, counter}
	signed := slices.Concat(hash([]byte(tokenApplication)), rest, hash(data))
	return &ssh.Signature{Format: ssh.KeyAlgoSKED25519, Blob: ed25519.Sign(k.key, signed), Rest: rest}, nil
}

// resign is the script command "resign HOW KEY FILE": it gives the sealed YAML FILE a signature that an attacker could make with KEY.
func resign(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: resign HOW KEY FILE")
	}
	signer, err := ssh.ParsePrivateKey([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	file, err := manifest.Parse(args[2], []byte(ts.ReadFile(args[2])))
	ts.Check(err)
	doc, err := file.Docs()[0].JSON()
	ts.Check(err)
	d, err := seal.ParseDocument(doc)
	ts.Check(err)
	was := d.Spec().Signature
	ts.Check(d.Sign(d.Annotations, signer, rand.Reader))
	s := *d.Spec().Signature
	switch args[0] {
	case "own":
	case "namespace": // a signature that the key has made of something else
		sig, err := sshsig.Sign(io.LimitReader(rand.Reader, 8), signer, sshsig.HashSHA512, "git")
		ts.Check(err)
		s.SSHSig = string(sshsig.Armor(sig))
	case "fingerprint": // says that it is by the one who has signed before
		s.Signer = was.Signer
	case "truncated":
		s.SSHSig = s.SSHSig[:len(s.SSHSig)/2]
	case "huge":
		s.SSHSig += strings.Repeat("A", 1<<20)
	case "text":
		s.SSHSig = "before\n" + s.SSHSig
	default:
		ts.Fatalf("unknown way %s", args[0])
	}
	ts.Check(file.Docs()[0].Set([]string{"spec", "signature"}, mustJSON(map[string]string{"signer": s.Signer, "sshsig": s.SSHSig})))
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), file.Bytes(), 0o644))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// writeLockedKey writes a private key that a passphrase protects.
func writeLockedKey(t *testing.T, name, passphrase string) {
	t.Helper()
	key, err := newSSHKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
}
