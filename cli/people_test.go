package cli_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"filippo.io/age/plugin"
	"github.com/rogpeppe/go-internal/testscript"
	"golang.org/x/crypto/ssh"
)

// passphrase protects the keys of people in tests.
const passphrase = "passphrase-of-tests"

// givePeopleKeys writes the private keys of people, of each kind. The one in key.txt and the identity files under a passphrase are the same key.
func givePeopleKeys(env *testscript.Env, dir string) error {
	plain, err := os.ReadFile(filepath.Join(dir, "key.txt"))
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	if files["locked.age"], err = lock(plain, false); err != nil {
		return err
	}
	if files["locked.txt"], err = lock(plain, true); err != nil {
		return err
	}
	if err := giveSSHKeys(env, files); err != nil {
		return err
	}
	if err := givePluginKeys(env, files); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// lock encrypts as age -p does, with less work.
func lock(plain []byte, armored bool) ([]byte, error) {
	r, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	r.SetWorkFactor(10)
	var out bytes.Buffer
	dst := io.WriteCloser(struct {
		io.Writer
		io.Closer
	}{&out, io.NopCloser(nil)})
	if armored {
		dst = armor.NewWriter(&out)
	}
	w, err := age.Encrypt(dst, r)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(plain)
	err = errors.Join(err, w.Close(), dst.Close())
	return out.Bytes(), err
}

func giveSSHKeys(env *testscript.Env, files map[string][]byte) error {
	_, edKey, err1 := ed25519.GenerateKey(rand.Reader)
	rsaKey, err2 := rsa.GenerateKey(rand.Reader, 2048)
	ecKey, err3 := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	for name, key := range map[string]any{"id_ed25519": edKey, "id_rsa": rsaKey, "id_ecdsa": ecKey} {
		signer, err1 := ssh.NewSignerFromKey(key)
		open, err2 := ssh.MarshalPrivateKey(key, "alice@example.org")
		locked, err3 := ssh.MarshalPrivateKeyWithPassphrase(key, "alice@example.org", []byte(passphrase))
		if err := errors.Join(err1, err2, err3); err != nil {
			return err
		}
		public := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))
		files[name], files[name+"_locked"] = pem.EncodeToMemory(open), pem.EncodeToMemory(locked)
		files[name+".pub"] = []byte(public + " alice@example.org\n")
		env.Setenv(strings.ToUpper(strings.TrimPrefix(name, "id_"))+"_RECIPIENT", public)
	}
	return nil
}

// pluginForTests is the name of an age plugin that is real in all but its key, which lies in the identity file.
const pluginForTests = "fortests"

// givePluginKeys writes identities of the plugin: one as plugins write them, one that does not say its recipient, and one with which the plugin fails.
func givePluginKeys(env *testscript.Env, files map[string][]byte) error {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	recipient := plugin.EncodeRecipient(pluginForTests, []byte(key.Recipient().String()))
	identity := plugin.EncodeIdentity(pluginForTests, []byte(key.String()))
	files["plugin.txt"] = fmt.Appendf(nil, "#       Serial: 1\n#    Recipient: %s\n%s\n", recipient, identity)
	files["plugin_bare.txt"] = []byte(identity + "\n")
	files["plugin_fails.txt"] = fmt.Appendf(nil, "# public key: %s\n%s\n", recipient, plugin.EncodeIdentity(pluginForTests, []byte("nonsense")))
	files["plugin_missing.txt"] = fmt.Appendf(nil, "# public key: %s\n%s\n", recipient, plugin.EncodeIdentity("nowhere", []byte("x")))
	env.Setenv("PLUGIN_RECIPIENT", recipient)
	env.Setenv("CANARY_RECIPIENT", plugin.EncodeRecipient("canary", []byte("x")))
	env.Setenv("CANARY_IDENTITY", plugin.EncodeIdentity("canary", []byte("x")))
	return nil
}

// renamed makes the stanzas of X25519 the plugin's own.
type renamed struct {
	recipient *age.X25519Recipient
	identity  *age.X25519Identity
}

func (r renamed) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, err := r.recipient.Wrap(fileKey)
	for _, s := range stanzas {
		s.Type = pluginForTests
	}
	return stanzas, err
}

func (r renamed) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	var own []*age.Stanza
	for _, s := range stanzas {
		if s.Type == pluginForTests {
			own = append(own, &age.Stanza{Type: "X25519", Args: s.Args, Body: s.Body})
		}
	}
	return r.identity.Unwrap(own)
}

// pluginForTestsMain is age-plugin-fortests.
func pluginForTestsMain() {
	p, err := plugin.New(pluginForTests)
	if err != nil {
		panic(err)
	}
	p.HandleRecipient(func(data []byte) (age.Recipient, error) {
		r, err := age.ParseX25519Recipient(string(data))
		return renamed{recipient: r}, err
	})
	p.HandleIdentity(func(data []byte) (age.Identity, error) {
		id, err := age.ParseX25519Identity(string(data))
		return renamed{identity: id}, err
	})
	os.Exit(p.Main())
}
