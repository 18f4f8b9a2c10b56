package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const compromiseLong = `Say that others have, or may have, a key: nothing is sealed to it any more, an active one is replaced by a
new key at once, and every item whose present value it could ever open is Exposed until its value has
changed. The key goes on to open what is sealed for it, so that nothing breaks; seal keys destroy ends
that. This cannot be taken back: seal keys suspend is for a suspicion.

The values to renew are listed, with the files of this repository that have them; seal keys exposed
lists them again at any time, and exits with 5 while there are any. This command exits with 0 when the
key is compromised, whatever there is to renew.

Then, in this order: renew the values at their sources and seal them anew (seal set), have what else is
sealed for the key rewrapped (seal rewrap), and destroy it (seal keys destroy).` + requestLong

const compromiseExample = `  seal keys compromise 3f2a91c0 --reason "backup of etcd lost, ticket 4711"
  seal keys compromise 3f2a91c0 --reason "CI log" --yes -o json`

const (
	// exposedPoll is how often objects are asked for while the controller works out what is exposed, and exposedPatience how long without any news.
	exposedPoll     = 2 * time.Second
	exposedPatience = 10 * time.Second
)

// compromiseOptions are the flags of `seal keys compromise`.
type compromiseOptions struct {
	requestFlags
	yes bool
}

func newKeysCompromiseCommand(env *Env) *cobra.Command {
	var o compromiseOptions
	cmd := &cobra.Command{
		Use:               "compromise [flags] KEYID --reason TEXT",
		Short:             "Replace a key that others may have, and list what it could open",
		Long:              compromiseLong,
		Example:           compromiseExample,
		Args:              exactArgs("KEYID"),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runKeysCompromise(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addReasonTo(cmd)
	flags.BoolVar(&o.yes, "yes", false, "do not ask")
	o.addTo(cmd)
	return cmd
}

// compromiseReport is what `seal keys compromise -o json` prints.
type compromiseReport struct {
	requestReport
	*exposedReport
}

func runKeysCompromise(ctx context.Context, env *Env, o *compromiseOptions, id string) error {
	if o.reason == "" {
		return usage("say what has happened: it goes into the audit log", "--reason is missing")
	}
	t, key, err := o.begin(ctx, env, id)
	if err != nil {
		return err
	}
	request := v1alpha1.KeyRequest{Key: key.key.ID, Do: v1alpha1.RequestCompromise, Reason: o.reason}
	if o.manifest {
		return t.printRequested(request)
	}
	files, err := keyFilesIn(ctx, env, nil)
	if err != nil {
		return err
	}
	if key.key.State != stateCompromised {
		if err := t.confirmCompromise(ctx, key, o.yes); err != nil {
			return err
		}
	}
	r, err := t.carryOut(ctx, request, func() bool { return len(activeKeys(t.kr)) > 0 })
	if err != nil {
		return err
	}
	report := compromiseReport{requestReport: *r}
	if o.wait {
		t.say("key %s of keyring %s is compromised; %s is sealed to", key.display(), t.kr.Name, displayID(r.Active))
		if report.exposedReport, err = t.exposed(ctx, files, map[string]bool{key.key.ID: true}); err != nil {
			return err
		}
	} else {
		message(env.Stderr, "hint: ", "seal keys exposed lists the values to renew")
	}
	return o.output.write(env, report, func(text *reportText) {
		if report.exposedReport != nil {
			report.text(text)
		}
	})
}

// confirmCompromise tells what the consequence is, and asks.
func (t *keyringTask) confirmCompromise(ctx context.Context, key *foundKey, yes bool) error {
	t.say("every value that key %s of keyring %s could ever open has to be renewed then, and this cannot be taken back", key.display(), t.kr.Name)
	if yes {
		return nil
	}
	ok, err := t.env.confirmed(ctx, "Call key "+key.display()+" of keyring "+t.kr.Name+" compromised?")
	if err == nil && !ok {
		err = failed("seal keys suspend "+key.display()+" stops its use while you find out", "the key is as it was")
	}
	return err
}

// exposed lists the values to renew. The controller needs a moment to find them; envelopes tell most of them at once.
func (t *keyringTask) exposed(ctx context.Context, files *keyFiles, keys map[string]bool) (*exposedReport, error) {
	last, news := -1, time.Now()
	for {
		r, unsaid, err := exposedNow(ctx, t.client, files, keys)
		if err != nil || unsaid == 0 {
			return r, err
		}
		if unsaid != last {
			last, news = unsaid, time.Now()
		}
		if time.Since(news) > exposedPatience {
			warn(t.env.Stderr, "the controller does not call "+countOf(unsaid, "object")+" Exposed yet that envelopes say are: seal keys exposed lists them again")
			return r, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(exposedPoll):
		}
	}
}
