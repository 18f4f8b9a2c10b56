package cli

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const envIdentities = "SEAL_IDENTITY_FILE"

// identityFlags are the flags that say what to open with.
type identityFlags struct{ files []string }

func (f *identityFlags) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.files, "identity", "i", nil, "open with the private keys in `FILE`, as seal keys generate and age-keygen write it; repeatable")
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
	for _, name := range files {
		b, err := env.read(ctx, name, "identities", maxKeyFile)
		if err != nil {
			return nil, err
		}
		ids, err := parseIdentities(shownName(name), b)
		clear(b)
		if err != nil {
			return nil, err
		}
		warnReadable(env, name)
		all = append(all, ids...)
	}
	return all, nil
}

// parseIdentities reads lines with comments. Errors name lines and never quote them.
func parseIdentities(name string, b []byte) ([]seal.Identity, error) {
	b, err := keyText(name, b)
	if err != nil {
		return nil, err
	}
	var ids []seal.Identity
	for n, line := range keyLines(b) {
		if err := otherKindOfKey(name, line); err != nil {
			return nil, err
		}
		id, err := seal.ParseIdentity(line)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return nil, failed("an identity file holds lines of AGE-SECRET-KEY-…; `seal keys generate` makes one", "%s: holds no identity", name)
	}
	return ids, nil
}

// otherKindOfKey names what is often given in place of an identity.
func otherKindOfKey(name, line string) error {
	switch {
	case strings.HasPrefix(line, "age1"), strings.HasPrefix(line, "ssh-"):
		return failed("give the file with the private key", "%s: holds a recipient, which is public and cannot open", name)
	case strings.HasPrefix(line, "-----BEGIN AGE ENCRYPTED FILE"), strings.HasPrefix(line, "age-encryption.org/"):
		return failed("decrypt it on the way: age -d "+name+" | seal open -i - FILE", "%s: is protected by a passphrase", name)
	case strings.HasPrefix(line, "-----BEGIN"):
		return failed("use an age identity (AGE-SECRET-KEY-…)", "%s: is not an age identity file", name)
	case strings.HasPrefix(line, "AGE-PLUGIN-"):
		return failed("use an age identity (AGE-SECRET-KEY-…)", "%s: holds an identity of an age plugin", name)
	}
	return nil
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

// displayIDs lists the ids of identities as people see them.
func displayIDs(ids []seal.Identity) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = id.KeyID()[:seal.KeyIDDisplay]
	}
	slices.Sort(texts)
	return strings.Join(slices.Compact(texts), ", ")
}
