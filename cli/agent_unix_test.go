//go:build unix

package cli_test

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// sealedFile seals a Secret into a new folder.
func sealedFile(t *testing.T) (name string, content []byte) {
	t.Helper()
	name = filepath.Join(t.TempDir(), "s.yaml")
	if err := os.WriteFile(name, plainFile(1), 0o600); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := run(t, "", "", "-w", "-r", testRecipient, name); code != 0 {
		t.Fatal(stderr)
	}
	content, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return name, content
}

// agentSocket serves connections to an SSH agent, and gives the environment that names it.
func agentSocket(t *testing.T, serve func(net.Conn)) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // t.TempDir is too long for a socket on some systems
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return "SSH_AUTH_SOCK=" + filepath.Join(dir, "s")
}

func unchanged(t *testing.T, name string, before []byte) {
	t.Helper()
	after, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file has changed (%v)", err)
	}
}

func TestCtrlCWhileTheAgentIsSilentLeavesTheFileAsItWas(t *testing.T) {
	name, before := sealedFile(t)
	asked := make(chan struct{})
	socket := agentSocket(t, func(conn net.Conn) {
		t.Cleanup(func() { _ = conn.Close() }) // not before: the collector closes one that nobody holds
		_, _ = conn.Read(make([]byte, 1))
		close(asked)
	})
	cmd := exec.Command("seal", "sign", name)
	cmd.Env = append(os.Environ(), socket, "GIT_CONFIG_GLOBAL=/dev/null")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if _ = cmd.Wait(); cmd.ProcessState.ExitCode() != 130 || stderr.String() != "seal: interrupted\n" {
		t.Errorf("exit code %d, %q", cmd.ProcessState.ExitCode(), stderr.String())
	}
	unchanged(t, name, before)
}

// otherKeyAgent shows one key and signs with another.
type otherKeyAgent struct {
	agent.Agent
	other ssh.Signer
}

func (a *otherKeyAgent) Sign(_ ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	return a.other.Sign(nil, data)
}

// lockedAgent refuses to sign, as an agent does whose owner has said no.
type lockedAgent struct{ agent.Agent }

func (lockedAgent) Sign(ssh.PublicKey, []byte) (*ssh.Signature, error) { return nil, os.ErrPermission }

func TestNothingIsWrittenWhenTheAgentFails(t *testing.T) {
	keyring := agent.NewKeyring()
	key, err := newSSHKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	if err := keyring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
		t.Fatal(err)
	}
	otherKey, err := newSSHKey("ed25519")
	if err != nil {
		t.Fatal(err)
	}
	other, err := ssh.NewSignerFromSigner(otherKey)
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		serve func(net.Conn)
		want  string
	}{
		"it signs with another key": {
			func(c net.Conn) { defer c.Close(); _ = agent.ServeAgent(&otherKeyAgent{keyring, other}, c) }, "the new signature does not verify",
		},
		"it refuses":                  {func(c net.Conn) { defer c.Close(); _ = agent.ServeAgent(lockedAgent{keyring}, c) }, "the SSH agent refused, or lost its key"},
		"it hangs up":                 {func(c net.Conn) { c.Close() }, "asking the SSH agent for its keys"},
		"it answers with noise":       {func(c net.Conn) { defer c.Close(); _, _ = c.Write([]byte("\x00\x00\x00\x05\x0c\xff\xff\xff\xff")) }, "asking the SSH agent for its keys"},
		"it answers without end":      {func(c net.Conn) { defer c.Close(); _, _ = c.Write([]byte("\xff\xff\xff\xff")) }, "asking the SSH agent for its keys"},
		"it answers something else":   {func(c net.Conn) { defer c.Close(); _, _ = c.Write([]byte("\x00\x00\x00\x01\x05")) }, "asking the SSH agent for its keys"},
		"it answers a key, then goes": {serveOnce(keyring), "the SSH agent refused, or lost its key"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			file, before := sealedFile(t)
			cmd := exec.Command("seal", "sign", file)
			cmd.Env = append(os.Environ(), agentSocket(t, tc.serve), "GIT_CONFIG_GLOBAL=/dev/null")
			out, err := cmd.CombinedOutput()
			if err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), tc.want) {
				t.Errorf("%v: %s", err, out)
			}
			unchanged(t, file, before)
		})
	}
}

// serveOnce serves the first connection, and closes all others.
func serveOnce(a agent.Agent) func(net.Conn) {
	first := make(chan struct{}, 1)
	first <- struct{}{}
	return func(c net.Conn) {
		defer c.Close()
		select {
		case <-first:
			_ = agent.ServeAgent(a, c)
		default:
		}
	}
}
