package cli

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"

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

// confirm tells what will be done, and asks.
func (r *restoring) confirm(ctx context.Context, kr *v1alpha1.Keyring) error {
	there := statesOf(kr)
	r.told = waitsFor(kr)
	ready := true // what a status shows of a keyring that is not well may be what was lost
	if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status != "True" {
		ready = false
	}
	for _, line := range describeBackup(r.backup) {
		r.say(line)
	}
	for _, k := range r.backup.Keys {
		id := displayID16(k)
		switch state, known := there[k.Recipient.KeyID()]; {
		case known && ready && state == "Destroyed" && k.Private == statement.Inside:
			r.say(fmt.Sprintf("key %s is destroyed in the keyring, and stays so, unless what is left of it is deleted before", id))
		case known && state == "Destroyed" && k.Private == statement.Inside:
			r.say(fmt.Sprintf("key %s was destroyed in the keyring: it comes back as Deactivated only if what is left of it is gone as well", id))
		case known && ready:
			r.say(fmt.Sprintf("key %s is there already, as the Keyring shows (%s), and stays as it is", id, state))
		case k.Private == statement.Inside && k.State == "Compromised":
			r.say(fmt.Sprintf("key %s comes back as Compromised: it opens, and what it could open is exposed", id))
		case k.Private == statement.Inside && k.State == "Suspended":
			r.say(fmt.Sprintf("key %s was suspended, and comes back as Deactivated: it opens again", id))
		case k.Private == statement.Inside:
			r.say(fmt.Sprintf("key %s comes back as Deactivated: it opens, and nothing is sealed to it", id))
		case k.Private == statement.Gone:
			r.say(fmt.Sprintf("key %s was destroyed, and stays so", id))
		}
	}
	switch {
	case r.keysOnly || r.backup.StatementPrivate != statement.Inside:
		r.say("the statement key of keyring " + r.keyring + " stays what it is")
	case kr.Status.StatementKey == "" || kr.Status.StatementKey == r.backup.StatementKey:
		r.say("the statement key " + r.backup.StatementKey + " signs for the keyring, as before")
	default:
		r.say("the statement key " + r.backup.StatementKey + " takes the place of the new one of the cluster, if nobody can know that yet")
	}
	if r.yes {
		return nil
	}
	ok, err := r.env.confirmed(ctx, "Take these keys into keyring "+r.keyring+"?")
	if err == nil && !ok {
		err = failed("", "nothing was done")
	}
	return err
}

// carryOut makes the Secret and waits until the controller has done what it asks for.
func (r *restoring) carryOut(ctx context.Context) error {
	contents := []byte(r.contents.Text(r.backup))
	defer clear(contents)
	uid, err := unlessDone(ctx, func() (string, error) {
		return r.client.CreateRestore(ctx, r.namespace, cluster.Restore{Keyring: r.keyring, Backup: r.signed, Contents: contents, Recipients: r.newest, KeysOnly: r.keysOnly})
	})
	secretName := r.namespace + "/" + cluster.RestoreName(r.keyring)
	switch {
	case refusedWith(err, http.StatusConflict):
		return failed("wait for it, or take it back: kubectl -n "+r.namespace+" delete secret "+cluster.RestoreName(r.keyring), "keys are being restored into keyring %s already (Secret %s)", r.keyring, secretName)
	case isForbidden(err):
		return failed("ask for the right to create, get and delete Secrets in namespace "+r.namespace, "%v", err)
	case refusedWith(err, http.StatusNotFound):
		return failed("name the controller's namespace with -n", "%v", err)
	case err != nil:
		return withClusterHint(err)
	}
	r.say("the controller takes the keys from Secret " + secretName)
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, errTooLong)
	defer cancel()
	if err := r.await(ctx, uid); err != nil {
		if errors.Is(context.Cause(ctx), errTooLong) {
			err = failed("the controller goes on by itself; look at kubectl describe keyring "+r.keyring+". To give up, delete the Secret", "not done within %s", r.timeout)
		}
		if there, _, serr := r.client.RestoreState(context.WithoutCancel(ctx), r.namespace, r.keyring, uid); serr != nil || there {
			warn(r.env.Stderr, "the private keys are still in Secret "+secretName+" until the controller is done")
		}
		return err
	}
	return nil
}

// errTooLong is the cause of the end of waiting.
var errTooLong = errors.New("it takes too long")

// await asks until the Secret is gone and the keyring works. What is refused is taken back.
func (r *restoring) await(ctx context.Context, uid string) error {
	gone := 0
	for {
		there, refused, err := r.client.RestoreState(ctx, r.namespace, r.keyring, uid)
		switch {
		case err != nil && ctx.Err() == nil:
			return withClusterHint(err)
		case err == nil && refused != "":
			if err := r.client.DeleteRestore(ctx, r.namespace, r.keyring, uid); err != nil {
				return withClusterHint(err)
			}
			return failed("", "keyring %s: %s", r.keyring, refused)
		}
		if err == nil {
			if !there {
				gone++
			}
			kr, kerr := r.client.KeyringObject(ctx, r.keyring)
			switch {
			case kerr != nil && ctx.Err() == nil:
				return withClusterHint(kerr)
			case kerr == nil && !there && r.done(kr, uid, gone):
				return r.end(kr)
			case kerr == nil:
				if text := waitsFor(kr); text != "" && text != r.told {
					r.told = text
					r.say(text)
				}
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(restorePoll):
		}
	}
}

// waitsFor is what the controller says that hinders it.
func waitsFor(kr *v1alpha1.Keyring) string {
	if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionRestoring); c != nil && c.Status == "True" {
		return c.Message
	}
	if c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady); c != nil && c.Status != "True" {
		return c.Message
	}
	return ""
}

// lateStatus is how often the Keyring is asked for what became of a request that is gone, before its keys alone have to say it: the controller may have ended in between.
const lateStatus = 20

// done says whether the controller has said that it is done with this request, and one key is sealed to.
func (r *restoring) done(kr *v1alpha1.Keyring, uid string, gone int) bool {
	states, missing := statesOf(kr), 0
	for _, k := range r.backup.Keys {
		if k.Private == statement.Inside && states[k.Recipient.KeyID()] == "" {
			missing++
		}
	}
	c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionRestoring)
	request := " (request " + uid + ")"
	said := c != nil && c.Reason == v1alpha1.ReasonRestoreDone && strings.Contains(c.Message, request)
	ready := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady)
	if (!said && (gone < lateStatus || missing > 0)) || kr.Status.ActiveKey == "" || ready == nil || ready.Status != "True" {
		return false
	}
	if said {
		r.say("keyring " + r.keyring + ": " + strings.Replace(c.Message, request, "", 1))
	}
	return true
}

// end says which keys are there, and fails where one is not: what is left of it says that it was destroyed.
func (r *restoring) end(kr *v1alpha1.Keyring) error {
	states, n := statesOf(kr), 0
	var dead []string
	for _, k := range r.backup.Keys {
		switch state := states[k.Recipient.KeyID()]; {
		case k.Private != statement.Inside:
		case state == "" || state == "Destroyed":
			dead = append(dead, displayID16(k))
		default:
			n++
		}
	}
	if len(dead) > 0 {
		return failed("delete what is left of it, and restore again: kubectl describe keyring "+r.keyring+" says where that is",
			"keyring %s has not all of the backup: key %s was not restored", r.keyring, strings.Join(dead, ", "))
	}
	r.say(fmt.Sprintf("keyring %s has %s of the backup, and seals to key %s", r.keyring, countOf(n, "key"), kr.Status.ActiveKey))
	message(r.env.Stderr, "hint: ", "next: seal keys fetch --keyring "+r.keyring+" --save, and seal rewrap for what is to be sealed to the new key")
	return nil
}

// statesOf are the states of a keyring's keys by id, as its status shows them.
func statesOf(kr *v1alpha1.Keyring) map[string]string {
	states := map[string]string{}
	for _, k := range kr.Status.Keys {
		states[k.ID] = k.State
	}
	return states
}
