package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

const keysRestoreLong = `Bring the keys of a backup back into a cluster, so that what was sealed to them opens there again.

The backup's signature is checked under the statement key that .seal.yaml pins, or --statement-key
names; -i opens it here, with a break-glass key. What is inside goes into a Secret of the controller's
namespace (waxwing-restore-KEYRING), from which the controller takes it into the Keyring's source; each
key is proved, and the Secret deleted. It can be interrupted at any point and goes on by itself.

Restored keys open only; nothing is sealed to them any more: the controller makes a new key to seal to,
unless another is active. Keys that the keyring has already stay as they are, also as destroyed: to have
one of those back, delete first what is left of it. What another keyring of the cluster has is refused.

The statement key comes back too, so that pins stay valid, if the keyring has none, or a new one that
nobody can know yet; --keys-only leaves it out. Afterwards, seal keys fetch --save and seal rewrap.

The Keyring has to be there, as it was, and its source empty or not. It takes the rights to create, get
and delete Secrets in the controller's namespace, and to get Keyrings.`

const keysRestoreExample = `  seal keys restore .seal/prod-eu.backup.note -i breakglass.txt
  seal keys restore old.backup.note -i breakglass.txt --keyring team --keys-only --yes`

const (
	// restorePoll is how often the cluster is asked whether it is done, and restoreTimeout how long.
	restorePoll    = 500 * time.Millisecond
	restoreTimeout = 2 * time.Minute
)

// keysRestoreOptions are the flags of `seal keys restore`.
type keysRestoreOptions struct {
	keyring, namespace, statementKey string
	keysOnly, yes                    bool
	timeout                          time.Duration
	identityFlags
	clusterFlags
}

func newKeysRestoreCommand(env *Env) *cobra.Command {
	var o keysRestoreOptions
	cmd := &cobra.Command{
		Use:               "restore [flags] FILE",
		Short:             "Bring the keys of a backup back into a cluster",
		Long:              keysRestoreLong,
		Example:           keysRestoreExample,
		Args:              exactArgs("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysRestore(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.identityFlags.addTo(flags)
	flags.StringVar(&o.keyring, "keyring", "", "bring them into the keyring `NAME` (default: the one that the backup is of)")
	flags.BoolVar(&o.keysOnly, "keys-only", false, "leave the statement key out")
	flags.StringVar(&o.statementKey, "statement-key", "", "take the backup only under this `VKEY` (NAME+HASH+KEY)")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	flags.DurationVar(&o.timeout, "timeout", restoreTimeout, "how long to wait for the controller")
	flags.StringVarP(&o.namespace, "namespace", "n", "waxwing-system", "the `NAMESPACE` of the controller")
	o.clusterFlags.addTo(flags)
	return cmd
}

func runKeysRestore(ctx context.Context, env *Env, o *keysRestoreOptions, name string) error {
	if err := once(append([]string{name}, o.identityFlags.files...)...); err != nil {
		return err
	}
	r := &restoring{keysRestoreOptions: o, env: env, name: shownName(name)}
	var err error
	if r.signed, err = env.read(ctx, name, "a backup", maxKeyFile); err != nil {
		return err
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	if r.client, err = o.client(env); err != nil {
		return err
	}
	kr, err := unlessDone(ctx, func() (*v1alpha1.Keyring, error) { return r.client.KeyringObject(ctx, o.keyring) })
	switch {
	case errors.Is(err, cluster.ErrNoKeyring):
		return failed("apply its manifest first: it says where the keys live", "there is no Keyring %s", o.keyring)
	case err != nil:
		return withClusterHint(err)
	}
	if err := r.confirm(ctx, kr); err != nil {
		return err
	}
	return r.carryOut(ctx)
}

// restoring is one run.
type restoring struct {
	*keysRestoreOptions
	env      *Env
	client   *cluster.Client
	name     string
	signed   []byte
	backup   statement.Backup
	contents statement.Contents
	newest   []byte // the newest recipient set that the repository has
	told     string // what the controller was heard to say
}

func (r *restoring) say(text string) { message(r.env.Stderr, "seal: ", text) }

// open checks the backup and opens it, here.
func (r *restoring) open(ctx context.Context) error {
	b, pinned, err := trustedBackup(r.env, r.name, r.signed, r.statementKey)
	if err != nil {
		return err
	}
	if !pinned {
		return usage(fmt.Sprintf("compare this with who wrote it down, and pass it with --statement-key: %s", b.StatementKey),
			"no statement key is pinned for keyring %s, so nobody knows whose backup %s is", b.Holder, r.name)
	}
	if r.keyring == "" {
		r.keyring = b.Holder
	}
	if r.keyring != b.Holder && !r.keysOnly {
		return usage("add --keys-only: a statement key has its keyring's name in it", "%s is a backup of keyring %s", r.name, b.Holder)
	}
	if len(b.Age) == 0 {
		return failed("restore Vault from its own snapshot; without it, break glass opens what is sealed, and seal rewrap -i or --fresh seals it for another keyring", "%s has no private key inside: they never leave the place where they are kept", r.name)
	}
	ids, err := r.identities(ctx, r.env)
	if err != nil {
		return err
	}
	if r.contents, err = unlockBackup(r.name, b, ids); err != nil {
		return err
	}
	r.backup = b
	return r.findNewest(ctx)
}

// findNewest takes the note of the repository along, if it is newer than the backup: numbers of recipient sets go on above it.
func (r *restoring) findNewest(ctx context.Context) error {
	h, err := pinnedHolder(r.env, r.backup.Holder)
	if err != nil || h == nil || h.StatementKey != r.backup.StatementKey {
		return err
	}
	note, err := readFile(ctx, h.Note, shownPath(r.env, h.Note), maxKeyFile)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	set, err := statement.OpenRecipients(note, h.StatementKey)
	if err != nil {
		return fmt.Errorf("%s: %w", shownPath(r.env, h.Note), err)
	}
	if old, err := r.backup.Set(); err == nil && (old == nil || old.Set < set.Set) {
		r.newest = note
		inBackup := false
		for _, k := range r.backup.Keys {
			inBackup = inBackup || k.Recipient.String() == set.Recipients[0].String()
		}
		if !inBackup {
			warn(r.env.Stderr, fmt.Sprintf("the backup is older than %s: key %s of recipient set %d is not in it, and what was sealed to it stays closed, but to break glass", shownPath(r.env, h.Note), set.Recipients[0].KeyID()[:16], set.Set))
		}
	}
	return nil
}
