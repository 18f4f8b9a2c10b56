package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const openLong = `Open the GitSecrets in FILE and print it with the Secrets in their place, as the controller
would write them. All other documents stay as they are. Printable values stand under stringData,
others under data.

With --key, print the bytes of that value and nothing else, not even a final newline.

A signature is checked where there is one, but not who made it.`

const openExample = `  seal open -i key.txt sealed.yaml
  seal open -i key.txt --key password sealed.yaml
  seal open -i key.txt -n preview-7 -o json - < sealed.yaml`

// openOptions are the flags of `seal open`.
type openOptions struct {
	identityFlags
	namespace string
	name      string
	key       string
	output    syntaxFlag
}

func newOpenCommand(env *Env) *cobra.Command {
	var o openOptions
	cmd := &cobra.Command{
		Use:               "open [flags] FILE|-",
		Short:             "Open sealed Secrets with a private key, and print them",
		Long:              openLong,
		Example:           openExample,
		Args:              exactArgs("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runOpen(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addTo(flags)
	flags.StringVar(&o.key, "key", "", "print the value of this `KEY` only")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of GitSecrets that name none")
	flags.StringVar(&o.name, "name", "", "open only the GitSecret of this `NAME`")
	o.output.addTo(flags)
	completeValues(cmd, "output", "yaml", "json")
	return cmd
}

func runOpen(ctx context.Context, env *Env, o *openOptions, name string) error {
	if _, given, err := o.output.syntax(); err != nil {
		return err
	} else if given && o.key != "" {
		return usage("", "--key prints bytes: it does not go with -o")
	}
	if err := once(append([]string{name}, o.identityFlags.files...)...); err != nil {
		return err
	}
	ids, err := o.identities(ctx, env)
	if err != nil {
		return err
	}
	data, err := env.read(ctx, name, "a manifest", maxManifest)
	if err != nil {
		return err
	}
	file, all, err := parse(shownName(name), data)
	if err != nil {
		return err
	}
	wanted := selectSealed(all, o.name, o.namespace)
	if len(wanted) == 0 {
		return noneSealed(shownName(name), o.name, all)
	}
	if o.key != "" {
		return openKey(env, o, ids, wanted)
	}
	if err := openInPlace(ctx, env, o, ids, wanted); err != nil {
		return err
	}
	warnings, err := flush(all)
	if err != nil {
		return err
	}
	warn(env.Stderr, warnings...)
	out, _, err := o.output.render(file)
	if err != nil {
		return err
	}
	return env.writeOut(stdinArg, out, 0)
}

// noneSealed is the error for a file without a GitSecret, or without one of that name.
func noneSealed(name, wanted string, all []object) error {
	what, hint := "GitSecret", ""
	switch {
	case wanted != "":
		what += " " + wanted
		if names := sealedNames(all); len(names) > 0 {
			hint = "it holds " + some(names)
		}
	case slices.ContainsFunc(all, func(o object) bool { return o.role == isSecret }):
		hint = "the Secret in it is not sealed"
	}
	return noneFound(name, what, all, hint)
}

// selectSealed picks the GitSecrets, of that name if there is one; where several have it, the namespace decides.
func selectSealed(all []object, name, namespace string) []object {
	var out, here []object
	for _, o := range all {
		if o.role != isSealed || name != "" && o.node.name != name {
			continue
		}
		out = append(out, o)
		if o.namespace == namespace {
			here = append(here, o)
		}
	}
	if name != "" && namespace != "" && len(here) > 0 {
		return here
	}
	return out
}

func sealedNames(all []object) []string {
	var names []string
	for _, o := range all {
		if o.role == isSealed {
			names = append(names, o.place())
		}
	}
	return names
}

// openInPlace replaces the GitSecrets in their file by Secrets. It opens all of them before it reports, so that the user sees every refusal at once.
func openInPlace(ctx context.Context, env *Env, o *openOptions, ids []seal.Identity, wanted []object) error {
	var errs []error
	for _, obj := range wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		label := obj.label()
		opened, err := openObject(o, ids, obj)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if opened.Rendered {
			warn(env.Stderr, label+": the keys of spec.template.data are rendered in the cluster, and not shown")
		}
		errs = append(errs, obj.Replace(opened.JSON))
	}
	return errors.Join(errs...)
}

func openObject(o *openOptions, ids []seal.Identity, obj object) (*secret.Opened, error) {
	doc, err := obj.JSON()
	if err != nil {
		return nil, err
	}
	opened, err := secret.Open(doc, o.namespace, seal.NewIdentities(ids...))
	if err != nil {
		return nil, obj.error(withIdentities(err, ids))
	}
	return opened, nil
}

// withIdentities adds to a refusal for want of a key which keys there were.
func withIdentities(err error, ids []seal.Identity) error {
	var e *seal.Error
	if !errors.As(err, &e) || !errors.Is(err, seal.ErrNoKey) || e.Hint != "" {
		return err
	}
	more := *e
	more.Hint = "the identities given are " + displayIDs(ids)
	return &more
}

func openKey(env *Env, o *openOptions, ids []seal.Identity, wanted []object) error {
	if len(wanted) > 1 {
		return usage("it holds "+some(sealedNames(wanted)), "--key needs --name: there are several GitSecrets")
	}
	opened, err := openObject(o, ids, wanted[0])
	if err != nil {
		return err
	}
	value, ok := opened.Values[o.key]
	if !ok {
		return failed(fmt.Sprintf("it has %s", some(opened.Values.Names())), "%s has no key %q", wanted[0].label(), o.key)
	}
	return env.writeOut(stdinArg, value.Bytes(), 0)
}
