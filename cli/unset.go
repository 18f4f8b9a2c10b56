package cli

import (
	"context"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

const unsetLong = `Remove values from the GitSecret in FILE. Neither a private key nor recipients are needed. Only the
lines of those values go, and the envelopes that no other value is sealed in; everything else keeps
its bytes. FILE is written in place; --out - prints the result instead.

Values that were in Git stay in its history: renew them where they still open something.`

const unsetExample = `  seal unset db.yaml old-password
  seal unset db.yaml a b --name db -n prod --out -`

// unsetOptions are the flags of `seal unset`.
type unsetOptions struct {
	editFlags
	signFlags
	allowEmpty bool
}

func newUnsetCommand(env *Env) *cobra.Command {
	var o unsetOptions
	cmd := &cobra.Command{
		Use:     "unset [flags] FILE KEY…",
		Short:   "Remove values from a sealed file, without a private key",
		Long:    unsetLong,
		Example: unsetExample,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usage(helpHint(cmd), "missing %s", []string{"FILE", "KEY"}[len(args)])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runUnset(cmd.Context(), env, &o, args[0], args[1:])
		},
	}
	cmd.ValidArgsFunction = func(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) == 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return o.keysOf(cmd.Context(), env, args[0], args[1:]), cobra.ShellCompDirectiveNoFileComp
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.signFlags.addTo(flags)
	o.editFlags.addTo(flags)
	flags.BoolVar(&o.allowEmpty, "allow-empty", false, "remove the last value, too")
	return cmd
}

func runUnset(ctx context.Context, env *Env, o *unsetOptions, name string, keys []string) error {
	if err := once(append(o.inputs(), name)...); err != nil {
		return err
	}
	data, err := env.read(ctx, name, "a manifest", maxManifest)
	if err != nil {
		return err
	}
	file, err := manifest.Parse(shownName(name), data)
	if err != nil {
		return err
	}
	obj, err := o.choose(shownName(name), objects(shownName(name), file, math.MaxInt))
	if err != nil {
		return err
	}
	doc, err := parseSealed(obj)
	if err != nil {
		return err
	}
	signer, err := o.signerOf(ctx, env, name, obj, doc)
	if err != nil {
		return err
	}
	slices.Sort(keys)
	warnings, err := o.remove(env, obj, doc.Spec(), slices.Compact(keys), signer)
	if err != nil {
		return err
	}
	if name == stdinArg && o.out == "" {
		o.out = stdinArg
	}
	if err := o.writeSet(ctx, env, name, data, file.Bytes()); err != nil {
		return err
	}
	warn(env.Stderr, warnings...)
	return nil
}

// remove takes the items out of the object's text.
func (o *unsetOptions) remove(env *Env, obj object, spec *seal.Spec, keys []string, signer ssh.Signer) ([]string, error) {
	have := slices.Sorted(maps.Keys(spec.Items))
	for _, key := range keys {
		if _, ok := spec.Items[key]; !ok {
			hint := "it has " + some(have)
			if len(have) == 0 {
				hint = "it has none"
			}
			return nil, failed(hint, "%s has no key %s", obj.label(), shown(key))
		}
	}
	if len(keys) == len(have) && !o.allowEmpty {
		return nil, failed("remove the file, or the document in it; to keep a Secret without data, pass --allow-empty", "%s: nothing would be left in it", obj.label())
	}
	next := *spec
	if err := seal.Remove(&next, keys...); err != nil {
		return nil, obj.error(err)
	}
	warnings, err := changeItems(env, obj, spec, &next, keys, signer)
	if err != nil {
		return nil, err
	}
	for _, w := range missedIn(&next, keys) {
		warnings = append(warnings, obj.label()+": "+w)
	}
	return warnings, nil
}

// missedIn warns of what may need the keys that are gone.
func missedIn(spec *seal.Spec, gone []string) []string {
	var warnings []string
	if missing := secret.MissingKeys(spec.Type, slices.Sorted(maps.Keys(spec.Items))); missing != "" {
		warnings = append(warnings, missing)
	}
	if spec.Template == nil {
		return warnings
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Template.Data)) {
		for _, key := range gone {
			if strings.Contains(spec.Template.Data[name], key) {
				warnings = append(warnings, "spec.template.data."+name+" may need "+key)
			}
		}
	}
	return warnings
}

// keysOf completes the keys of a sealed file, those that are given already left out.
func (o *unsetOptions) keysOf(ctx context.Context, env *Env, name string, given []string) []string {
	if name == stdinArg {
		return nil
	}
	data, err := readFile(ctx, env.path(name), name, maxManifest)
	if err != nil {
		return nil
	}
	file, err := manifest.Parse(name, data)
	if err != nil {
		return nil
	}
	obj, err := o.choose(name, objects(name, file, math.MaxInt))
	if err != nil {
		return nil
	}
	doc, err := parseSealed(obj)
	if err != nil {
		return nil
	}
	names := slices.Sorted(maps.Keys(doc.Spec().Items))
	return slices.DeleteFunc(names, func(key string) bool { return slices.Contains(given, key) })
}
