package cli

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// The states of a key, as v1alpha1.KeyStatus has them.
const (
	statePreActive   = "PreActive"
	stateActive      = "Active"
	stateSuspended   = "Suspended"
	stateDeactivated = "Deactivated"
	stateCompromised = "Compromised"
	stateDestroyed   = "Destroyed"
)

// requestLong ends the help of the commands that make a request of spec.requests.
const requestLong = `

The request is put into spec.requests of the Keyring, in the place of an earlier one for that key, and
the controller carries it out; this command waits for it, and can be interrupted: the request stays.
What the controller refuses is taken out again. KEYID is the first 8 digits of a key's id at least, or
its recipient. Where Keyrings lie in Git, --manifest prints the changed Keyring to commit.

EXIT STATUS
  0  it is done
  1  refused, or not done within --timeout`

const suspendLong = `Suspend a key: for the time being it neither seals nor opens, such as while somebody finds out whether
it is known to others. Secrets that are there stay. Nothing can be sealed until the key is resumed, or
another takes its place (seal keys deactivate, seal keys compromise).` + requestLong

const resumeLong = `Take a key out of suspension: it seals and opens as before, or opens only where another key is active
by now.` + requestLong

const deactivateLong = `Deactivate a key: it opens what was sealed to it, and nothing is sealed to it any more. An active key is
replaced by a new one; seal keys rotate is the usual way to that. A suspended one opens again.` + requestLong

// stateCommand is a command that has nothing to it but a request.
type stateCommand struct {
	name, short, long, example, do string
	// done says what the key is then.
	done string
}

func stateCommands() []stateCommand {
	return []stateCommand{
		{"suspend", "Stop sealing to a key and opening with it, for the time being", suspendLong,
			"  seal keys suspend 3f2a91c0 --reason \"laptop of the backup's owner is missing\"", v1alpha1.RequestSuspend, "is suspended: it neither seals nor opens"},
		{"resume", "Use a suspended key again", resumeLong,
			"  seal keys resume 3f2a91c0", v1alpha1.RequestResume, "is not suspended any more"},
		{"deactivate", "Let a key open only, and replace it if it is active", deactivateLong,
			"  seal keys deactivate 3f2a91c0 --keyring prod-eu", v1alpha1.RequestDeactivate, "is not sealed to any more"},
	}
}

func newKeysStateCommand(env *Env, c stateCommand) *cobra.Command {
	var o requestFlags
	cmd := &cobra.Command{
		Use:               c.name + " [flags] KEYID",
		Short:             c.short,
		Long:              c.long,
		Example:           c.example,
		Args:              exactArgs("KEYID"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysState(cmd.Context(), env, &o, c, args[0])
		},
	}
	cmd.Flags().SortFlags = false
	o.addReasonTo(cmd)
	o.addTo(cmd)
	return cmd
}

func runKeysState(ctx context.Context, env *Env, o *requestFlags, c stateCommand, id string) error {
	t, key, err := o.begin(ctx, env, id)
	if err != nil {
		return err
	}
	request := v1alpha1.KeyRequest{Key: key.key.ID, Do: c.do, Reason: o.reason}
	if o.manifest {
		return t.printRequested(request)
	}
	r, err := t.carryOut(ctx, request, nil)
	if err != nil {
		return err
	}
	if r.Outcome == v1alpha1.RequestDone {
		t.say("key %s of keyring %s %s", key.display(), t.kr.Name, c.done)
		if why := notReadyMessage(t.kr); why != "" {
			warn(env.Stderr, "keyring "+t.kr.Name+": "+why)
		}
	}
	return t.write(r)
}

// begin checks the flags, and finds the key that the user calls id.
func (f *requestFlags) begin(ctx context.Context, env *Env, id string) (*keyringTask, *foundKey, error) {
	if err := f.check(); err != nil {
		return nil, nil, err
	}
	client, err := f.client(env)
	if err != nil {
		return nil, nil, err
	}
	key, err := f.find(ctx, client, id)
	if err != nil {
		return nil, nil, err
	}
	return &keyringTask{env: env, o: f, client: client, kr: key.kr}, key, nil
}

// write prints the report as JSON, if that is wanted: for people all is said.
func (t *keyringTask) write(report any) error {
	if t.o.output.name != "json" {
		return nil
	}
	return t.o.output.write(t.env, report, nil)
}
