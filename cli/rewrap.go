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
GitSecret of the FILEs, and of the files in the DIRs, the wraps that are for other keys than those
of .seal.yaml (or of -r and -R) are made anew, with any identity that opens them. Only the lines of
those wraps change; values, other holders and signatures stay. Files are written in place, all or none.

--check needs no identity: it lists what is stale, and exits with 5 if there is anything.

Whoever kept an old key can still open what the file held so far. --fresh seals all values anew,
under new envelope keys, for exactly the holders that the file is to have: that adds and drops
holders, too, and drops signatures, or with --sign makes them yours. Neither helps against somebody who has read a value: renew the
value at its source, then set it with seal set.`

const rewrapExample = `  seal rewrap -i breakglass.txt clusters/
  seal rewrap --check .
  seal rewrap -i old-key.txt -R prod.note --holder prod db.yaml
  seal rewrap -i breakglass.txt --fresh clusters/prod/`

// rewrapOptions are the flags of `seal rewrap`.
type rewrapOptions struct {
	identityFlags
	recipientFlags
	signFlags
	holder    string
	namespace string
	out       string
	check     bool
	fresh     bool
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
	o.identityFlags.addTo(flags)
	flags.BoolVar(&o.check, "check", false, "write nothing; list what is stale, without a key, and exit with 5 if there is anything")
	flags.StringVar(&o.holder, "holder", "", "only the wraps of this `HOLDER`")
	flags.BoolVar(&o.fresh, "fresh", false, "seal all values anew, for exactly the holders that the file is to have")
	o.recipientFlags.addTo(flags)
	o.signFlags.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "", "with --fresh, the `NAMESPACE` of GitSecrets that name none")
	flags.StringVar(&o.out, "out", "", "write to `FILE` (- for standard output) instead of in place; for one input")
	flags.StringVarP(&o.output.name, "output", "o", "text", "with --check, write `text|json`")
}

func (o *rewrapOptions) validate(env *Env, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	switch {
	case o.output.name == "json" && !o.check:
		return usage("", "-o goes with --check")
	case o.check && (o.fresh || o.out != ""):
		return usage("", "--check writes nothing: it does not go with --fresh or --out")
	case o.fresh && o.holder != "":
		return usage("leave out --holder", "--fresh seals for all holders")
	case (o.sign || o.key != "") && !o.fresh:
		return usage("leave it out: new wraps keep a signature as it is", "--sign goes with --fresh")
	case o.namespace != "" && !o.fresh:
		return usage("", "-n goes with --fresh")
	case o.namespace != "" && !secret.ValidNamespace(o.namespace):
		return usage("", "%q cannot be the name of a namespace", o.namespace)
	case o.out != "" && (len(args) > 1 || env.isFolder(args[0])):
		return usage("leave it out: files are written in place", "--out is for one input")
	case o.out == "" && !o.check && slices.Contains(args, stdinArg):
		return usage("add --out -", "standard input cannot be written in place")
	}
	return once(slices.Concat(args, o.identityFlags.files, o.recipientFlags.files, o.signFlags.inputs())...)
}

func runRewrap(ctx context.Context, env *Env, o *rewrapOptions, args []string) error {
	if err := o.validate(env, args); err != nil {
		return err
	}
	r := &rewrapper{o: o, job: job{env: env}}
	var err error
	if r.source, err = o.source(ctx, env); err != nil {
		return err
	}
	if !o.check {
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
	return r.rewrapAll(ctx)
}
