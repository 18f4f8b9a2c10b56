package cli

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/cli/secret"
)

const keysMoveLong = `Have the controller move the private keys of a keyring to another source: Secrets, sealed keys or
Vault's key/value store. Nothing is sealed again: the keys, their ids and the statement key stay what
they are, and every Secret in the cluster stays as it is.

The Keyring gets the new source as spec.source, and the present one as spec.moveFrom. Each key is
copied, read back, proved, and only then deleted where it was; meanwhile it opens wherever it is. It
can be interrupted at any point, and goes on by itself. With --wait this command waits for the end of
it, and with --finish, then or later, takes spec.moveFrom out.

The source is a file with what spec.source is to be, as docs/api.md describes it, such as
  vaultKV: {path: waxwing/prod, vault: {address: https://vault:8200, auth: {kubernetes: {role: waxwing}}}}
--to secret is short for Secrets that are not encrypted. Where Keyrings lie in Git, --manifest prints
the changed Keyring to commit, and changes nothing.`

const keysMoveExample = `  seal keys move prod-eu --source vault.yaml --wait --finish
  seal keys move prod-eu --source vault.yaml --manifest > keyring.yaml
  seal keys move prod-eu --to secret
  seal keys move prod-eu --finish`

// movePoll is how often the Keyring is asked for.
const movePoll = time.Second

// keysMoveOptions are the flags of `seal keys move`.
type keysMoveOptions struct {
	to, source, output     string
	manifest, wait, finish bool
	clusterFlags
}

// moveReport is what `seal keys move -o json` prints.
type moveReport struct {
	Keyring    string `json:"keyring"`
	Generation int64  `json:"generation"`
	Moving     bool   `json:"moving"`
	Message    string `json:"message"` // the controller's, where it has said something of this generation
	Finished   bool   `json:"finished"`
}

func newKeysMoveCommand(env *Env) *cobra.Command {
	var o keysMoveOptions
	cmd := &cobra.Command{
		Use:               "move [flags] KEYRING",
		Short:             "Move a keyring's keys to another source",
		Long:              keysMoveLong,
		Example:           keysMoveExample,
		Args:              exactArgs("KEYRING"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysMove(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.source, "source", "", "move them to the source in `FILE` (- is standard input)")
	flags.StringVar(&o.to, "to", "", "move them to `secret`: Secrets that are not encrypted")
	flags.BoolVar(&o.wait, "wait", false, "wait until nothing is left at the old source")
	flags.BoolVar(&o.finish, "finish", false, "take spec.moveFrom out of the Keyring, if nothing is left there")
	flags.BoolVar(&o.manifest, "manifest", false, "print the changed Keyring, and change nothing")
	flags.StringVarP(&o.output, "output", "o", "text", "write `text|json`")
	o.clusterFlags.addTo(flags)
	completeValues(cmd, "output", "text", "json")
	completeValues(cmd, "to", "secret")
	return cmd
}

func (o *keysMoveOptions) check() error {
	begins := o.source != "" || o.to != ""
	switch {
	case o.output != "text" && o.output != "json":
		return usage("use text or json", "unknown output %q", o.output)
	case o.source != "" && o.to != "":
		return usage("", "--source and --to are two ways to say the same")
	case o.to != "" && o.to != "secret":
		return usage("--source FILE names sealed keys and Vault, with how to reach it", "unknown source %q: --to takes secret", o.to)
	case !begins && !o.finish && !o.wait:
		return usage("give --source FILE or --to secret; --wait and --finish go on with a move that is under way", "nothing to do is given")
	case o.manifest && (o.wait || begins == o.finish):
		return usage("--manifest prints one change: to a source, or with --finish", "--manifest does not go with --wait, nor with both steps at once")
	case begins && o.finish && !o.wait:
		return usage("add --wait, or finish later", "--finish is for when nothing is left at the old source")
	}
	return nil
}

func runKeysMove(ctx context.Context, env *Env, o *keysMoveOptions, name string) error {
	if err := o.check(); err != nil {
		return err
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	m := &keysMove{keysMoveOptions: o, keyringTask: keyringTask{env: env, client: client}}
	if m.kr, err = client.KeyringObject(ctx, name); err != nil {
		return keyringRefusal(name, err)
	}
	if o.source != "" || o.to != "" {
		if err := m.begin(ctx); err != nil || o.manifest {
			return err
		}
	}
	if o.wait {
		if err := m.await(ctx); err != nil {
			return err
		}
	}
	if o.finish {
		if err := m.end(ctx); err != nil || o.manifest {
			return err
		}
	}
	return m.report()
}

// keysMove is one run.
type keysMove struct {
	*keysMoveOptions
	keyringTask
}

// begin gives the Keyring its new source.
func (m *keysMove) begin(ctx context.Context) error {
	to, err := m.target(ctx)
	if err != nil {
		return err
	}
	if m.manifest {
		if err := movable(m.kr, to); err != nil {
			return err
		}
		from := m.kr.Spec.Source
		m.kr.Spec.Source, m.kr.Spec.MoveFrom = to, &from
		return m.print()
	}
	err = m.patch(ctx, func(kr *v1alpha1.Keyring) ([]cluster.PatchOp, error) {
		return []cluster.PatchOp{{Op: "replace", Path: "/spec/source", Value: to}, {Op: "add", Path: "/spec/moveFrom", Value: kr.Spec.Source}}, movable(kr, to)
	})
	if err != nil {
		return err
	}
	m.say("the keys of %s are being moved; nothing is sealed again", m.kr.Name)
	return nil
}

// movable says why the keys cannot go there from where they are.
func movable(kr *v1alpha1.Keyring, to v1alpha1.KeySource) error {
	if kr.Spec.MoveFrom != nil {
		return failed("wait for it with seal keys move "+kr.Name+" --wait --finish", "keyring %s has a move under way: spec.moveFrom is set", kr.Name)
	}
	why := v1alpha1.MoveRefusal(kr.Spec.Source, to)
	switch why {
	case "":
		return nil
	case v1alpha1.MoveSamePlace:
		why = "they are there already"
	}
	return failed("", "the keys of %s cannot be moved: %s", kr.Name, why)
}

// target is where the keys go.
func (m *keysMove) target(ctx context.Context) (to v1alpha1.KeySource, err error) {
	if m.to != "" {
		return v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, nil
	}
	const maxSource = 1 << 20
	b, err := m.env.read(ctx, m.source, "the source", maxSource)
	if err != nil {
		return to, err
	}
	name := shownName(m.source)
	if err := kubeyaml.UnmarshalStrict(b, &to); err != nil {
		return to, failed("write what spec.source is to be; docs/api.md describes the fields", "%s is not a source of keys: %s", name, yamlCause(err))
	}
	var members map[string]json.RawMessage
	if err := kubeyaml.Unmarshal(b, &members); err != nil || len(members) != 1 {
		return to, failed("write what spec.source is to be, such as vaultKV: {…}", "%s has %d members, not one", name, len(members))
	}
	return to, nil
}

// print prints the Keyring as one writes it.
func (m *keysMove) print() error { return printKeyring(m.env, m.kr) }

// moving is what the controller says of the move of this generation; nil: nothing yet.
func moving(kr *v1alpha1.Keyring) *metav1.Condition {
	c := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionMoving)
	if c == nil || c.ObservedGeneration != kr.Generation {
		return nil
	}
	return c
}

// moved says why the move has not come to its end.
func moved(kr *v1alpha1.Keyring) error {
	switch c := moving(kr); {
	case c == nil:
		return failed("add --wait", "keyring %s: the controller has not said yet what is left at the old source", kr.Name)
	case c.Status != metav1.ConditionFalse:
		return failed("add --wait; what is left would not open any more", "keyring %s: %s", kr.Name, c.Message)
	}
	return nil
}

// await asks until nothing is left, and tells what is when that changes. What a person must mend ends it.
func (m *keysMove) await(ctx context.Context) error {
	name, told := m.kr.Name, ""
	for {
		if m.kr.Spec.MoveFrom == nil {
			return nil
		}
		c := moving(m.kr)
		switch stalled := apimeta.FindStatusCondition(m.kr.Status.Conditions, v1alpha1.ConditionStalled); {
		case c == nil:
		case c.Status == metav1.ConditionFalse:
			return nil
		case stalled != nil && stalled.ObservedGeneration == m.kr.Generation:
			return failed("mend that: the controller goes on by itself; the keys open meanwhile", "keyring %s: %s", name, stalled.Message)
		case c.Message != told:
			told = c.Message
			m.say("%s", told)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(movePoll):
		}
		kr, err := m.client.KeyringObject(ctx, name)
		if err != nil {
			return keyringRefusal(name, err)
		}
		m.kr = kr
	}
}

// end takes spec.moveFrom out.
func (m *keysMove) end(ctx context.Context) error {
	name := m.kr.Name
	if m.kr.Spec.MoveFrom == nil {
		m.say("keyring %s has no spec.moveFrom", name)
		return nil
	}
	if m.manifest {
		if err := moved(m.kr); err != nil {
			return err
		}
		m.kr.Spec.MoveFrom = nil
		return m.print()
	}
	err := m.patch(ctx, func(kr *v1alpha1.Keyring) ([]cluster.PatchOp, error) {
		if kr.Spec.MoveFrom == nil { // somebody else has taken it out
			return nil, nil
		}
		return []cluster.PatchOp{{Op: "remove", Path: "/spec/moveFrom"}}, moved(kr)
	})
	if err != nil {
		return err
	}
	m.say("the keys of %s have been moved", name)
	return nil
}

// report says where the move is.
func (m *keysMove) report() error {
	r := moveReport{Keyring: m.kr.Name, Generation: m.kr.Generation, Moving: m.kr.Spec.MoveFrom != nil, Finished: m.kr.Spec.MoveFrom == nil}
	if c := moving(m.kr); c != nil {
		r.Message, r.Moving = c.Message, c.Status == metav1.ConditionTrue
	}
	if m.output == "json" {
		b, err := secret.Marshal(r)
		if err != nil {
			return err
		}
		return m.env.writeOut(stdinArg, append(b, '\n'), 0)
	}
	if !r.Finished {
		m.say("%s", cmp.Or(r.Message, "look at it with kubectl get keyring "+r.Keyring+" -o yaml, or seal keys move "+r.Keyring+" --wait --finish"))
	}
	return nil
}

// yamlCause is the error of the YAML decoder without what it says of itself.
func yamlCause(err error) string { return fmt.Sprint(errors.Unwrap(err)) }
