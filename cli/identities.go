package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

const envIdentities = "SEAL_IDENTITY_FILE"

// identityFlags are the flags that say what to open with.
type identityFlags struct {
	files   []string
	plugins pluginFlags
	// pluginRecipient is the recipient of a plugin's identity whose file does not say it.
	pluginRecipient string
}

func (f *identityFlags) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.files, "identity", "i", nil,
		"open with the private keys in `FILE`: as seal keys generate and age-keygen write it, under a passphrase or not, an SSH key (ssh-ed25519, ssh-rsa), or a keyring's backup, which another -i opens; repeatable")
	f.addPluginsTo(flags)
}

// addPluginsTo adds only the flags that identities of plugins need.
func (f *identityFlags) addPluginsTo(flags *pflag.FlagSet) {
	f.plugins.addTo(flags)
	flags.StringVar(&f.pluginRecipient, "plugin-recipient", "", "the `RECIPIENT` of a plugin's identity, where its file does not say \"# public key: …\" above it")
}

// identities reads all identity files. Flags win over the environment; no source at all is a usage error.
func (f *identityFlags) identities(ctx context.Context, env *Env) ([]seal.Identity, error) {
	files := f.files
	if len(files) == 0 {
		files = filepath.SplitList(env.Getenv(envIdentities))
	}
	if len(files) == 0 {
		return nil, usage("give -i FILE, or set "+envIdentities, "no identity given")
	}
	var all []seal.Identity
	var backups []lockedBackup
	for _, name := range files {
		b, err := env.read(ctx, name, "identities", maxKeyFile)
		if err != nil {
			return nil, err
		}
		if statement.IsBackup(b) {
			backups = append(backups, lockedBackup{shownName(name), b})
			continue
		}
		encrypted := isAgeFile(b)
		ids, err := f.parse(ctx, env, shownName(name), b)
		if err != nil {
			return nil, err
		}
		if !encrypted {
			warnReadable(env, name)
		}
		all = append(all, ids...)
	}
	for _, backup := range backups {
		ids, err := backup.open(all)
		if err != nil {
			return nil, err
		}
		all = append(all, ids...)
	}
	return all, nil
}

// parse reads the identities of one file, whatever its kind. It may ask for a passphrase.
func (f *identityFlags) parse(ctx context.Context, env *Env, name string, b []byte) ([]seal.Identity, error) {
	r := identityReader{ctx: ctx, env: env, flags: f, name: name}
	switch {
	case isAgeFile(b):
		plain, err := r.decrypt(b)
		if err != nil {
			return nil, err
		}
		return r.lines(plain)
	case isPrivatePEM(b):
		id, err := r.ssh(b)
		if err != nil {
			return nil, err
		}
		return []seal.Identity{id}, nil
	}
	return r.lines(b)
}

// identityReader reads one file.
type identityReader struct {
	ctx   context.Context
	env   *Env
	flags *identityFlags
	name  string
}

// lines reads lines with comments. Errors name lines and never quote them.
func (r identityReader) lines(b []byte) ([]seal.Identity, error) {
	b, err := keyText(r.name, b)
	if err != nil {
		return nil, err
	}
	defer clear(b)
	var ids []seal.Identity
	n, comment := 0, ""
	for line := range strings.Lines(string(b)) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			if said := recipientComment(line); said != "" {
				comment = said
			}
			continue
		}
		id, err := r.line(line, n, comment)
		if err != nil {
			return nil, err
		}
		ids, comment = append(ids, id), ""
	}
	if len(ids) == 0 {
		return nil, failed("an identity file holds lines of AGE-SECRET-KEY-…; `seal keys generate` makes one", "%s: holds no identity", r.name)
	}
	return ids, nil
}

func (r identityReader) line(line string, n int, comment string) (seal.Identity, error) {
	if err := otherKindOfKey(r.name, line); err != nil {
		return seal.Identity{}, err
	}
	place := fmt.Sprintf("%s:%d", r.name, n)
	if strings.HasPrefix(line, "AGE-PLUGIN-") {
		return r.plugin(place, line, comment)
	}
	id, err := seal.ParseIdentity(line)
	if err != nil {
		return id, fmt.Errorf("%s: %w", place, err)
	}
	return id, nil
}

// otherKindOfKey names what is often given in place of an identity.
func otherKindOfKey(name, line string) error {
	switch {
	case strings.HasPrefix(line, "age1"), strings.HasPrefix(line, "ssh-"):
		return failed("give the file with the private key", "%s: holds a recipient, which is public and cannot open", name)
	case strings.HasPrefix(line, "-----BEGIN"), strings.HasPrefix(line, "age-encryption.org/"):
		return failed("give it as a file of its own", "%s: holds a key of another kind among lines of identities", name)
	}
	return nil
}

// recipientComment is the recipient that a comment above an identity names, in the forms that age-keygen and plugins write.
func recipientComment(line string) string {
	name, text, ok := strings.Cut(strings.TrimSpace(strings.TrimLeft(line, "#")), ":")
	name, text = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(text)
	if ok && (name == "public key" || name == "recipient") && strings.HasPrefix(text, "age1") {
		return text
	}
	return ""
}

// warnReadable warns about identity files that others can read. Windows has no such mode.
func warnReadable(env *Env, name string) {
	if name == stdinArg || runtime.GOOS == "windows" {
		return
	}
	info, err := os.Stat(env.path(name))
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o044 != 0 {
		warn(env.Stderr, fmt.Sprintf("%s can be read by other users (mode %04o)", name, info.Mode().Perm()))
		message(env.Stderr, "hint: ", "chmod 600 "+name)
	}
}

// isPrivatePEM says whether b looks like a private key of SSH.
func isPrivatePEM(b []byte) bool {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return bytes.HasPrefix(line, []byte("-----BEGIN ")) && bytes.Contains(line, []byte("PRIVATE KEY-----"))
}

// displayIDs lists the ids of identities as people see them.
func displayIDs(ids []seal.Identity) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.KeyID()[:seal.KeyIDDisplay]
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}
