package cli

import (
	"context"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli/secret"
)

const rewrapLong = `Bring sealed files up to the recipients that their holders have now, after a key rotation: in each
GitSecret of the FILEs, and of the files in the DIRs, the wraps that are for other keys than the
holders' present ones are replaced. Only the lines of those wraps change; values, other holders and
signatures stay. Files are written in place, all or none.

Without an identity the new wraps come from the cluster: once a keyring has a new key, its
controller offers them in the status of each GitSecret that it has opened. An offer is taken only if
it verifies under the statement key that .seal.yaml pins (or --statement-key gives), is for exactly
the keyring's newest recipients, and belongs to that very envelope. The keyring's note in .seal/ is
renewed on the way. The controller offers for 500 objects at a time: commit, push, and run it again
until nothing is left. Where the cluster cannot be reached, give --offers what this prints:
kubectl get keyrings,gitsecrets -A -o json

With -i (or SEAL_IDENTITY_FILE) they are made offline, with any identity that opens the files, for
the recipients of .seal.yaml (or of -r and -R). With --cluster as well, identities make what the
cluster does not offer.

--check lists what is stale, and exits with 5 if there is anything; with --cluster or --offers it
goes by the cluster's recipients, and says for what there are offers.

Whoever kept an old key can still open what the file held so far. --fresh seals all values anew,
under new envelope keys, for exactly the holders that the file is to have: that adds and drops
holders, too, and drops signatures, or with --sign makes them yours. Neither helps against somebody
who has read a value: renew the value at its source, then set it with seal set.`

const rewrapExample = `  seal rewrap                                      (all of this folder, from the cluster's offers)
  seal rewrap --dry-run clusters/prod/
  kubectl get keyrings,gitsecrets -A -o json | seal rewrap --offers - clusters/
  seal rewrap --check .
  seal rewrap -i breakglass.txt clusters/
  seal rewrap -i old-key.txt -R prod.note --holder prod db.yaml
  seal rewrap -i breakglass.txt --fresh clusters/prod/`

// rewrapOptions are the flags of `seal rewrap`.
type rewrapOptions struct {
	identityFlags
	recipientFlags
	signFlags
	clusterFlags
	holder    string
	namespace string
	out       string
	offers    string
	cluster   bool
	check     bool
	fresh     bool
	dryRun    bool
	output    reportFlag
}

func newRewrapCommand(env *Env) *cobra.Command {
	var o rewrapOptions
	cmd := &cobra.Command{
		Use:               "rewrap [flags] [FILE|DIR]…",
		Short:             "Bring sealed files up to their holders' present keys",
		Long:              rewrapLong,
		Example:           rewrapExample,
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				args = []string{"."}
			}
			return runRewrap(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addTo(flags)
	completeValues(cmd, "output", "text", "json")
	return cmd
}

func (o *rewrapOptions) addTo(flags *pflag.FlagSet) {
	flags.BoolVar(&o.check, "check", false, "write nothing; list what is stale, without a key, and exit with 5 if there is anything")
	flags.BoolVar(&o.dryRun, "dry-run", false, "write nothing; say what would change")
	flags.StringVar(&o.holder, "holder", "", "only the wraps of this `HOLDER`")
	flags.BoolVar(&o.cluster, "cluster", false, "ask the cluster, with -i, --check or --fresh, too; without them it is asked in any case")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "the kubeconfig `FILE`; implies --cluster")
	flags.StringVar(&o.context, "context", "", "the `CONTEXT` of the kubeconfig; implies --cluster")
	flags.StringVar(&o.offers, "offers", "", "take the offers from `FILE` (- for standard input), a list that kubectl has printed as JSON, instead of the cluster")
	o.identityFlags.addTo(flags)
	flags.BoolVar(&o.fresh, "fresh", false, "seal all values anew, for exactly the holders that the file is to have")
	o.recipientFlags.addTo(flags)
	o.signFlags.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "", "with --fresh, the `NAMESPACE` of GitSecrets that name none")
	flags.StringVar(&o.out, "out", "", "write to `FILE` (- for standard output) instead of in place; for one input")
	flags.StringVarP(&o.output.name, "output", "o", "text", "write a report as `text|json`")
}

// asks says whether the cluster has a say, or a list from it.
func (o *rewrapOptions) asks(env *Env) bool {
	return o.cluster || o.offers != "" || o.kubeconfig != "" || o.context != "" || !o.check && !o.fresh && !o.identified(env) && !o.addressed()
}

// identified says whether there is an identity to open with.
func (o *rewrapOptions) identified(env *Env) bool {
	return len(o.identityFlags.files) > 0 || env.Getenv(envIdentities) != ""
}

// addressed says whether the command line names recipients.
func (o *rewrapOptions) addressed() bool {
	return len(o.recipients) > 0 || len(o.recipientFlags.files) > 0
}

func (o *rewrapOptions) validate(env *Env, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := o.validateModes(env); err != nil {
		return err
	}
	switch {
	case o.namespace != "" && !secret.ValidNamespace(o.namespace):
		return usage("", "%q cannot be the name of a namespace", o.namespace)
	case o.out != "" && (len(args) > 1 || env.isFolder(args[0])):
		return usage("leave it out: files are written in place", "--out is for one input")
	case o.out == "" && !o.check && slices.Contains(args, stdinArg):
		return usage("add --out -", "standard input cannot be written in place")
	}
	return once(slices.Concat(args, o.identityFlags.files, o.recipientFlags.files, o.signFlags.inputs(), []string{o.offers})...)
}

// validateModes refuses flags that do not go together.
func (o *rewrapOptions) validateModes(env *Env) error {
	switch {
	case o.output.name == "json" && o.out == stdinArg:
		return usage("", "standard output is the file's or the report's: -o json does not go with --out -")
	case o.check && (o.fresh || o.out != "" || o.dryRun):
		return usage("", "--check writes nothing: it does not go with --fresh, --out or --dry-run")
	case o.dryRun && o.out != "":
		return usage("", "--dry-run writes nothing: it does not go with --out")
	case o.fresh && o.holder != "":
		return usage("leave out --holder", "--fresh seals for all holders")
	case (o.sign || o.key != "") && !o.fresh:
		return usage("leave it out: new wraps keep a signature as it is", "--sign goes with --fresh")
	case o.namespace != "" && !o.fresh:
		return usage("", "-n goes with --fresh")
	case o.offers != "" && (o.cluster || o.kubeconfig != "" || o.context != ""):
		return usage("", "--offers is in place of the cluster: it does not go with --cluster, --kubeconfig or --context")
	case o.asks(env) && o.addressed():
		return usage("leave out -r and -R", "what the cluster offers is for its keyring's own recipients")
	}
	return nil
}

func runRewrap(ctx context.Context, env *Env, o *rewrapOptions, args []string) error {
	if err := o.validate(env, args); err != nil {
		return err
	}
	r := &rewrapper{o: o, job: job{env: env}}
	asks := o.asks(env)
	var err error
	if r.source, err = o.recipientSource(ctx, env, asks); err != nil {
		return err
	}
	if !o.check && (!asks || o.fresh || o.identified(env)) {
		if r.ids, err = o.identities(ctx, env); err != nil {
			return err
		}
		if r.signer, err = o.signer(ctx, env, filepath.Dir(args[0])); err != nil {
			return err
		}
	}
	if r.inputs, err = env.inputs(args, env.manifests(ctx, r.source.tree)); err != nil {
		return err
	}
	if len(r.inputs) == 0 {
		env.warnIgnored(ctx, r.source.tree, args)
	}
	if asks && len(r.inputs) > 0 {
		if err := r.ask(ctx); err != nil {
			return err
		}
	}
	return r.rewrapAll(ctx)
}

// recipientSource is that of flags, environment and settings, or where the cluster is asked that of the settings alone: recipients come from the keyring.
func (o *rewrapOptions) recipientSource(ctx context.Context, env *Env, asks bool) (*recipientSource, error) {
	if !asks {
		return o.source(ctx, env)
	}
	tree, err := env.settings()
	if err != nil {
		return nil, err
	}
	return &recipientSource{env: env, tree: tree, set: tree.Set}, nil
}
