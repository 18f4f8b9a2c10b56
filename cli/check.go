package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/repo/scan"
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
	output string
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
	flags.StringVarP(&o.output, "output", "o", "text", "write `text|json`")
	completeValues(cmd, "output", "text", "json")
	return cmd
}

// checkInput is a file to check.
type checkInput struct {
	name string // for messages
	path string // absolute, for the settings
	data []byte
	err  error // why it cannot be read
	// walked says that nobody has named the file itself.
	walked bool
}

func runCheck(ctx context.Context, env *Env, o *checkOptions, args []string) error {
	if o.output != "text" && o.output != "json" {
		return usage("use text or json", "unknown output %q", o.output)
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
	c := &checker{book: book}
	inputs := filesToCheck(ctx, env, book.tree, args)
	if o.staged {
		inputs = stagedToCheck(ctx, env, book.tree)
	}
	for in, err := range inputs {
		if err == nil {
			err = ctx.Err()
		}
		if err == nil {
			before := len(c.report.Findings)
			err = c.check(in)
			for i := range c.report.Findings[before:] {
				c.report.Findings[before+i].walked = in.walked
				c.report.Findings[before+i].path = in.path
			}
		}
		if err != nil {
			return err
		}
	}
	if err := c.report.dropIgnored(ctx, env); err != nil {
		return err
	}
	if err := c.report.write(env, o.output); err != nil {
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

func countOf(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// checker collects findings. Settings that cannot be read end the check: nothing could be said about files.
type checker struct {
	book   *rulebook
	report checkReport
}

func (c *checker) check(in checkInput) error {
	c.report.Files++
	if in.err != nil {
		c.report.add(finding{File: in.name, Rule: ruleUnreadable, Message: in.err.Error(), Hint: hint(in.err), label: in.name})
		return nil
	}
	if !mayHoldSecret(scan.Bytes(in.data)) {
		return nil
	}
	all, f := readForCheck(in)
	if f != nil {
		c.report.add(*f)
		return nil
	}
	for _, obj := range all {
		for _, f := range plaintext(obj) {
			c.report.add(f)
		}
		if obj.role != isSealed {
			continue
		}
		if err := c.sealed(in, obj); err != nil {
			return err
		}
	}
	return nil
}

// sealed checks a GitSecret against itself and the settings of its place.
func (c *checker) sealed(in checkInput, obj object) error {
	_, doc, err := readSealed(obj)
	if err != nil {
		f := of(obj, ruleMalformed, "%s", unlabelled(obj, err))
		f.Hint = hint(err)
		c.report.add(f)
		return nil
	}
	rules, stray, err := c.book.rules(in.path)
	if err != nil {
		return err
	}
	if stray {
		f := warning(of(obj, ruleHolders, "no environment of the settings has a path that matches: nobody says who should open it"))
		f.Hint = "add its path to an environment of .seal.yaml, or to ignore"
		c.report.add(f)
	}
	for _, f := range againstScope(obj, doc, rules) {
		c.report.add(f)
	}
	for _, f := range againstSignature(obj, doc, rules) {
		c.report.add(f)
	}
	if rules == nil {
		return nil
	}
	for _, f := range c.againstHolders(obj, doc.Spec(), rules) {
		c.report.add(f)
	}
	return nil
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
