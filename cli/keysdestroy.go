package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const keysDestroyLong = `Delete the private half of a key for good. What only this key opens is lost then: in the cluster, in
Git's history and in old branches. Who needs the key is shown first (seal keys uses shows it at any
time), with what was not looked at and which backups there are; then the first 16 digits of the key's id
have to be typed.

The key has to be deactivated or compromised; seal keys rotate replaces an active one. The controller
counts afresh and refuses while it knows of a use. --despite gone destroys the key although objects that
have been gone from the cluster for a quarter of an hour needed it, which going back in Git would bring
back, or may have needed it before uses were remembered; --despite any whatever is known, and although
something could not be looked at. A tombstone stays, so that objects that need the key say KeyDestroyed.` + requestLong

const keysDestroyExample = `  seal keys destroy 3f2a91c0
  seal keys destroy 3f2a91c0 --despite gone --reason "no way back beyond release 7"
  seal keys destroy 3f2a91c0 --yes -o json`

// keysDestroyOptions are the flags of `seal keys destroy`.
type keysDestroyOptions struct {
	requestFlags
	despite   string
	namespace string
	yes       bool
}

func newKeysDestroyCommand(env *Env) *cobra.Command {
	var o keysDestroyOptions
	cmd := &cobra.Command{
		Use:               "destroy [flags] KEYID",
		Short:             "Delete a key that nobody needs any more",
		Long:              keysDestroyLong,
		Example:           keysDestroyExample,
		Args:              exactArgs("KEYID"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysDestroy(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addReasonTo(cmd)
	flags.StringVar(&o.despite, "despite", "", "destroy it despite known uses: `gone` or any")
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	flags.StringVarP(&o.namespace, "namespace", "n", "waxwing-system", "the `NAMESPACE` of the controller, where backups are")
	o.addTo(cmd)
	completeValues(cmd, "despite", "gone", "any")
	return cmd
}

func (o *keysDestroyOptions) request(id string) (v1alpha1.KeyRequest, error) {
	r := v1alpha1.KeyRequest{Key: id, Do: v1alpha1.RequestDestroy, Reason: o.reason}
	switch strings.ToLower(o.despite) {
	case "":
	case "gone":
		r.Despite = v1alpha1.DespiteGone
	case "any":
		r.Despite = v1alpha1.DespiteAny
	default:
		return r, usage("use gone or any", "unknown --despite %s", shown(o.despite))
	}
	return r, checkNamespace(o.namespace)
}

func runKeysDestroy(ctx context.Context, env *Env, o *keysDestroyOptions, id string) error {
	if _, err := o.request(""); err != nil {
		return err
	}
	t, key, err := o.begin(ctx, env, id)
	if err != nil {
		return err
	}
	switch key.key.State {
	case stateActive:
		return failed("seal keys rotate replaces it first", "key %s of keyring %s is active: it is what everything is sealed to", key.display(), t.kr.Name)
	case stateSuspended:
		return failed("seal keys deactivate "+key.display()+" first, or seal keys resume", "key %s of keyring %s is suspended, and not out of use", key.display(), t.kr.Name)
	case stateDestroyed:
		t.say("key %s of keyring %s is destroyed already", key.display(), t.kr.Name)
		return t.write(&requestReport{Keyring: t.kr.Name, Key: key.key.ID, Do: v1alpha1.RequestDestroy, State: stateDestroyed, Outcome: v1alpha1.RequestDone})
	}
	request, err := o.request(key.key.ID)
	if err != nil {
		return err
	}
	if o.manifest {
		return t.printRequested(request)
	}
	if err := t.confirmDestroy(ctx, key, o); err != nil {
		return err
	}
	r, err := t.carryOut(ctx, request, nil)
	if err != nil {
		return err
	}
	if r.Outcome == v1alpha1.RequestDone {
		t.say("key %s of keyring %s is destroyed", key.display(), t.kr.Name)
	}
	return t.write(r)
}

// confirmDestroy shows what is known, and has the person type the key's id.
func (t *keyringTask) confirmDestroy(ctx context.Context, key *foundKey, o *keysDestroyOptions) error {
	uses, err := usesOf(ctx, t.env, t.client, key, nil)
	if err != nil {
		return err
	}
	for _, line := range uses.lines(t.env.Now()) {
		t.say("%s", line)
	}
	t.say("nobody has looked at: other repositories, other branches and the history of Git, the files of other clusters, and backups of etcd and of Vault, which may still hold the key")
	for _, line := range t.backups(ctx, o.namespace, key.key.ID) {
		t.say("%s", line)
	}
	if o.yes {
		return nil
	}
	answer, err := t.env.answer(ctx, fmt.Sprintf("Type %s to destroy this key for good: ", key.display()))
	switch {
	case err != nil:
		return err
	case answer != key.display() && answer != key.key.ID:
		return failed("", "that is not its id: the key is as it was")
	}
	return nil
}
