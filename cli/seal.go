package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/manifest"
)

// sealOptions are the flags of `seal FILE`.
type sealOptions struct {
	recipientFlags
	signFlags
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
	o.recipientFlags.addTo(flags)
	o.signFlags.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of Secrets that name none")
	flags.StringVar(&o.scope, "scope", "", scopeUsage)
	o.output.addTo(flags)
	flags.BoolVar(&o.allowEmpty, "allow-empty", false, "seal Secrets without data, too")
	completeScopes(cmd)
	completeValues(cmd, "output", "yaml", "json")
	return cmd
}

func (o *sealOptions) check(args []string) error {
	if _, given, err := o.output.syntax(); err != nil {
		return err
	} else if given && o.write {
		return usage("", "-w keeps each file's syntax: it does not go with -o")
	}
	if err := checkScope(o.scope); err != nil {
		return err
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	if err := once(slices.Concat(o.files, o.signFlags.inputs(), args)...); err != nil {
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
	source, err := o.source(ctx, env)
	if err != nil {
		return err
	}
	signer, err := o.signer(ctx, env, filepath.Dir(args[0]))
	if err != nil {
		return err
	}
	results, err := sealAll(ctx, env, o, source, signer, args)
	if err != nil {
		return err
	}
	linked := hardLinked(env, o, results)
	if err := writeSealed(ctx, env, o, results); err != nil {
		return err
	}
	for _, r := range results {
		warn(env.Stderr, r.warnings...)
	}
	warn(env.Stderr, linked...)
	return nil
}

// hardLinked warns of files that are about to be replaced under one of their names only.
func hardLinked(env *Env, o *sealOptions, results []sealed) []string {
	var warnings []string
	for _, r := range results {
		if o.write && !bytes.Equal(r.in, r.out) && replace.Linked(env.path(r.name)) {
			warnings = append(warnings, r.name+": the file had another name (a hard link), which keeps the plaintext")
		}
	}
	return warnings
}

// sealAll prepares all files in memory. It goes on after an error, so that the user sees all of them at once, unless the command line is at fault.
func sealAll(ctx context.Context, env *Env, o *sealOptions, source *recipientSource, signer ssh.Signer, args []string) ([]sealed, error) {
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
			if r, err = sealFile(env, o, source, signer, name, data); err == nil {
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
			return withWayOut(err)
		}
	}
	return withWayOut(batch.Commit())
}
