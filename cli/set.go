package cli

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

const setLong = `Add a value to the GitSecret in FILE, or replace one. No private key is needed. Only the lines of
that value and of its envelope change; everything else keeps its bytes. FILE is written in place;
--out - prints the result instead.

A value is read from standard input, from a file, or at a terminal from a prompt without echo. It
is never taken from the command line, where other users and the shell's history would see it. It
is sealed byte for byte: a final newline is part of it, so write printf %s rather than echo.

The recipients are those that .seal.yaml, or flags, say for the file. Their holders must be those that
it is sealed for now: otherwise somebody would silently lose, or gain, the new value.`

const setExample = `  printf %s "$PASSWORD" | seal set db.yaml password
  seal set db.yaml password                        (asks for the value, twice)
  seal set tls.yaml --from-file tls.crt=cert.pem --from-file tls.key=key.pem
  seal set db.yaml ca.crt --from-file ca.pem --out -`

// setOptions are the flags of `seal set`.
type setOptions struct {
	recipientFlags
	valueFlags
	editFlags
	signFlags
	allowHolderChange bool
}

func newSetCommand(env *Env) *cobra.Command {
	var o setOptions
	cmd := &cobra.Command{
		Use:               "set [flags] FILE [KEY]…",
		Short:             "Add or replace values in a sealed file, without a private key",
		Long:              setLong,
		Example:           setExample,
		ValidArgsFunction: completeFiles,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(helpHint(cmd), "missing FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSet(cmd.Context(), env, &o, args[0], args[1:])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.valueFlags.addTo(flags)
	o.recipientFlags.addTo(flags)
	o.signFlags.addTo(flags)
	o.editFlags.addTo(flags)
	flags.BoolVar(&o.allowHolderChange, "allow-holder-change", false, "seal for other holders than the rest of the file")
	return cmd
}

func runSet(ctx context.Context, env *Env, o *setOptions, name string, args []string) error {
	if name == stdinArg {
		return usage("give a file; the value comes from standard input", "seal set does not read the manifest from standard input")
	}
	plan, err := o.plan(env, args)
	if err != nil {
		return err
	}
	if err := once(slices.Concat(o.recipientFlags.files, o.signFlags.inputs(), plan.inputs(env))...); err != nil {
		return err
	}
	data, err := env.read(ctx, name, "a manifest", maxManifest)
	if err != nil {
		return err
	}
	file, err := manifest.Parse(name, data)
	if err != nil {
		return err
	}
	obj, err := o.choose(name, objects(name, file, math.MaxInt))
	if err != nil {
		return err
	}
	at, err := o.placeFor(ctx, env, name)
	if err != nil {
		return err
	}
	doc, err := parseSealed(obj)
	if err != nil {
		return err
	}
	if err := secret.CheckPlace(doc, o.namespace); err != nil {
		return obj.error(err)
	}
	if err := o.checkHolders(obj, doc.Spec(), at.holders); err != nil {
		return err
	}
	warn(env.Stderr, unbacked(obj, doc.Spec(), plan)...)
	signer, err := o.signerOf(ctx, env, name, obj, doc)
	if err != nil {
		return err
	}
	// The person is asked last, when nothing but the value is missing.
	values, warnings, err := plan.read(ctx, env)
	if err != nil {
		return err
	}
	more, err := setItems(env, obj, doc.Spec(), values, at.holders, signer)
	if err != nil {
		return err
	}
	if signer == nil && doc.Spec().Signature == nil {
		more = append(more, at.unsigned(obj.label())...)
	}
	if err := o.writeSet(ctx, env, name, data, file.Bytes()); err != nil {
		return err
	}
	warn(env.Stderr, slices.Concat(warnings, more)...)
	return nil
}

func parseSealed(obj object) (*seal.Document, error) {
	b, err := obj.JSON()
	if err != nil {
		return nil, err
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return nil, obj.error(err)
	}
	return doc, nil
}

// checkHolders holds the given holders against those that can open the file now.
func (o *setOptions) checkHolders(obj object, spec *seal.Spec, holders []seal.Holder) error {
	given := sealedFor(holders)
	was, _ := wrapHolders(spec)
	if len(was) == 0 || o.allowHolderChange || slices.Equal(was, given) {
		return nil
	}
	return obj.error(failed("give recipients of every holder (-r HOLDER=RECIPIENT, -R NOTE, or .seal.yaml), or pass --allow-holder-change",
		"is sealed for %s, but the recipients given are of %s", strings.Join(was, ", "), strings.Join(given, ", ")))
}

// unbacked warns of a scope that nothing but the text of the file vouches for: no value that stays was sealed for it, so a change of it breaks nothing.
func unbacked(obj object, spec *seal.Spec, plan *valuePlan) []string {
	if spec.For.Scope == seal.ScopeStrict {
		return nil
	}
	for name := range spec.Items {
		if _, replaced := plan.files[name]; !replaced && !slices.Contains(plan.rest, name) {
			return nil
		}
	}
	return []string{fmt.Sprintf("%s: sealing for scope %s, as spec.for says; no other value in it was sealed for that", obj.label(), spec.For)}
}
