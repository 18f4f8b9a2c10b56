package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
)

// maxWorkFactor bounds the work for a passphrase: 2^22 is age's own bound, takes 4 GiB of memory, and is sixteen times what age writes.
const maxWorkFactor = 22

// isAgeFile says whether b is an age file, armored or not.
func isAgeFile(b []byte) bool {
	return bytes.HasPrefix(b, []byte("age-encryption.org/")) || bytes.HasPrefix(bytes.TrimSpace(b), []byte(armor.Header))
}

// cannotUse is the error for an identity that would fit and cannot be used.
func cannotUse(hint, format string, args ...any) error {
	return &failure{msg: fmt.Sprintf(format, args...), hint: hint, code: exitNoIdentity}
}

// decrypt opens an identity file that is under a passphrase.
func (r identityReader) decrypt(b []byte) ([]byte, error) {
	var src io.Reader = bytes.NewReader(b)
	if !bytes.HasPrefix(b, []byte("age-encryption.org/")) {
		src = armor.NewReader(bytes.NewReader(bytes.TrimSpace(b)))
	}
	raw, err := io.ReadAll(src)
	if err != nil {
		return nil, failed("", "%s: is a damaged age file", r.name)
	}
	if header, err := age.ExtractHeader(bytes.NewReader(raw)); err != nil || !bytes.Contains(header, []byte("\n-> scrypt ")) {
		return nil, failed("give the file with the private key; one that is encrypted is encrypted with a passphrase (age -p)", "%s: is an age file, but not one under a passphrase", r.name)
	}
	passphrase, err := r.passphrase("")
	if err != nil {
		return nil, err
	}
	id, err := age.NewScryptIdentity(string(passphrase))
	clear(passphrase)
	if err != nil {
		return nil, cannotUse("", "%s: no passphrase given", r.name)
	}
	id.SetMaxWorkFactor(maxWorkFactor)
	// The work can take minutes where the file asks for it.
	content, err := unlessDone(r.ctx, func() ([]byte, error) {
		plain, err := age.Decrypt(bytes.NewReader(raw), id)
		if err != nil {
			return nil, err
		}
		return bounded(plain, maxKeyFile)
	})
	switch {
	case r.ctx.Err() != nil:
		return nil, r.ctx.Err()
	case errors.Is(err, age.ErrIncorrectIdentity):
		return nil, cannotUse("", "%s: wrong passphrase", r.name)
	case err != nil:
		return nil, failed("", "%s: is a damaged age file, one that takes too much work to open, or too long", r.name)
	}
	return content, nil
}

// passphrase asks at the controlling terminal: standard input may be taken by a manifest.
func (r identityReader) passphrase(what string) ([]byte, error) {
	b, err := r.env.ask(r.ctx, "passphrase of "+r.name+what+": ", false)
	switch {
	case errors.Is(err, errNoTerminal):
		return nil, cannotUse("run it at a terminal, or decrypt it on the way: age -d KEY | seal open -i - FILE, or ssh-keygen -p on a copy", "%s: is protected by a passphrase, and there is no terminal to ask for it", r.name)
	case err != nil:
		return nil, fmt.Errorf("reading the passphrase of %s: %w", r.name, err)
	}
	return b, nil
}

// ssh reads an SSH private key. One under a passphrase is unlocked when something is to be opened with it, unless only that tells which key it is.
func (r identityReader) ssh(b []byte) (seal.Identity, error) {
	key, err := sshkey.ParsePrivate(b)
	switch {
	case errors.Is(err, sshkey.ErrType):
		return seal.Identity{}, failed("use an SSH key of type ssh-ed25519 or ssh-rsa, or an age identity", "%s: %v", r.name, err)
	case err != nil:
		return seal.Identity{}, failed("use an age identity (AGE-SECRET-KEY-…), or an SSH key of type ssh-ed25519 or ssh-rsa", "%s: %v", r.name, err)
	}
	if !key.Locked() {
		return key.Identity(nil)
	}
	locked := &lockedKey{key: key, reader: r}
	if key.Recipient() == "" {
		id, err := locked.unlock()
		return id, err
	}
	return seal.NewIdentity(key.Recipient(), locked), nil
}

// lockedKey is an SSH key under a passphrase, asked for at most once.
type lockedKey struct {
	key    *sshkey.Private
	reader identityReader

	once sync.Once
	id   seal.Identity
	err  error
}

func (k *lockedKey) unlock() (seal.Identity, error) {
	k.once.Do(func() {
		passphrase, err := k.reader.passphrase("")
		if err != nil {
			k.err = err
			return
		}
		var id seal.Identity
		_, err = unlessDone(k.reader.ctx, func() (_ []byte, err error) {
			defer clear(passphrase)
			id, err = k.key.Identity(passphrase)
			return nil, err
		})
		switch {
		case k.reader.ctx.Err() != nil:
			k.err = k.reader.ctx.Err()
		case err != nil:
			k.err = cannotUse("", "%s: %v", k.reader.name, err)
		default:
			k.id = id
		}
	})
	return k.id, k.err
}

// Unwrap implements age.Identity.
func (k *lockedKey) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	id, err := k.unlock()
	if err != nil {
		return nil, &seal.Unusable{Err: err}
	}
	unlocked, _ := seal.NewIdentities(id).Identity(id.KeyID())
	return unlocked.Unwrap(stanzas)
}
