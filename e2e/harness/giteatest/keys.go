package giteatest

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

// hostKey makes the SSH server's key; one of RSA, which Gitea would make, takes seconds.
func (g *Gitea) hostKey(address string) (knownHosts string) {
	g.t.Helper()
	private, public := newSSHKey(g.t)
	g.file("host-key", private)
	host, port, _ := net.SplitHostPort(address)
	return fmt.Sprintf("[%s]:%s %s\n", host, port, public)
}

// ChangeHostKey has the SSH server come back with another key; KnownHosts is its line from then on.
func (g *Gitea) ChangeHostKey() {
	g.t.Helper()
	g.Stop()
	g.KnownHosts = g.hostKey(g.SSH)
	g.StartAgain()
}

// newSSHKey makes an Ed25519 key, in OpenSSH's forms.
func newSSHKey(t testing.TB) (private, public string) {
	t.Helper()
	pub, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(priv, "")
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block)), strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

func password(t testing.TB) string {
	t.Helper()
	return "A1-" + rand.Text()
}
