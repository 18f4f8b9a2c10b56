package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

const keysBackupLong = `Fetch the backup of a keyring's private keys and check it, or with --verify look at one that was
fetched before.

The controller makes the backup, and makes it anew when keys or break glass change: all private keys
and the statement key, encrypted to the keyring's break-glass recipients, signed. It never leaves the
cluster in the clear, and this command cannot open it. Keep it where the cluster is not: in Git (with
"backup: .seal/NAME.backup.note" at the holder in .seal.yaml, which seal keys fetch --save then renews
too), on paper, in a safe. Keys that never leave Vault (source vaultTransit) are in no backup.

The signature is checked under the statement key that .seal.yaml pins, or --statement-key names.

--verify FILE with -i is the rehearsal: break glass opens the backup, and every private key in it is
proved by sealing and opening. Nothing is written, and no cluster is asked. Without -i only the
signature is checked. seal keys restore takes the keys into a cluster, and -i FILE beside -i BREAKGLASS
opens sealed files with them, without any.`

const keysBackupExample = `  seal keys backup --keyring prod-eu --out prod-eu.backup.note
  seal keys backup --keyring prod-eu                       (to where .seal.yaml says)
  seal keys backup --verify prod-eu.backup.note -i breakglass.txt`

// keysBackupOptions are the flags of `seal keys backup`.
type keysBackupOptions struct {
	keyring, out, namespace, statementKey string
	verify, output                        string
	identityFlags
	clusterFlags
}

func newKeysBackupCommand(env *Env) *cobra.Command {
	var o keysBackupOptions
	cmd := &cobra.Command{
		Use:               "backup",
		Short:             "Fetch or check the backup of a keyring's private keys",
		Long:              keysBackupLong,
		Example:           keysBackupExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runKeysBackup(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.keyring, "keyring", "", "the `NAME` of the keyring (default: the one that .seal.yaml pins, or default)")
	flags.StringVar(&o.out, "out", "", "write the backup to `FILE`; - is standard output")
	flags.StringVar(&o.verify, "verify", "", "check the backup in `FILE` instead of fetching one")
	flags.StringVar(&o.statementKey, "statement-key", "", "take the backup only under this `VKEY` (NAME+HASH+KEY)")
	flags.StringVarP(&o.output, "output", "o", "text", "with --verify: write `text|json`")
	o.identityFlags.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "waxwing-system", "the `NAMESPACE` of the controller")
	o.clusterFlags.addTo(flags)
	completeValues(cmd, "output", "text", "json")
	return cmd
}

func runKeysBackup(ctx context.Context, env *Env, o *keysBackupOptions) error {
	switch {
	case o.output != "text" && o.output != "json":
		return usage("use text or json", "unknown output %q", o.output)
	case o.verify != "" && o.out != "":
		return usage("", "--verify writes nothing: it does not go with --out")
	case o.verify == "" && len(o.identityFlags.files) > 0:
		return usage("give -i together with --verify FILE", "fetching a backup takes no private key")
	case o.verify != "":
		return o.rehearse(ctx, env)
	}
	pinned, err := pinnedHolder(env, o.keyring)
	if err != nil {
		return err
	}
	if o.keyring == "" {
		o.keyring = defaultHolder
		if pinned != nil {
			o.keyring = pinned.Name
		}
	}
	key, out, below := o.statementKey, o.out, ""
	if pinned != nil {
		if key == "" {
			key = pinned.StatementKey
		}
		if out == "" && pinned.Backup != "" {
			out, below = pinned.Backup, pinned.Dir()
		}
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	f := backupFetch{env: env, client: client, keyring: o.keyring, namespace: o.namespace, key: key}
	b, signed, err := f.fetch(ctx)
	if err != nil {
		return err
	}
	if err := keepBackup(ctx, env, out, below, b, signed); err != nil {
		return err
	}
	for _, line := range describeBackup(b) {
		message(env.Stderr, "seal: ", line)
	}
	if out != "" && out != stdinArg {
		message(env.Stderr, "seal: ", "written to "+shownPath(env, out))
		message(env.Stderr, "hint: ", "rehearse it: seal keys backup --verify "+fileHint(shownPath(env, out))+" -i BREAKGLASS")
	}
	return nil
}

// shownPath is how messages name a file, from the current folder where it lies below it.
func shownPath(env *Env, path string) string {
	dir, err := filepath.Abs(env.Dir)
	if err != nil || !filepath.IsAbs(path) {
		return path
	}
	if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
		return rel
	}
	return path
}

// pinnedHolder is the keyring of that name which .seal.yaml pins for the current folder, or without a name the only one; nil where there is none.
func pinnedHolder(env *Env, name string) (*repo.Holder, error) {
	holders, _, err := env.holders()
	if err != nil {
		return nil, err
	}
	var found []repo.Holder
	for _, h := range holders {
		if h.StatementKey != "" && (name == "" || h.Name == name) {
			found = append(found, h)
		}
	}
	if len(found) != 1 {
		return nil, nil
	}
	return &found[0], nil
}

// backupFetch asks a cluster for the backup of one keyring.
type backupFetch struct {
	env                *Env
	client             *cluster.Client
	keyring, namespace string
	key                string // the statement key that is trusted; empty: the one that the Keyring shows
}

func (f backupFetch) fetch(ctx context.Context) (statement.Backup, []byte, error) {
	signed, err := unlessDone(ctx, func() ([]byte, error) { return f.client.Backup(ctx, f.namespace, f.keyring) })
	switch {
	case errors.Is(err, cluster.ErrNoBackup):
		return statement.Backup{}, nil, f.none(ctx)
	case isForbidden(err):
		return statement.Backup{}, nil, failed("ask for the right to get the ConfigMap "+cluster.BackupName(f.keyring)+" in namespace "+f.namespace, "%v", err)
	case err != nil:
		return statement.Backup{}, nil, withClusterHint(err)
	}
	key := f.key
	if key == "" {
		kr, err := unlessDone(ctx, func() (string, error) {
			kr, err := f.client.KeyringObject(ctx, f.keyring)
			if err != nil {
				return "", err
			}
			return kr.Status.StatementKey, nil
		})
		if err != nil || kr == "" {
			return statement.Backup{}, nil, failed("pass --statement-key, or pin it in .seal.yaml", "nobody says under which statement key the backup of %s has to be signed", f.keyring)
		}
		key = kr
		warn(f.env.Stderr, "no statement key is pinned for "+f.keyring+": the backup is checked under the one that the cluster shows, "+key)
	}
	b, err := openBackup("the backup in the cluster", signed, key)
	if err == nil && b.Holder != f.keyring {
		err = failed("", "the backup in the cluster is of keyring %s", b.Holder)
	}
	return b, signed, err
}

// none says why there is no backup, as the Keyring tells.
func (f backupFetch) none(ctx context.Context) error {
	hint := "the controller makes it when spec.breakGlass.recipients of the Keyring says for whom"
	kr, err := unlessDone(ctx, func() (string, error) {
		kr, err := f.client.KeyringObject(ctx, f.keyring)
		if err != nil {
			return "", err
		}
		for _, c := range kr.Status.Conditions {
			if c.Type == "BackedUp" {
				return c.Message, nil
			}
		}
		return "", nil
	})
	if err == nil && kr != "" {
		hint = kr
	}
	return failed(hint, "there is no backup of keyring %s (ConfigMap %s/%s)", f.keyring, f.namespace, cluster.BackupName(f.keyring))
}

// openBackup is statement.OpenBackup for a backup that messages call name: one that was changed, or that another key has signed, is told as such.
func openBackup(name string, signed []byte, key string) (statement.Backup, error) {
	b, err := statement.OpenBackup(signed, key)
	if err == nil {
		return b, nil
	}
	if _, malformed := statement.ReadBackup(signed); malformed != nil {
		return b, fmt.Errorf("%s: %w", name, err)
	}
	return b, &failure{msg: fmt.Sprintf("%s: %v", name, err), code: exitTampered,
		hint: "if the keyring was made anew, check its new statement key with those who did; otherwise somebody has put another file in its place"}
}

// keepBackup writes a backup, unless that would lose something. below is the folder of the settings that name out; empty where a person does.
func keepBackup(ctx context.Context, env *Env, out, below string, b statement.Backup, signed []byte) error {
	if out != "" && out != stdinArg {
		path := env.path(out)
		if err := notThroughLinks(foldersTo(path, below)...); err != nil {
			return err
		}
		if err := mayReplaceBackup(ctx, path, shownPath(env, out), b); err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(path), folderMode); err != nil {
			return fmt.Errorf("making the folder of backups: %w", err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return env.writeOut(out, signed, sealedMode)
}

// foldersTo are path and the folders that lead to it from the one below which it lies, the first one first; where none is named, path and its folder.
func foldersTo(path, below string) []string {
	all := []string{path}
	for dir := filepath.Dir(path); dir != below && dir != filepath.Dir(dir); dir = filepath.Dir(dir) {
		all = append(all, dir)
		if below == "" {
			break
		}
	}
	slices.Reverse(all)
	return all
}

// mayReplaceBackup refuses to replace a newer backup, one with private keys that now has not, and what is none of this keyring.
func mayReplaceBackup(ctx context.Context, path, name string, now statement.Backup) error {
	content, err := readFile(ctx, path, name, maxKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := statement.ReadBackup(content)
	switch {
	case err != nil:
		return failed("choose another name", "%s exists, and is not a backup of keys", name)
	case old.Holder != now.Holder:
		return failed("choose another name", "%s is a backup of keyring %s", name, old.Holder)
	}
	if lost := insideOnly(old, now); len(lost) > 0 {
		return failed("bring them back with seal keys restore "+fileHint(name)+", or choose another name", "%s has private keys that the backup in the cluster has not: %s", name, some(lost))
	}
	if old.At.After(now.At) {
		return failed("if the cluster was restored from an older state on purpose, choose another name, or remove the file first", "%s is newer (%s) than the backup in the cluster (%s)", name, day(old.At), day(now.At))
	}
	return nil
}

// insideOnly lists the keys whose private halves are in old and not in now. One that was destroyed is meant to be gone.
func insideOnly(old, now statement.Backup) []string {
	kept := map[string]bool{}
	for _, k := range now.Keys {
		kept[k.Recipient.String()] = k.Private != statement.Elsewhere
	}
	var lost []string
	for _, k := range old.Keys {
		if k.Private == statement.Inside && !kept[k.Recipient.String()] {
			lost = append(lost, displayID16(k))
		}
	}
	return lost
}
