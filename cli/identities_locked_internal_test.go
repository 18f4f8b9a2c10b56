package cli

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"testing"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/sshkey"
)

// hastyTerminal is a person who types the passphrase, and Ctrl-C when the work for it begins.
type hastyTerminal struct{ interrupt context.CancelFunc }

func (hastyTerminal) Interactive() (stdin, stdout bool) { return true, true }
func (h hastyTerminal) ReadPassword(context.Context, string) ([]byte, error) {
	h.interrupt()
	return []byte("canary-passphrase"), nil
}
func (h hastyTerminal) Ask(ctx context.Context, prompt string, _ bool) ([]byte, error) {
	return h.ReadPassword(ctx, prompt)
}

// How much work a passphrase costs, up to minutes, stands in the file.
func TestCtrlCEndsTheWorkForAPassphrase(t *testing.T) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("canary-passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	to, err := age.NewScryptRecipient("canary-passphrase")
	if err != nil {
		t.Fatal(err)
	}
	to.SetWorkFactor(10)
	var locked bytes.Buffer
	w, err := age.Encrypt(&locked, to)
	if err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	pemFile := pem.EncodeToMemory(block)
	for name, open := range map[string]func(ctx context.Context, env *Env) error{
		"an identity file": func(ctx context.Context, env *Env) error {
			_, err := identityReader{ctx: ctx, env: env, name: "key"}.decrypt(locked.Bytes())
			return err
		},
		"an SSH key": func(ctx context.Context, env *Env) error {
			_, err := (&lockedKey{key: lockedPrivate(t, pemFile), reader: identityReader{ctx: ctx, env: env, name: "key"}}).unlock()
			return err
		},
		"a key to sign with": func(ctx context.Context, env *Env) error {
			_, err := signerFromProtected(ctx, env, "key", pemFile, nil)
			return err
		},
	} {
		ctx, cancel := context.WithCancel(context.Background())
		if err := open(ctx, &Env{Terminal: hastyTerminal{interrupt: cancel}}); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
	}
}

func lockedPrivate(t *testing.T, b []byte) *sshkey.Private {
	t.Helper()
	key, err := sshkey.ParsePrivate(b)
	if err != nil || !key.Locked() {
		t.Fatal(err)
	}
	return key
}
