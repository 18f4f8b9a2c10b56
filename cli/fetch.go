package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

const fetchLong = `Fetch the recipients of a cluster's keyring: a signed note that says to which keys to seal. It is
public; commit it, and give it to seal with -R.

The note is checked under the keyring's statement key, which is printed on standard error. Write
that key down where you keep your settings, and pass it with --statement-key from then on, here
and when sealing: keys rotate under it silently, and anything else is an error.

Where Keyrings may not be read, note and statement key are taken from the ConfigMap that the
controller publishes them in.`

const fetchExample = `  seal keys fetch --out prod.note
  seal keys fetch --keyring prod-eu --save         (into .seal/, under the key that .seal.yaml pins)
  seal keys fetch --keyring prod-eu --statement-key prod-eu+4a5b6c7d+AR… --out prod-eu.note`

const envKubeconfig = "KUBECONFIG"

// fetchOptions are the flags of `seal keys fetch`.
type fetchOptions struct {
	keyring      string
	out          string
	namespace    string
	statementKey string
	save         bool
	backup       string // where the backup is kept that --save renews too; empty: nowhere
	below        string // the folder of the settings that say so
	clusterFlags
}

func newKeysFetchCommand(env *Env) *cobra.Command {
	var o fetchOptions
	cmd := &cobra.Command{
		Use:               "fetch",
		Short:             "Fetch the recipients of a cluster's keyring",
		Long:              fetchLong,
		Example:           fetchExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runKeysFetch(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.keyring, "keyring", defaultHolder, "the `NAME` of the keyring")
	flags.StringVar(&o.out, "out", "", "write the note to `FILE` instead of standard output")
	flags.BoolVar(&o.save, "save", false, "put the note where .seal.yaml looks for it, if it verifies under the key that is pinned there")
	flags.StringVar(&o.statementKey, "statement-key", "", "take the note only under this `VKEY` (NAME+HASH+KEY)")
	flags.StringVarP(&o.namespace, "namespace", "n", "waxwing-system", "the `NAMESPACE` of the controller")
	o.clusterFlags.addTo(flags)
	return cmd
}

func runKeysFetch(ctx context.Context, env *Env, o *fetchOptions) error {
	if o.save {
		if err := o.pinned(env); err != nil {
			return err
		}
	}
	published, key, err := o.fetch(ctx, env)
	if err != nil {
		return err
	}
	if err := o.checkNumber(ctx, env, published.Note); err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := env.writeOut(o.out, published.Note, sealedMode); err != nil {
		return err
	}
	if published.FromConfigMap && o.statementKey == "" {
		warn(env.Stderr, "the statement key comes from a ConfigMap: compare it with somebody who may read Keyrings before you pin it")
	}
	_, _ = fmt.Fprintf(env.Stderr, "statement key: %s\n", key)
	return o.renewBackup(ctx, env)
}

// renewBackup puts the keyring's backup where .seal.yaml says, if it says so and there is one.
func (o *fetchOptions) renewBackup(ctx context.Context, env *Env) error {
	if o.backup == "" {
		return nil
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	b, signed, err := backupFetch{env: env, client: client, keyring: o.keyring, namespace: o.namespace, key: o.statementKey}.fetch(ctx)
	if err == nil {
		err = keepBackup(ctx, env, o.backup, o.below, b, signed)
	}
	if err != nil {
		return fmt.Errorf("the note is renewed, and the backup is not: %w", err)
	}
	return nil
}

// fetch asks the cluster for the keyring's note, and gives it with the statement key that it verified under.
func (o *fetchOptions) fetch(ctx context.Context, env *Env) (*cluster.Published, string, error) {
	client, err := o.client(env)
	if err != nil {
		return nil, "", err
	}
	published, err := client.Keyring(ctx, o.keyring, o.namespace)
	if err != nil {
		if !errors.Is(err, cluster.ErrNoKeyring) && !errors.Is(err, cluster.ErrNotInstalled) {
			err = fmt.Errorf("keyring %s: %w", o.keyring, err)
		}
		return nil, "", withClusterHint(err)
	}
	key, err := o.verify(published)
	return published, key, err
}

// pinned takes place and statement key of the note from the settings of the current folder.
func (o *fetchOptions) pinned(env *Env) error {
	if o.out != "" || o.statementKey != "" {
		return usage(repo.SettingsName+" says where the note goes, and under which key", "--save does not go with --out or --statement-key")
	}
	holders, found, err := env.holders()
	if err != nil {
		return err
	}
	if !found {
		return failed("seal init writes one; without settings, use --out FILE", "%v", repo.ErrNoSettings)
	}
	for _, h := range holders {
		if h.Name == o.keyring && h.StatementKey != "" {
			o.out, o.statementKey, o.backup, o.below = h.Note, h.StatementKey, h.Backup, h.Dir()
			if err := notThroughLinks(filepath.Dir(h.Note), h.Note); err != nil {
				return err
			}
			if err := os.MkdirAll(filepath.Dir(h.Note), folderMode); err != nil {
				return fmt.Errorf("making the folder of notes: %w", err)
			}
			return nil
		}
	}
	return failed("seal init pins one", "no statement key is pinned for keyring %s", o.keyring)
}

// notThroughLinks refuses to write where a symbolic link stands: Git carries links, and one can lead out of the repository.
func notThroughLinks(paths ...string) error {
	for _, path := range paths {
		if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSymlink != 0 {
			return failed("put a folder or a file in its place", "%s is a symbolic link, which may lead out of the repository", path)
		}
	}
	return nil
}

// folderMode is the mode (before umask) of new folders with public content.
const folderMode = 0o777

// verify holds the note against the pinned key, or without one against the Keyring's own, and gives the key that it verified under.
func (o *fetchOptions) verify(p *cluster.Published) (string, error) {
	key := o.statementKey
	switch {
	case key == "" && p.StatementKey == "":
		return "", failed("ask somebody who may read Keyrings for it, and pass it with --statement-key",
			"keyring %s: publishes no statement key, and without it the note cannot be checked", o.keyring)
	case key == "":
		key = p.StatementKey
	case p.StatementKey != "" && p.StatementKey != key:
		return "", failed("if the keyring was made anew, check the new key with those who did, and pin it; otherwise do not seal to this cluster",
			"keyring %s: its statement key is %s, but %s is pinned", o.keyring, p.StatementKey, key)
	}
	r, err := statement.OpenRecipients(p.Note, key)
	if err != nil {
		return "", fmt.Errorf("keyring %s: %w", o.keyring, err)
	}
	if r.Holder != o.keyring {
		return "", failed("", "keyring %s: the note is about holder %s", o.keyring, r.Holder)
	}
	return key, nil
}

// checkNumber refuses to replace a note of this holder by an older one: recipients that were retired would be sealed to again.
func (o *fetchOptions) checkNumber(ctx context.Context, env *Env, note []byte) error {
	if o.out == "" || o.out == stdinArg {
		return nil
	}
	return checkNumber(ctx, env.path(o.out), o.out, note)
}

// checkNumber holds a note against the one that it is to replace at path, if there is one there; messages call that name.
func checkNumber(ctx context.Context, path, name string, note []byte) error {
	b, err := readFile(ctx, path, name, maxKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	old, err := statement.ReadRecipients(b)
	if err != nil {
		return failed("choose another name", "%s exists, and is not a note of recipients", name)
	}
	now, err := statement.ReadRecipients(note)
	if err != nil {
		return err
	}
	if old.Holder != now.Holder {
		return failed("choose another name", "%s is the note of holder %s", name, old.Holder)
	}
	if old.Set > now.Set {
		return failed("an older set names keys that were retired; if the keyring was restored on purpose, remove the file first",
			"%s has set %d of holder %s, and the cluster gives set %d", name, old.Set, old.Holder, now.Set)
	}
	return sameSet(name, old, now)
}

// sameSet refuses two sets of one number that are not the same (docs/statements.md, section 4).
func sameSet(name string, old, now statement.Recipients) error {
	if old.Set != now.Set || old.Text() == now.Text() {
		return nil
	}
	return failed("its statement key was restored from a backup, or copied: find out which of the two is right, with those who run the keyring, before you seal to either",
		"%s and the cluster have different sets %d of holder %s: for %s, and for %s", name, old.Set, old.Holder, setKeys(old), setKeys(now))
}

// setKeys says which keys a set has, and when it was made.
func setKeys(r statement.Recipients) string {
	return fmt.Sprintf("%s of %s", shownKeys(setKeyIDs(r)), r.At.UTC().Format(time.RFC3339))
}

// setKeyIDs are the ids of a set's keys, in byte order.
func setKeyIDs(r statement.Recipients) []string {
	return recipientIDs(r.SealHolder())
}
