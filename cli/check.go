package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const checkLong = `Look for what must not be in Git, or does not fit the settings. No key and no cluster is needed,
and nothing is changed.

  plaintext    a Secret that is not sealed, or something that is nearly one
  malformed    a GitSecret that is broken, or carries plaintext beside what is sealed
  scope        values that would not open where the object stands
  holders      other holders than the environment of .seal.yaml has
  signature    missing where the environment is signed, not valid, or of no allowed signer
  conflict     marks that a merge has left
  stale        (a warning) recipients that a holder has no more: seal rewrap

FILEs are checked as they are, folders with all *.yaml, *.yml and *.json below them, but for what
.seal.yaml or Git ignores; the current folder if none is given. What SOPS or Sealed Secrets have
encrypted is no finding. --staged checks what is about to be committed, as Git would commit it; settings and
notes are those of the working tree.`

const checkExample = `  seal check
  seal check clusters/prod -o json
  seal check --staged           (what seal install makes the pre-commit hook do)`

// checkOptions are the flags of `seal check`.
type checkOptions struct {
	staged bool
	output reportFlag
}

func newCheckCommand(env *Env) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:               "check [flags] [FILE|FOLDER]…",
		Short:             "Look for plaintext and for what does not fit the settings",
		Long:              checkLong,
		Example:           checkExample,
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runCheck(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.staged, "staged", false, "check what is staged in Git, instead of files")
	o.output.addTo(cmd)
	return cmd
}

// checkInput is a file to check.
type checkInput struct {
	name string // for messages
	path string // absolute, for the settings
	data []byte
	err  error // why it cannot be read
}

func runCheck(ctx context.Context, env *Env, o *checkOptions, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if o.staged && len(args) > 0 {
		return usage("leave them out: --staged checks all that is staged", "--staged takes no files")
	}
	if err := once(args...); err != nil {
		return err
	}
	book, err := env.rulebook()
	if err != nil {
		return err
	}
	c := &checker{book: book, now: env.Now(), report: checkReport{Findings: []finding{}}}
	if o.staged {
		err = c.staged(ctx, env)
	} else {
		err = c.files(ctx, env, args)
	}
	if err != nil {
		return err
	}
	if err := o.output.writeLine(env, &c.report, c.report.text); err != nil {
		return err
	}
	errs, warnings := c.report.count()
	if errs+warnings > 0 || !o.staged {
		message(env.Stderr, "seal: ", summary(errs, warnings, c.report.Files))
	}
	if errs > 0 {
		return findings()
	}
	return nil
}

// summary is the last line for people.
func summary(errs, warnings, files int) string {
	var parts []string
	if errs > 0 {
		parts = append(parts, countOf(errs, "finding"))
	}
	if warnings > 0 {
		parts = append(parts, countOf(warnings, "warning"))
	}
	if len(parts) == 0 {
		parts = []string{"nothing found"}
	}
	return strings.Join(parts, " and ") + " in " + countOf(files, "file")
}

// checker looks for findings. Settings that cannot be read end the check: nothing could be said about files.
type checker struct {
	book   *rulebook
	now    time.Time
	report checkReport
}

// check gives what is wrong with a file. It may be called from several goroutines.
func (c *checker) check(in checkInput) ([]finding, error) {
	if in.err != nil {
		return []finding{{File: in.name, Rule: ruleUnreadable, Severity: severityError, Message: in.err.Error(), Hint: hint(in.err), label: in.name}}, nil
	}
	if !needsCheck(in.data) {
		return nil, nil
	}
	all, f := readForCheck(in)
	if f != nil {
		return []finding{*f}, nil
	}
	var found []finding
	for _, obj := range all {
		found = append(found, plaintext(obj)...)
		if obj.role != isSealed {
			continue
		}
		more, err := c.sealed(in, obj)
		if err != nil {
			return nil, err
		}
		found = append(found, more...)
	}
	return found, nil
}

// sealed checks a GitSecret against itself and the settings of its place.
func (c *checker) sealed(in checkInput, obj object) ([]finding, error) {
	_, doc, err := readSealed(obj)
	if err != nil {
		f := of(obj, ruleMalformed, "%s", unlabelled(obj, err))
		f.Hint = hint(err)
		return []finding{f}, nil
	}
	rules, stray, err := c.book.rules(in.path)
	if err != nil {
		return nil, err
	}
	var found []finding
	if stray {
		f := warning(of(obj, ruleHolders, "no environment of the settings has a path that matches: nobody says who should open it"))
		f.Hint = "add its path to an environment of .seal.yaml, or to ignore"
		found = append(found, f)
	}
	found = append(found, againstScope(obj, doc, rules)...)
	found = append(found, c.againstSignature(obj, doc, rules)...)
	if rules != nil {
		found = append(found, c.againstHolders(obj, doc.Spec(), rules)...)
	}
	return found, nil
}

// unlabelled is err without the label that findings have already.
func unlabelled(obj object, err error) string {
	var f *failure
	text := err.Error()
	if errors.As(err, &f) {
		text = f.msg
	}
	label := obj.label() + ": "
	if len(text) > len(label) && text[:len(label)] == label {
		text = text[len(label):]
	}
	return text
}
