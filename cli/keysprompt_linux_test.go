package cli_test

import (
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// askedKeyring is a cluster with one keyring and its key, and a seal that is asked for something with it.
func askedKeyring(t *testing.T, status string) (c *console, root, kubeconfig string) {
	t.Helper()
	root = t.TempDir()
	at := filepath.Join(root, "apis", "waxwing.io", "v1alpha1", "keyrings")
	if err := os.MkdirAll(at, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "apis", "waxwing.io", "v1alpha1", "gitsecrets"), 0o755); err != nil {
		t.Fatal(err)
	}
	object := `{"metadata": {"name": "prod", "generation": 4, "resourceVersion": "7"}, "spec": {}, "status": {"observedGeneration": 4, "keys": [{"id": "3f2a91c0000000000000000000000002", "state": "Deactivated"}]}}`
	if err := os.WriteFile(filepath.Join(at, "prod.json"), []byte(object), 0o644); err != nil {
		t.Fatal(err)
	}
	if status != "" {
		if err := os.WriteFile(filepath.Join(at, "prod.then"), []byte(status), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	server := httptest.NewTLSServer(fakeFolderCluster{root})
	t.Cleanup(server.Close)
	kubeconfig = filepath.Join(root, "kubeconfig")
	if err := writeKubeconfig(kubeconfig, server); err != nil {
		t.Fatal(err)
	}
	return newConsole(t), filepath.Join(at, "prod.patch"), kubeconfig
}

func TestDestroyingAKeyHasItsIDTyped(t *testing.T) {
	const done = `{"keys": [{"id": "3f2a91c0000000000000000000000002", "state": "Destroyed"}], "requests": [{"key": "3f2a91c0000000000000000000000002", "do": "Destroy", "outcome": "Done"}]}`
	for answer, code := range map[string]int{"3f2a91c000000000\n": 0, "3f2a91c0000000000000000000000002\n": 0, "3f2a91c0\n": 1, "\n": 1, "y\n": 1} {
		c, patch, kubeconfig := askedKeyring(t, done)
		cmd := c.start(t, t.TempDir(), "keys", "destroy", "3f2a91c0", "--kubeconfig", kubeconfig)
		c.waitFor(t, "seal: there is no backup of the keys in the cluster")
		c.waitFor(t, "Type 3f2a91c000000000 to destroy this key for good: ")
		c.typing(t, answer)
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("answered %q: exit code %d; seen: %q", answer, got, c.seen.String())
		}
		if _, err := os.Stat(patch); (err == nil) != (code == 0) {
			t.Errorf("answered %q: %v", answer, err)
		}
	}
}

func TestCallingAKeyCompromisedIsConfirmed(t *testing.T) {
	const done = `{"keys": [{"id": "3f2a91c0000000000000000000000002", "state": "Compromised"}, {"id": "77aa0000000000000000000000000001", "state": "Active"}],
		"requests": [{"key": "3f2a91c0000000000000000000000002", "do": "Compromise", "outcome": "Done"}]}`
	for answer, code := range map[string]int{"y\n": 0, "\n": 1, "n\n": 1} {
		c, patch, kubeconfig := askedKeyring(t, done)
		cmd := c.start(t, t.TempDir(), "keys", "compromise", "3f2a91c0", "--reason", "leaked", "--kubeconfig", kubeconfig)
		c.waitFor(t, "Call key 3f2a91c000000000 of keyring prod compromised? [y/N] ")
		c.typing(t, answer)
		_ = cmd.Wait()
		if got := cmd.ProcessState.ExitCode(); got != code {
			t.Errorf("answered %q: exit code %d; seen: %q", answer, got, c.seen.String())
		}
		if _, err := os.Stat(patch); (err == nil) != (code == 0) {
			t.Errorf("answered %q: %v", answer, err)
		}
	}
}

func TestCtrlCWhileARequestIsWaitedForLeavesItAndSaysSo(t *testing.T) {
	c, patch, kubeconfig := askedKeyring(t, `{"keys": [{"id": "3f2a91c0000000000000000000000002", "state": "Deactivated"}],
		"requests": [{"key": "3f2a91c0000000000000000000000002", "do": "Resume", "outcome": "Waiting", "message": "the source is away"}]}`)
	cmd := c.start(t, t.TempDir(), "keys", "resume", "3f2a91c0", "--kubeconfig", kubeconfig)
	c.waitFor(t, "seal: the source is away")
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	c.waitFor(t, "seal: the request stays in spec.requests of keyring prod, and its controller carries it out when it can")
	c.waitFor(t, "seal: interrupted")
	_ = cmd.Wait()
	if got := cmd.ProcessState.ExitCode(); got != 130 {
		t.Errorf("exit code %d; seen: %q", got, c.seen.String())
	}
	b, err := os.ReadFile(strings.TrimSuffix(patch, "patch") + "json")
	if err != nil || !strings.Contains(string(b), `"do":"Resume"`) {
		t.Errorf("the request is gone: %s, %v", b, err)
	}
}
