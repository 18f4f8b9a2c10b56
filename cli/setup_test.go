package cli_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// setUpRepository adds what scripts about whole repositories need: a classical keyring's note, a newer note, a key to sign with, a cluster that never answers, and one that a script puts together.
func setUpRepository(env *testscript.Env, k keys) error {
	dir := filepath.Join(env.WorkDir, "keys")
	return errors.Join(classicalNote(env, dir, k), signingKey(env, dir), serveSilence(env, dir), serveFolder(env))
}

func classicalNote(env *testscript.Env, dir string, k keys) error {
	signerKey, vkey, err := statement.GenerateKey(rand.Reader, "vault")
	if err != nil {
		return err
	}
	signer, err1 := statement.NewSigner(signerKey)
	r, err2 := seal.ParseRecipient(k.classical)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	note, err := (statement.Recipients{Holder: "vault", Set: 1, At: time.Now(), Recipients: []seal.Recipient{r}}).Sign(signer)
	if err != nil {
		return err
	}
	env.Setenv("VAULT_VKEY", vkey)
	return os.WriteFile(filepath.Join(dir, "vault.note"), note, 0o644)
}

// signingKey makes an SSH key; $SIGNER is its public half.
func signingKey(env *testscript.Env, dir string) error {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return err
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		return err
	}
	env.Setenv("SIGNER", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key))))
	return os.WriteFile(filepath.Join(dir, "sign.pem"), pem.EncodeToMemory(block), 0o600)
}

// serveSilence writes a kubeconfig of an API server that takes requests and never answers.
func serveSilence(env *testscript.Env, dir string) error {
	server := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	env.Defer(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return writeKubeconfig(filepath.Join(dir, "silent.kubeconfig"), server)
}

// signJSON is the script command "signjson FILE": it signs the GitSecret in a JSON file with the key of signingKey.
func signJSON(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: signjson FILE")
	}
	private, err := os.ReadFile(filepath.Join(ts.Getenv("KEYS"), "sign.pem"))
	ts.Check(err)
	signer, err := ssh.ParsePrivateKey(private)
	ts.Check(err)
	text := []byte(ts.ReadFile(args[0]))
	doc, err := seal.ParseDocument(text)
	ts.Check(err)
	ts.Check(doc.Sign(doc.Annotations, signer, rand.Reader))
	var whole map[string]any
	ts.Check(json.Unmarshal(text, &whole))
	whole["spec"].(map[string]any)["signature"] = doc.Spec().Signature
	signed, err := json.MarshalIndent(whole, "", "  ")
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), append(signed, '\n'), 0o644))
}
