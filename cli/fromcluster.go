package cli

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
)

const fromClusterLong = `Read Secrets that exist in a cluster and print them sealed, without a plaintext file in between. The
cluster is only read: the Secret stays as it is until the GitSecret is applied there and you hand
the Secret over, with the command that is printed in the end.

What the API server and delivery tools have added is left out. Refused are Secrets that something
else would write again: those with owners (--allow-owned takes them), tokens of service accounts,
Helm's records of releases, and Waxwing's own keys.

With --all or --selector, Secrets that would be refused are left out and named. Tokens of service
accounts and records of releases are not even looked at.`

const fromClusterExample = `  seal from-cluster prod/db -R prod.note --out db.yaml
  seal from-cluster -n prod db web -R prod.note > sealed.yaml
  seal from-cluster --all -n prod --out-dir clusters/prod
  seal from-cluster --selector app=shop -n prod --context staging --out-dir shop`

// fromClusterOptions are the flags of `seal from-cluster`.
type fromClusterOptions struct {
	recipientFlags
	outFlags
	signFlags
	clusterFlags
	outDir, namespace, selector, scope string
	all, allowOwned, allowEmpty        bool
}

func newFromClusterCommand(env *Env) *cobra.Command {
	var o fromClusterOptions
	cmd := &cobra.Command{
		Use:               "from-cluster [flags] [NAMESPACE/]NAME…",
		Short:             "Seal Secrets that exist in a cluster",
		Long:              fromClusterLong,
		Example:           fromClusterExample,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(cmd, args); err != nil {
				return err
			}
			return runFromCluster(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of the Secrets; that of the kubeconfig's context if left out")
	flags.BoolVar(&o.all, "all", false, "take all Secrets of the namespace")
	flags.StringVarP(&o.selector, "selector", "l", "", "take the Secrets of the namespace with these labels, such as `KEY=VALUE`")
	flags.BoolVar(&o.allowOwned, "allow-owned", false, "take Secrets with owners, too")
	flags.BoolVar(&o.allowEmpty, "allow-empty", false, "take Secrets without data, too")
	flags.StringVar(&o.outDir, "out-dir", "", "write a file for each Secret into the `FOLDER`; none may exist yet")
	o.outFlags.addTo(flags)
	flags.StringVar(&o.scope, "scope", "", scopeUsage)
	o.recipientFlags.addTo(flags)
	o.signFlags.addTo(flags)
	o.clusterFlags.addTo(flags)
	_ = cmd.MarkFlagDirname("out-dir")
	completeScopes(cmd)
	completeValues(cmd, "output", "yaml", "json")
	return cmd
}

// several says that the Secrets are not named one by one.
func (o *fromClusterOptions) several() bool { return o.all || o.selector != "" }

func (o *fromClusterOptions) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && !o.several():
		return usage(helpHint(cmd), "missing NAME")
	case len(args) > 0 && o.several():
		return usage("", "--all and --selector do not go with names")
	case o.outDir != "" && (o.out != "" || o.append || o.force):
		return usage("", "--out-dir does not go with --out, --append and --force")
	}
	if err := o.outFlags.check(); err != nil {
		return err
	}
	if err := checkScope(o.scope); err != nil {
		return err
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	return once(append(o.signFlags.inputs(), o.files...)...)
}

// inCluster is the place of a Secret.
type inCluster struct{ namespace, name string }

func (s inCluster) String() string { return shown(s.namespace) + "/" + shown(s.name) }

// named takes the arguments apart; NAME alone lies in namespace.
func (o *fromClusterOptions) named(args []string, namespace string) ([]inCluster, error) {
	var out []inCluster
	for _, arg := range args {
		s := inCluster{namespace, arg}
		if before, name, ok := strings.Cut(arg, "/"); ok {
			s = inCluster{before, name}
			if o.namespace != "" && o.namespace != before {
				return nil, usage("remove one of the two", "%s names another namespace than -n %s", shown(arg), o.namespace)
			}
		}
		if !secret.ValidNamespace(s.namespace) || !secret.ValidName(s.name) {
			return nil, usage("write NAMESPACE/NAME, or NAME with -n NAMESPACE", "%s cannot be the name of a Secret", shown(arg))
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

func runFromCluster(ctx context.Context, env *Env, o *fromClusterOptions, args []string) error {
	source, err := o.source(ctx, env)
	if err != nil {
		return err
	}
	client, err := o.client(env)
	if err != nil {
		return err
	}
	t := &taker{env: env, o: o, client: client, source: source}
	wanted, err := t.wanted(ctx, args)
	if err != nil {
		return err
	}
	if err := t.open(ctx, wanted); err != nil {
		return err
	}
	if t.signer, err = o.signer(ctx, env, cmp.Or(o.outDir, filepath.Dir(o.out))); err != nil {
		return err
	}
	if err := t.takeAll(ctx, wanted); err != nil {
		return err
	}
	if len(t.taken) == 0 {
		warn(env.Stderr, t.warnings...)
		return failed("", "no Secret in namespace %s is left to seal", wanted[0].namespace)
	}
	if err := t.write(ctx); err != nil {
		return err
	}
	warn(env.Stderr, t.warnings...)
	for _, command := range t.handOver() {
		message(env.Stderr, "hint: ", "once the GitSecrets are applied, hand over with: "+command)
	}
	return nil
}
