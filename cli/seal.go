package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// sealOptions are the flags of `seal FILE`.
type sealOptions struct {
	recipientFlags
	write      bool
	out        string
	namespace  string
	scope      string
	output     syntaxFlag
	allowEmpty bool
}

// newSealCommand is the root command: it seals files.
func newSealCommand(env *Env) *cobra.Command {
	var o sealOptions
	cmd := &cobra.Command{
		Use:               "seal [flags] FILE…|-",
		Short:             "Seal Kubernetes Secrets for Git",
		Long:              rootLong,
		Example:           rootExample,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 && env.stdinIsTerminal() {
				_, _ = fmt.Fprint(env.Stderr, cmd.UsageString())
				return usage("see seal --help", "no file given")
			}
			if err := checkWords(env, cmd, args); err != nil {
				return err
			}
			return runSeal(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVarP(&o.write, "write", "w", false, "replace the files in place, all or none")
	flags.StringVar(&o.out, "out", "", "write to `FILE` instead of standard output")
	o.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of Secrets that name none")
	flags.StringVar(&o.scope, "scope", seal.ScopeStrict, "the `SCOPE` in which it may be opened: strict (this namespace and name), namespace, cluster, or match:GLOB (this name in namespaces that match)")
	o.output.addTo(flags)
	flags.BoolVar(&o.allowEmpty, "allow-empty", false, "seal Secrets without data, too")
	completeValues(cmd, "scope", seal.ScopeStrict, seal.ScopeNamespace, seal.ScopeCluster, seal.ScopeMatch)
	completeValues(cmd, "output", "yaml", "json")
	return cmd
}

func (o *sealOptions) check(args []string) error {
	if _, given, err := o.output.syntax(); err != nil {
		return err
	} else if given && o.write {
		return usage("", "-w keeps each file's syntax: it does not go with -o")
	}
	switch o.scope {
	case seal.ScopeStrict, seal.ScopeNamespace, seal.ScopeCluster:
	default:
		if err := (seal.For{Scope: o.scope, Name: "name"}).Check(); err != nil {
			return usage("use strict, namespace, cluster or match:GLOB, where GLOB is of a-z, 0-9, - and *", "unknown scope %q", o.scope)
		}
	}
	if o.namespace != "" && !secret.ValidNamespace(o.namespace) {
		return usage("", "%q cannot be the name of a namespace", o.namespace)
	}
	if err := once(slices.Concat(o.files, args)...); err != nil {
		return err
	}
	if !o.write {
		return nil
	}
	if o.out != "" {
		return usage("", "-w and --out exclude each other")
	}
	if slices.Contains(args, stdinArg) {
		return usage("", "-w cannot write to standard input")
	}
	return nil
}

// sealed is the outcome for one file.
type sealed struct {
	name     string
	in, out  []byte
	syntax   manifest.Syntax
	warnings []string
}

func runSeal(ctx context.Context, env *Env, o *sealOptions, args []string) error {
	if len(args) == 0 {
		args = []string{stdinArg}
	}
	if err := o.check(args); err != nil {
		return err
	}
	holders, err := o.holders(ctx, env)
	if err != nil {
		return err
	}
	results, err := sealAll(ctx, env, o, holders, args)
	if err != nil {
		return err
	}
	if err := writeSealed(ctx, env, o, results); err != nil {
		return err
	}
	for _, r := range results {
		warn(env.Stderr, r.warnings...)
	}
	return nil
}

// sealAll prepares all files in memory. It goes on after an error, so that the user sees all of them at once, unless the command line is at fault.
func sealAll(ctx context.Context, env *Env, o *sealOptions, holders []seal.Holder, args []string) ([]sealed, error) {
	var results []sealed
	var errs []error
	seen := map[string]bool{}
	for _, name := range args {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if seen[name] {
			continue
		}
		seen[name] = true
		data, err := env.read(ctx, name, "a manifest", maxManifest)
		if err == nil {
			var r *sealed
			if r, err = sealFile(env, o, holders, shownName(name), data); err == nil {
				r.name = name
				results = append(results, *r)
			}
		}
		var f *failure
		if errors.As(err, &f) && f.code == exitUsage {
			return nil, err
		}
		errs = append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		if len(args) > 1 {
			err = errors.Join(err, failed("", "nothing was written"))
		}
		return nil, err
	}
	return results, nil
}

func shownName(name string) string {
	if name == stdinArg {
		return stdinName
	}
	return name
}

// sealFile seals every Secret of one input.
func sealFile(env *Env, o *sealOptions, holders []seal.Holder, name string, data []byte) (*sealed, error) {
	file, all, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	s := &fileSealer{env: env, o: o, holders: holders}
	var errs []error
	found := false
	for _, obj := range all {
		errs = append(errs, s.seal(obj))
		found = found || obj.role != other
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	if !found {
		return nil, noneFound(name, "Secret", all, "leave the file out")
	}
	r := &sealed{name: name, in: data}
	if r.out, r.syntax, err = o.output.render(file); err != nil {
		return nil, err
	}
	r.warnings = append(s.warnings, s.tellingComments(name, r.out)...)
	return r, secretsLeft(name, r.out)
}

// fileSealer seals the objects of one file.
type fileSealer struct {
	env      *Env
	o        *sealOptions
	holders  []seal.Holder
	warnings []string
	values   []seal.Values // of all Secrets
}

func (s *fileSealer) warn(obj object, warnings ...string) {
	for _, w := range warnings {
		s.warnings = append(s.warnings, obj.label()+": "+w)
	}
}

// seal seals obj in its file if it is a Secret, and refuses what is nearly one.
func (s *fileSealer) seal(obj object) error {
	switch obj.role {
	case isSecret:
		return s.sealSecret(obj)
	case isSealed:
		return checkSealed(obj)
	case misspelled:
		return obj.error(failed("a Secret has apiVersion v1, a GitSecret apiVersion "+seal.APIVersion,
			"kind %s of apiVersion %q is not known, and would stay readable", obj.Kind(), obj.APIVersion()))
	case closedList:
		return obj.error(failed("write the Secrets as documents of their own, or as items of kind List, apiVersion v1",
			"holds Secrets that cannot be sealed in their place"))
	}
	if holdsSecret(obj.Doc) {
		s.warn(obj, "holds a Secret inside, which stays readable")
	}
	return nil
}

func (s *fileSealer) sealSecret(obj object) error {
	if len(s.holders) == 0 {
		return noRecipients()
	}
	label := obj.label()
	doc, err := obj.JSON()
	if err != nil {
		return err
	}
	r, err := secret.Seal(doc, secret.SealOptions{
		Sealer: s.env.sealer(), Holders: s.holders, Scope: s.o.scope, Namespace: s.o.namespace, AllowEmpty: s.o.allowEmpty,
	})
	if err != nil {
		return obj.error(err)
	}
	for _, w := range r.Warnings {
		s.warnings = append(s.warnings, label+": "+w)
	}
	s.values = append(s.values, r.Values)
	return obj.Replace(r.JSON)
}

// minTelling is the length from which a value is looked for in comments; shorter ones stand there by chance.
const minTelling = 8

// tellingComments warns about comments that repeat a value: those before and after a Secret stay as they are.
func (s *fileSealer) tellingComments(name string, out []byte) []string {
	var warnings []string
	n := 0
	for line := range bytes.Lines(out) {
		n++
		_, comment, ok := bytes.Cut(line, []byte("#"))
		if !ok {
			continue
		}
		for _, values := range s.values {
			for _, key := range values.Names() {
				v := bytes.TrimSpace(values[key].Bytes())
				if len(v) >= minTelling && (bytes.Contains(comment, v) || bytes.Contains(comment, base64Of(values[key]))) {
					warnings = append(warnings, fmt.Sprintf("%s:%d: a comment repeats the value of %s, and stays readable", name, n, key))
				}
			}
		}
	}
	return warnings
}

func base64Of(v seal.Value) []byte {
	return base64.StdEncoding.AppendEncode(nil, v.Bytes())
}

// checkSealed refuses a GitSecret that is broken, or that carries plaintext beside what is sealed; a good one stays as it is.
func checkSealed(obj object) error {
	doc, err := obj.JSON()
	if err != nil {
		return err
	}
	if hasData(obj.Doc) {
		return obj.error(failed("seal it as a Secret (apiVersion v1)", "a GitSecret has neither data nor stringData: they would stay readable"))
	}
	if _, err := seal.ParseDocument(doc); err != nil {
		return obj.error(err)
	}
	return nil
}

// writeSealed writes the results where the options say.
func writeSealed(ctx context.Context, env *Env, o *sealOptions, results []sealed) error {
	if !o.write {
		var s stream
		for _, r := range results {
			if err := s.add(r.out, r.syntax); err != nil {
				return err
			}
		}
		return env.writeOut(o.out, s.buf.Bytes(), sealedMode)
	}
	var batch replace.Batch
	defer batch.Discard()
	for _, r := range results {
		if err := ctx.Err(); err != nil {
			return err
		}
		if bytes.Equal(r.in, r.out) {
			continue
		}
		if err := batch.Update(env.path(r.name), r.in, r.out); err != nil {
			return err
		}
	}
	return batch.Commit()
}
