package cli

import (
	"bytes"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo"
)

const explainLong = `Say what can be known about the GitSecrets in FILE without opening them: where they open and whether
that is where they stand, who can open them and when they were sealed, which values they hold and how
long those are at most, who signed them, and what is wrong with them.

No key is needed. With -i, say whether the identities given would fit; nothing is decrypted. Holders
and signers are held against the .seal.yaml of the file's place.

EXIT STATUS
  0  it can be read, and would open where it stands, as far as can be seen
  1  it breaks the format
  4  the signature is not valid, or it is sealed for another place`

const explainExample = `  seal explain db.yaml
  seal explain -i key.txt -n preview-7 db.yaml
  seal explain -o json - < db.yaml`

// explainOptions are the flags of `seal explain`.
type explainOptions struct {
	identityFlags
	namespace string
	name      string
	output    reportFlag
}

func newExplainCommand(env *Env) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:               "explain [flags] FILE|-",
		Short:             "Say what can be known about a sealed file without opening it",
		Long:              explainLong,
		Example:           explainExample,
		Args:              exactArgs("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runExplain(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&o.identityFlags.files, "identity", "i", nil, "say whether the private keys in `FILE` would fit; repeatable")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of GitSecrets that name none")
	flags.StringVar(&o.name, "name", "", "explain only the GitSecret of this `NAME`")
	o.output.addTo(cmd)
	return cmd
}

func runExplain(ctx context.Context, env *Env, o *explainOptions, name string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := once(append([]string{name}, o.files...)...); err != nil {
		return err
	}
	e, err := o.explainer(ctx, env)
	if err != nil {
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
	all := objects(shownName(name), file, 0)
	wanted := selectSealed(all, o.name, o.namespace)
	if len(wanted) == 0 {
		return noneSealed(shownName(name), o.name, all)
	}
	path, err := settingsPath(env, name)
	if err != nil {
		return err
	}
	e.place(path)
	var list []*explanation
	code := exitOK
	for _, obj := range wanted {
		if err := ctx.Err(); err != nil {
			return err
		}
		x := e.explain(obj)
		list = append(list, x)
		code = max(code, x.code)
	}
	err = o.output.writeLine(env, map[string]any{"objects": list}, func(out *bytes.Buffer) {
		t := explainText{out}
		for i, x := range list {
			if i > 0 {
				t.line("")
			}
			t.object(x)
		}
	})
	if err != nil {
		return err
	}
	if code != exitOK {
		// The report has said it.
		return &failure{code: code}
	}
	return nil
}

func (o *explainOptions) explainer(ctx context.Context, env *Env) (e *explainer, err error) {
	e = &explainer{env: env, namespace: o.namespace}
	// Identities in the environment are meant for opening; they are not asked for here.
	if len(o.files) > 0 {
		if e.ids, err = o.identities(ctx, env); err != nil {
			return nil, err
		}
	}
	e.book, err = env.rulebook()
	return e, err
}

// explainer knows what holds for the file.
type explainer struct {
	env       *Env
	namespace string // of -n
	ids       []seal.Identity
	book      *rulebook
	rules     *repo.Rules // nil where no settings speak about the file
	stray     bool        // no environment of the settings matches
	sets      map[string]repo.Set
	broken    []string // why settings or notes cannot be read
}

// place reads the settings for the file at path. What is wrong with them is told, and everything else is explained without them.
func (e *explainer) place(path string) {
	rules, stray, err := e.book.rules(path)
	if err != nil {
		e.broken = append(e.broken, withHint(err))
		return
	}
	e.rules, e.stray, e.sets = rules, stray, map[string]repo.Set{}
	if rules == nil {
		return
	}
	for _, h := range rules.Holders {
		set, err := e.book.tree.Set(h)
		if err != nil {
			e.broken = append(e.broken, withHint(err))
			continue
		}
		e.sets[h.Name] = set
	}
}

// withHint is an error with its way out, on one line.
func withHint(err error) string {
	text := err.Error()
	if h := hint(err); h != "" {
		text += " (" + h + ")"
	}
	return text
}

// codeOf is the exit code for what is wrong with an object.
func codeOf(err error) int {
	switch {
	case err == nil:
		return exitOK
	case errors.Is(err, seal.ErrScope), errors.Is(err, seal.ErrSignature), errors.Is(err, seal.ErrTampered):
		return exitTampered
	}
	return exitFailed
}
