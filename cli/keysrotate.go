package cli

import (
	"cmp"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

const rotateLong = `Give a keyring a new key now. The controller makes it, proves it, publishes it as the recipient to seal
to, and only then deactivates the key before it, which goes on to open what was sealed to it. No Secret
in the cluster changes.

What is in Git follows with seal rewrap, from the offers that the controller makes. spec.rotation.every
of the Keyring has a key replaced by itself when it gets so old.

The Keyring gets spec.rotation.renewBefore; this command waits for the new key, and can be interrupted:
the controller goes on. Where Keyrings lie in Git, --manifest prints the changed Keyring to commit.

EXIT STATUS
  0  another key is active
  1  refused, or not done within --timeout`

const rotateExample = `  seal keys rotate
  seal keys rotate --keyring prod-eu --timeout 15m
  seal keys rotate --keyring prod-eu --manifest > keyring.yaml`

// rotateReport is what `seal keys rotate -o json` prints.
type rotateReport struct {
	Keyring string `json:"keyring"`
	// Old is the id of the key that was active, and New of the one that is; empty where the controller was not waited for.
	Old string `json:"old"`
	New string `json:"new,omitempty"`
	// Set is the number of the recipient set that has it.
	Set uint64 `json:"set,omitempty"`
}

func newKeysRotateCommand(env *Env) *cobra.Command {
	var o requestFlags
	cmd := &cobra.Command{
		Use:               "rotate [flags]",
		Short:             "Give a keyring a new key now",
		Long:              rotateLong,
		Example:           rotateExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runKeysRotate(cmd.Context(), env, &o)
		},
	}
	cmd.Flags().SortFlags = false
	o.addTo(cmd)
	return cmd
}

func runKeysRotate(ctx context.Context, env *Env, o *requestFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	kr, err := o.only(ctx, client)
	if err != nil {
		return err
	}
	t := &keyringTask{env: env, o: o, client: client, kr: kr}
	old, err := t.toReplace()
	if err != nil {
		return err
	}
	if o.manifest {
		before := renewBefore(env.Now(), keyStatusOf(kr, old))
		if kr.Spec.Rotation == nil {
			kr.Spec.Rotation = &v1alpha1.Rotation{}
		}
		kr.Spec.Rotation.RenewBefore = &before
		return printKeyring(env, kr)
	}
	warnOwners(env, kr, "spec", "rotation", "renewBefore")
	err = t.patch(ctx, func(kr *v1alpha1.Keyring) ([]cluster.PatchOp, error) { return t.rotateOps(kr, old) })
	if err != nil {
		return err
	}
	return t.awaitRotation(ctx, old)
}

// toReplace is the id of the one key that is active.
func (t *keyringTask) toReplace() (string, error) {
	switch active := activeKeys(t.kr); len(active) {
	case 1:
		return active[0], nil
	case 0:
		for _, key := range t.kr.Status.Keys {
			if key.State == stateSuspended {
				return "", failed("seal keys resume "+displayID(key.ID)+", or seal keys deactivate, which has it replaced", "keyring %s has no active key: %s is suspended", t.kr.Name, displayID(key.ID))
			}
		}
		return "", failed("kubectl describe keyring "+t.kr.Name, "keyring %s has no active key: %s", t.kr.Name, cmp.Or(notReadyMessage(t.kr), "the controller makes one by itself"))
	default:
		return "", failed("wait for its end: kubectl get keyring "+t.kr.Name+" -w", "keyring %s has several active keys: a rotation is under way", t.kr.Name)
	}
}

// renewBefore is the time that has this key replaced: now, or right after it became active, where the clock here is behind.
func renewBefore(now time.Time, key v1alpha1.KeyStatus) metav1.Time {
	at := now.UTC().Truncate(time.Second)
	if key.Activated != nil {
		if least := key.Activated.UTC().Add(time.Second); at.Before(least) {
			at = least
		}
	}
	return metav1.NewTime(at)
}

// rotateOps asks for another key, unless that has happened meanwhile.
func (t *keyringTask) rotateOps(kr *v1alpha1.Keyring, old string) ([]cluster.PatchOp, error) {
	if key := keyStatusOf(kr, old); key.State == stateActive {
		before := renewBefore(t.env.Now(), key)
		if kr.Spec.Rotation == nil {
			return []cluster.PatchOp{{Op: "add", Path: "/spec/rotation", Value: v1alpha1.Rotation{RenewBefore: &before}}}, nil
		}
		return []cluster.PatchOp{{Op: "add", Path: "/spec/rotation/renewBefore", Value: before}}, nil
	}
	return nil, nil
}

// awaitRotation waits until another key is the only active one and published, and says what comes next.
func (t *keyringTask) awaitRotation(ctx context.Context, old string) error {
	r := &rotateReport{Keyring: t.kr.Name, Old: old}
	stays := "keyring " + t.kr.Name + " has been asked for a new key, and its controller goes on by itself"
	if !t.o.wait {
		t.say("%s", stays)
		return t.write(r)
	}
	err := t.await(ctx, stays, func() (bool, string, error) {
		if r.New, r.Set = rotated(t.kr, old); r.New != "" {
			return true, "", nil
		}
		if why := stalledMessage(t.kr); why != "" {
			return false, "", failed("mend that: the controller goes on by itself; "+stays, "keyring %s: %s", t.kr.Name, why)
		}
		return false, t.rotationState(old), nil
	})
	if err != nil {
		return err
	}
	t.say("key %s of keyring %s is active in place of %s, and published in recipient set %d", displayID(r.New), t.kr.Name, displayID(old), r.Set)
	message(t.env.Stderr, "hint: ", "seal rewrap brings what is in Git up to it; "+displayID(old)+" opens until then, and for as long as it is not destroyed")
	return t.write(r)
}

// rotationState says how far it is.
func (t *keyringTask) rotationState(old string) string {
	if why := notReadyMessage(t.kr); why != "" {
		return why
	}
	for _, key := range t.kr.Status.Keys {
		switch {
		case key.ID != old && key.State == statePreActive:
			return "key " + displayID(key.ID) + " was made and is being proved"
		case key.ID != old && key.State == stateActive:
			return "key " + displayID(key.ID) + " is active and is being published"
		}
	}
	if r := t.kr.Spec.Rotation; r != nil && r.RenewBefore != nil && r.RenewBefore.After(t.env.Now()) {
		return fmt.Sprintf("the clock here is behind: the key is replaced %s from now", spanWords(r.RenewBefore.Sub(t.env.Now())))
	}
	return ""
}

// rotated gives the key that is active in place of old, and the number of the set in which it is published; empty before the end of a rotation.
func rotated(kr *v1alpha1.Keyring, old string) (id string, set uint64) {
	active := activeKeys(kr)
	if len(active) != 1 || active[0] == old {
		return "", 0
	}
	published, err := statement.ReadRecipients([]byte(kr.Status.Recipients))
	if err != nil {
		return "", 0
	}
	ids := map[string]bool{}
	for _, r := range published.Recipients {
		ids[r.KeyID()] = true
	}
	if !ids[active[0]] || ids[old] {
		return "", 0
	}
	return active[0], published.Set
}
