package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

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
	check      bool // list what is not sealed
	dryRun     bool
}

// newSealCommand is the root command: it seals files.
func newSealCommand(env *Env) *cobra.Command {
	var o sealOptions
	cmd := &cobra.Command{
		Use:               "seal [flags] FILE…|DIR…|-",
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
	flags.BoolVarP(&o.write, "write", "w", false, "replace the files in place, all or none; needed for folders")
	flags.BoolVar(&o.check, "check", false, "write nothing; list the Secrets that are not sealed, and exit with 5 if there are any")
	flags.BoolVar(&o.dryRun, "dry-run", false, "write nothing; list the Secrets that -w would seal")
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

func (o *sealOptions) validate(args []string) error {
	if err := o.checkModes(args); err != nil {
		return err
	}
	if err := checkScope(o.scope); err != nil {
		return err
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	return once(slices.Concat(o.files, o.signFlags.inputs(), args)...)
}

// checkModes refuses flags that do not go together.
func (o *sealOptions) checkModes(args []string) error {
	syntax, given, err := o.output.syntax()
	modes := 0
	for _, set := range []bool{o.write, o.out != "", o.check, o.dryRun} {
		if set {
			modes++
		}
	}
	switch {
	case err != nil:
		return err
	case o.write && o.out != "":
		return usage("", "-w and --out exclude each other")
	case modes > 1:
		return usage("give one of them", "-w, --out, --check and --dry-run exclude each other")
	case given && o.write:
		return usage("", "-w keeps each file's syntax: it does not go with -o")
	case given && syntax == manifest.YAML && o.lists():
		return usage("use -o json, or leave it out for text", "--check and --dry-run write no YAML")
	case o.write && slices.Contains(args, stdinArg):
		return usage("", "-w cannot write to standard input")
	}
	return nil
}

// lists says whether the run only tells what is not sealed.
func (o *sealOptions) lists() bool { return o.check || o.dryRun }

// sealed is the outcome for one file.
type sealed struct {
	name     string
	in, out  []byte
	syntax   manifest.Syntax
	warnings []string
	secrets  []object // what was sealed, or has to be
}

func runSeal(ctx context.Context, env *Env, o *sealOptions, args []string) error {
	if len(args) == 0 && (o.write || o.lists()) {
		// An empty standard input, as jobs have one, would pass for a clean folder.
		return usage("name files or folders; . is this one", "what to look at is not said")
	}
	if len(args) == 0 {
		args = []string{stdinArg}
	}
	if err := o.validate(args); err != nil {
		return err
	}
	if o.write || o.lists() {
		return sealFiles(ctx, env, o, args)
	}
	if i := slices.IndexFunc(args, env.isFolder); i >= 0 {
		return usage("add -w to seal the files in it in place, or --check to list what is not sealed", "%s is a folder", args[i])
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
	if err := printSealed(env, o, results); err != nil {
		return err
	}
	for _, r := range results {
		warn(env.Stderr, r.warnings...)
	}
	return nil
}

// sealAll prepares all files in memory. It goes on after an error, so that the user sees all of them at once, unless the command line is at fault.
func sealAll(ctx context.Context, env *Env, o *sealOptions, source *recipientSource, signer ssh.Signer, args []string) ([]sealed, error) {
	var results []sealed
	var errs []error
	for _, name := range unique(args) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		data, err := env.read(ctx, name, "a manifest", maxManifest)
		if err == nil {
			var r *sealed
			if r, err = sealFile(env, o, source, signer, input{name: name}, data); err == nil {
				results = append(results, *r)
			}
		}
		if isUsage(err) {
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

// printSealed joins the results to one output.
func printSealed(env *Env, o *sealOptions, results []sealed) error {
	var s stream
	for _, r := range results {
		if err := s.add(r.out, r.syntax); err != nil {
			return err
		}
	}
	return env.writeOut(o.out, s.buf.Bytes(), sealedMode)
}
