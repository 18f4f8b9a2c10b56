package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const pubSuffix = ".pub"

// signerFromFile is the signer of a private key file, or of the public one of a key that the SSH agent holds.
func signerFromFile(ctx context.Context, env *Env, name string) (ssh.Signer, error) {
	b, err := env.read(ctx, name, "a signing key", maxKeyFile)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	text, err := keyText(shownName(name), b)
	if err != nil {
		return nil, err
	}
	if bytes.Contains(text, []byte("-----BEGIN ")) {
		warnReadable(env, name)
		return signerFromPrivate(ctx, env, name, text)
	}
	pub, err := parsePublicKey(string(text))
	if err != nil {
		return nil, failed("give an OpenSSH private key, or the .pub file of one that the SSH agent holds", "%s: is no key to sign with: %v", shownName(name), err)
	}
	return signerFromPublic(ctx, env, name, pub)
}

// parsePublicKey reads the text of one public key, as it stands in a .pub file. A comment may follow; options may not.
func parsePublicKey(text string) (ssh.PublicKey, error) {
	pub, _, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	switch {
	case err != nil:
		return nil, errors.New("it is not of the form ssh-ed25519 AAAA…")
	case len(options) > 0:
		return nil, errors.New("something stands before the key")
	case len(bytes.TrimSpace(rest)) > 0:
		return nil, errors.New("more than one line")
	}
	return pub, checkKeyType(pub)
}

func checkKeyType(pub ssh.PublicKey) error {
	if !seal.CanSign(pub) {
		return fmt.Errorf("keys of type %s, or of that size, do not sign objects", pub.Type())
	}
	return nil
}

// signerFromPublic asks the agent, and then looks for the private key beside the public one, as ssh-keygen does.
func signerFromPublic(ctx context.Context, env *Env, name string, pub ssh.PublicKey) (ssh.Signer, error) {
	signer, agentErr := agentSignerFor(ctx, env, pub)
	if agentErr == nil {
		return signer, nil
	}
	private, isPub := strings.CutSuffix(name, pubSuffix)
	if _, err := os.Stat(env.path(private)); !isPub || err != nil || strings.HasPrefix(pub.Type(), "sk-") {
		return nil, withPlace(name, agentErr)
	}
	signer, err := signerFromFile(ctx, env, private)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(signer.PublicKey().Marshal(), pub.Marshal()) {
		return nil, failed("", "%s: is not the public key of %s", name, private)
	}
	return signer, nil
}

// withPlace puts the file that named a key before the error of looking for that key.
func withPlace(name string, err error) error {
	var f *failure
	if errors.As(err, &f) {
		return &failure{msg: shownName(name) + ": " + f.msg, hint: f.hint, code: f.code}
	}
	return fmt.Errorf("%s: %w", shownName(name), err)
}

func signerFromPrivate(ctx context.Context, env *Env, name string, pem []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(pem)
	var protected *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &protected):
		signer, err = signerFromProtected(ctx, env, name, pem, protected.PublicKey)
	case err != nil:
		signer, err = signerFromHardware(ctx, env, name)
	}
	if err != nil {
		return nil, err
	}
	if err := checkKeyType(signer.PublicKey()); err != nil {
		return nil, failed("use an Ed25519 key: ssh-keygen -t ed25519", "%s: %v", shownName(name), err)
	}
	return signer, nil
}

// signerFromProtected uses the agent where it holds the key, and else asks for the passphrase. pub is nil for old forms of files, which do not show it.
func signerFromProtected(ctx context.Context, env *Env, name string, pem []byte, pub ssh.PublicKey) (ssh.Signer, error) {
	if pub != nil {
		signer, err := agentSignerFor(ctx, env, pub)
		if err == nil {
			return signer, nil
		}
		if strings.HasPrefix(pub.Type(), "sk-") {
			return nil, withPlace(name, err)
		}
	}
	if !env.stdinIsTerminal() {
		return nil, failed("let the SSH agent hold it: ssh-add FILE", "%s: is protected by a passphrase, and there is no terminal to ask for it", shownName(name))
	}
	passphrase, err := env.Terminal.ReadPassword(ctx, "passphrase of "+shown(name)+": ")
	if err != nil {
		return nil, fmt.Errorf("reading the passphrase of %s: %w", name, err)
	}
	var signer ssh.Signer
	_, err = unlessDone(ctx, func() ([]byte, error) {
		defer clear(passphrase)
		key, err := ssh.ParsePrivateKeyWithPassphrase(pem, passphrase)
		if err == nil {
			signer = key
		}
		return nil, err
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, x509.IncorrectPasswordError):
		return nil, failed("", "%s: that is not its passphrase", name)
	case err != nil:
		return nil, failed("", "%s: is not a private SSH key that can be read", name)
	}
	return signer, nil
}

// signerFromHardware is for files that hold no key but lead to one on hardware: the agent knows how to reach it.
func signerFromHardware(ctx context.Context, env *Env, name string) (ssh.Signer, error) {
	unreadable := failed("give an OpenSSH private key, or the .pub file of one that the SSH agent holds", "%s: is not a private SSH key that can be read", shownName(name))
	if name == stdinArg {
		return nil, unreadable
	}
	b, err := readFile(ctx, env.path(name+pubSuffix), name+pubSuffix, maxKeyFile)
	if err != nil {
		return nil, unreadable
	}
	pub, err := parsePublicKey(string(b))
	if err != nil || !strings.HasPrefix(pub.Type(), "sk-") {
		return nil, unreadable
	}
	signer, err := agentSignerFor(ctx, env, pub)
	if err != nil {
		return nil, withPlace(name, err)
	}
	return signer, nil
}
