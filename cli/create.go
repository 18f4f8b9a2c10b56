package cli

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
)

const createLong = `Make a GitSecret without writing its values to a disk: they are read, sealed in memory, and only
the sealed document is printed or written to --out FILE.

The value of each KEY is asked for without echo, twice; with one KEY it may come from standard
input instead. --from-file, --from-env-file and --from-literal work as in kubectl create secret.
A value is sealed byte for byte, its final newline included.

"seal create generic NAME" is the same in kubectl's words, and the way to a Secret that is called
tls, docker-registry, basic-auth or ssh-auth: those words make Secrets of their types.

Recipients, scope and namespace are those that .seal.yaml says for FILE, if flags do not. An
existing FILE is refused: --append adds the document to it, --force replaces the GitSecret of
that name in it.`

const createExample = `  seal create db password user -n prod -R prod.note --out db.yaml   (asks for both values)
  pwgen -s 32 1 | tr -d '\n' | seal create db password -n prod -R prod.note
  seal create app -n prod --from-env-file app.env --from-file ca.crt=ca.pem --out app.yaml
  seal create tls web -n prod --cert web.crt --key web.key --out web.yaml
  seal create docker-registry pull -n prod --docker-server ghcr.io --docker-username bot`

// createFlags are the flags of every kind of `seal create`.
type createFlags struct {
	recipientFlags
	outFlags
	signFlags
	namespace, scope    string
	labels, annotations []string
	immutable           bool
}

func (f *createFlags) addTo(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVarP(&f.namespace, "namespace", "n", "", "the `NAMESPACE` of the Secret")
	flags.StringVar(&f.scope, "scope", "", scopeUsage)
	flags.StringArrayVar(&f.labels, "label", nil, "a label as `KEY=VALUE`; it stays readable; repeatable")
	flags.StringArrayVar(&f.annotations, "annotation", nil, "an annotation as `KEY=VALUE`; it stays readable; repeatable")
	flags.BoolVar(&f.immutable, "immutable", false, "make a Secret that cannot be changed once it is in the cluster")
	f.recipientFlags.addTo(flags)
	f.outFlags.addTo(flags)
	f.signFlags.addTo(flags)
	completeScopes(cmd)
	completeValues(cmd, "output", "yaml", "json")
}

// createOptions are the flags of `seal create` and `seal create generic`.
type createOptions struct {
	createFlags
	sourceFlags
	typ string
}

func newCreateCommand(env *Env) *cobra.Command {
	cmd := newGenericCommand(env)
	cmd.Use, cmd.Short = "create [flags] NAME [KEY]…", "Make a sealed Secret without a plaintext file"
	cmd.Long, cmd.Example = createLong, createExample
	cmd.AddCommand(newGenericCommand(env), newCreateTLSCommand(env), newCreateDockerCommand(env), newCreateBasicAuthCommand(env), newCreateSSHCommand(env))
	return cmd
}

func newGenericCommand(env *Env) *cobra.Command {
	var o createOptions
	cmd := &cobra.Command{
		Use:               "generic [flags] NAME [KEY]…",
		Short:             "Make a sealed Secret of any name and type",
		Long:              `The same as "seal create NAME", for any NAME.`,
		Example:           "  seal create generic tls password -n prod -R prod.note",
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			name, keys, err := nameAndKeys(cmd, args)
			if err != nil {
				return err
			}
			plan, err := o.plan(env, keys)
			if err != nil {
				return err
			}
			if err := plan.check(); err != nil {
				return err
			}
			return runCreate(cmd.Context(), env, &o.createFlags, secret.Made{Name: name, Type: o.typ}, plan)
		},
	}
	// The words of kinds are commands of create, others are its arguments.
	cmd.Args = cobra.ArbitraryArgs
	flags := cmd.Flags()
	flags.SortFlags = false
	o.sourceFlags.addTo(flags)
	flags.StringVar(&o.typ, "type", "", "the `TYPE` of the Secret; Opaque if left out")
	o.createFlags.addTo(cmd)
	completeValues(cmd, "type", "Opaque", typeTLS, typeDocker, typeBasicAuth, typeSSHAuth)
	return cmd
}

// nameAndKeys takes the arguments apart.
func nameAndKeys(cmd *cobra.Command, args []string) (name string, keys []string, err error) {
	switch {
	case len(args) == 0:
		return "", nil, usage(helpHint(cmd), "missing NAME")
	case cmd.HasSubCommands() && args[0] == "secret" && len(args) > 1 && isCommand(cmd, args[1]):
		return "", nil, usage("leave out the word secret: seal create "+args[1], "seal makes nothing but Secrets")
	case cmd.HasSubCommands() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(args[0])):
		return "", nil, usage("the file goes with --out FILE; for a Secret that is really called so write seal create generic", "%s looks like a file, and NAME is that of the Secret", shown(args[0]))
	}
	return args[0], args[1:], nil
}

// runCreate makes one GitSecret of m and the values of plan. Everything that can be refused is, before the person is asked for a value.
func runCreate(ctx context.Context, env *Env, f *createFlags, m secret.Made, plan *sourcePlan) error {
	m.Immutable = f.immutable
	var err error
	if m.Labels, err = pairs("--label", f.labels, checkLabel); err != nil {
		return err
	}
	if m.Annotations, err = pairs("--annotation", f.annotations, checkAnnotation); err != nil {
		return err
	}
	if err := f.check(plan.inputs(env)); err != nil {
		return err
	}
	to, err := f.open(ctx, env)
	if err != nil {
		return err
	}
	at, err := f.placeFor(ctx, env, f.out)
	if err != nil {
		return err
	}
	m.Namespace = cmp.Or(f.namespace, at.namespace())
	o := secret.SealOptions{Sealer: env.sealer(), Holders: at.holders, Scope: at.scope(f.scope), AllowEmpty: plan.allowEmpty}
	if err := m.Check(o); err != nil {
		return err
	}
	if _, _, err := to.find(m.Namespace, m.Name); err != nil {
		return err
	}
	signer, err := f.signer(ctx, env, filepath.Dir(f.out))
	if err != nil {
		return err
	}
	var warnings []string
	if m.Values, warnings, err = plan.read(ctx, env); err != nil {
		return err
	}
	sealed, err := sealMade(m, o)
	if err != nil {
		return err
	}
	doc, unsigned, err := signNew(env, at, m.Namespace+"/"+m.Name, sealed.JSON, signer)
	if err != nil {
		return err
	}
	if err := to.write(ctx, env, made{namespace: m.Namespace, name: m.Name, json: doc}); err != nil {
		return err
	}
	warn(env.Stderr, slices.Concat(warnings, sealed.Warnings, unsigned)...)
	return nil
}

func (f *createFlags) check(inputs []string) error {
	if err := f.outFlags.check(); err != nil {
		return err
	}
	if err := checkScope(f.scope); err != nil {
		return err
	}
	if err := checkNamespace(f.namespace); err != nil {
		return err
	}
	return once(slices.Concat(f.files, f.signFlags.inputs(), inputs)...)
}

func sealMade(m secret.Made, o secret.SealOptions) (*secret.Sealed, error) {
	doc, err := m.JSON()
	if err != nil {
		return nil, err
	}
	defer clear(doc)
	return secret.Seal(doc, o)
}
