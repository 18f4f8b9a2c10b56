package cli

import (
	"context"
	"errors"
	"path/filepath"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/repo/git"
)

// signingConfig is how Git is told to sign, as far as it signs with SSH keys.
type signingConfig struct {
	key     string // user.signingKey
	command bool   // gpg.ssh.defaultKeyCommand is set
}

// readSigningConfig reads what holds in dir. Without Git there is none.
func readSigningConfig(ctx context.Context, env *Env, dir string) (signingConfig, error) {
	if dir = env.path(dir); dir == "" {
		dir = "."
	}
	set, err := git.Config(ctx, dir, gitEnviron(env), "gpg.format", "user.signingkey", "gpg.ssh.defaultkeycommand")
	if errors.Is(err, git.ErrNoGit) {
		return signingConfig{}, nil
	}
	if err != nil || set["gpg.format"] != "ssh" {
		return signingConfig{}, err
	}
	return signingConfig{key: set["user.signingkey"], command: set["gpg.ssh.defaultkeycommand"] != ""}, nil
}

// hint tells those who rely on a command that it is not run: a repository must not make anything run a program.
func (c signingConfig) hint() string {
	if c.command {
		return " (the command in gpg.ssh.defaultKeyCommand is not run)"
	}
	return ""
}

// signer reads user.signingKey as Git does: a public key itself, with or without key::, or the path of a key.
func (c signingConfig) signer(ctx context.Context, env *Env) (ssh.Signer, error) {
	const place = "user.signingKey of Git's configuration"
	literal, marked := strings.CutPrefix(c.key, "key::")
	if marked || strings.HasPrefix(c.key, "ssh-") {
		pub, err := parsePublicKey(literal)
		if err != nil {
			return nil, failed("set it to a path or a public key, or give --sign-key", "%s: is no key to sign with: %v", place, err)
		}
		signer, err := agentSignerFor(ctx, env, pub)
		if err != nil {
			return nil, withPlace(place, err)
		}
		return signer, nil
	}
	signer, err := signerFromFile(ctx, env, expandHome(env, c.key))
	if err != nil {
		return nil, withPlace(place, err)
	}
	return signer, nil
}

// expandHome replaces a leading ~/ by the user's home folder.
func expandHome(env *Env, path string) string {
	rest, ok := strings.CutPrefix(path, "~/")
	if !ok {
		return path
	}
	for _, name := range []string{"HOME", "USERPROFILE"} {
		if home := env.Getenv(name); home != "" {
			return filepath.Join(home, rest)
		}
	}
	return path
}
