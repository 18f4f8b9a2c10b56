package source_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// sshServer is an SSH server in this process that runs git's own services. (A forge's own is in the end-to-end tests.)
type sshServer struct {
	address string
	host    ssh.PublicKey
}

func key(t testing.TB) (ssh.Signer, []byte) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	return signer, pem.EncodeToMemory(block)
}

// serveSSH serves to who has a key.
func serveSSH(t testing.TB, allowed ssh.PublicKey) *sshServer {
	t.Helper()
	host, _ := key(t)
	config := &ssh.ServerConfig{PublicKeyCallback: func(c ssh.ConnMetadata, k ssh.PublicKey) (*ssh.Permissions, error) {
		if c.User() != "git" || string(k.Marshal()) != string(allowed.Marshal()) {
			return nil, os.ErrPermission
		}
		return nil, nil
	}}
	config.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serveConn(conn, config)
		}
	}()
	return &sshServer{address: l.Addr().String(), host: host.PublicKey()}
}

func serveConn(raw net.Conn, config *ssh.ServerConfig) {
	conn, channels, requests, err := ssh.NewServerConn(raw, config)
	if err != nil {
		return
	}
	defer func() { _ = conn.Close() }()
	go ssh.DiscardRequests(requests)
	for c := range channels {
		channel, asked, err := c.Accept()
		if err != nil {
			return
		}
		for r := range asked {
			if r.Type != "exec" {
				_ = r.Reply(false, nil)
				continue
			}
			_ = r.Reply(true, nil)
			run(channel, string(r.Payload[4:]))
		}
	}
}

// run runs a command as sshd does, by a shell.
func run(channel ssh.Channel, command string) {
	cmd := exec.Command("sh", "-c", command)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = nil, channel, channel.Stderr()
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err == nil {
		go func() { _, _ = io.Copy(in, channel); _ = in.Close() }()
		err = cmd.Wait()
	}
	status := uint32(0)
	if err != nil {
		status = 128
	}
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(struct{ Status uint32 }{status}))
	_ = channel.Close()
}

func TestSSH(t *testing.T) {
	signer, identity := key(t)
	_, stranger := key(t)
	server := serveSSH(t, signer.PublicKey())
	repo := githttp.Start(t, githttp.Options{}).Repo(t, "it's a repository!")
	ids := commits(repo, "a", 3)
	place := source.Place{URL: "ssh://git@" + server.address + strings.ReplaceAll(repo.Bare, " ", "%20"), Branch: "main"}
	known := []byte(knownhosts.Line([]string{knownhosts.Normalize(server.address)}, server.host) + "\n")
	auth := source.Auth{Identity: identity, KnownHosts: known}
	r, dir := open(t, source.Limits{})
	fetched := func() source.Commit {
		t.Helper()
		c, err := r.Fetch(t.Context(), place, auth, ids[0])
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := fetched()
	if c.ID != ids[2] || contents(t, r, c)["a"] != "2" {
		t.Errorf("it is at %s", c.ID)
	}
	fetched()
	next := commits(repo, "b", 2)
	if c = fetched(); c.ID != next[1] || contents(t, r, c)["b"] != "1" {
		t.Errorf("it is at %s", c.ID)
	}
	draft, err := r.Commit(t.Context(), c, map[string][]byte{"mine": []byte("x")}, robot(), "m", nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Push(t.Context(), place, auth, draft, c.ID, false); err != nil {
		t.Fatal(err)
	}
	if repo.Head("main") != draft.Commit.ID {
		t.Error("the push is not there")
	}
	if names, err := filepath.Glob(filepath.Join(dir, "tmp-*")); err != nil || len(names) != 0 {
		t.Errorf("known_hosts is left behind: %v (%v)", names, err)
	}
	other, _ := key(t)
	line := func(host string, key ssh.PublicKey) []byte {
		return []byte(knownhosts.Line([]string{host}, key) + "\n")
	}
	// None of it may come from elsewhere: an agent's socket, or files of a user.
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, ".ssh"), 0o700); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"known_hosts": known, "id_ed25519": identity, "config": []byte("Host *\n Port 1\n")} {
		if err := os.WriteFile(filepath.Join(home, ".ssh", name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("HOME", home)
	t.Setenv("SSH_KNOWN_HOSTS", filepath.Join(home, ".ssh", "known_hosts"))
	for name, x := range map[string]struct {
		auth   source.Auth
		reason source.Reason
		says   string
	}{
		"no key":              {source.Auth{KnownHosts: known}, source.AuthenticationFailed, "identity"},
		"another key":         {source.Auth{Identity: stranger, KnownHosts: known}, source.AuthenticationFailed, "does not take the SSH key"},
		"a broken key":        {source.Auth{Identity: []byte("x"), KnownHosts: known}, source.AuthenticationFailed, "no SSH private key"},
		"no known_hosts":      {source.Auth{Identity: identity}, source.HostUnknown, "not taken on trust"},
		"known_hosts of else": {source.Auth{Identity: identity, KnownHosts: line("git.example.com", server.host)}, source.HostUnknown, "no key of"},
		"a changed host key":  {source.Auth{Identity: identity, KnownHosts: line(knownhosts.Normalize(server.address), other.PublicKey())}, source.HostUnknown, "not the one"},
		"broken known_hosts":  {source.Auth{Identity: identity, KnownHosts: []byte("x\n")}, source.HostUnknown, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := r.Fetch(t.Context(), place, x.auth)
			refused(t, err, x.reason, x.says)
		})
	}
	_, err = r.Fetch(t.Context(), source.Place{URL: "ssh://git@" + server.address + "/no/such", Branch: "main"}, auth)
	refused(t, err, source.FetchFailed, "does not appear to be a git repository")
	_, err = r.Fetch(t.Context(), source.Place{URL: "ssh://git@" + server.address + "/x';touch%20" + filepath.Join(home, "pwned") + ";'", Branch: "main"}, auth)
	refused(t, err, source.FetchFailed, "")
	if _, err := os.Stat(filepath.Join(home, "pwned")); err == nil {
		t.Error("a path is run as a command")
	}
}
