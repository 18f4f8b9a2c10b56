package cli

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/wiring"
	"github.com/waxwing-io/waxwing/repo/git"
)

const installLong = `Make Git know sealed files in this clone:

  .git/config      drivers: git diff shows sealed files as text, and git merge joins two sides
                   item by item
  .gitattributes   which files the drivers are for, and that Git leaves the bytes of notes alone;
                   commit it, it is the same for everybody
  pre-commit       a hook that runs seal check --staged, so that no plaintext Secret is committed

Git's configuration and hooks are never cloned: everybody runs this once in each clone. A second run
changes nothing. What stands in the files already stays; --uninstall removes what seal has added and
nothing else. A hook of somebody else's gets two lines if it is a shell script, and is left alone
otherwise.`

const installExample = `  seal install
  seal install --no-hook        (where pre-commit.com or CI runs seal check)
  seal install --print
  seal install --uninstall`

// installOptions are the flags of `seal install`.
type installOptions struct {
	uninstall    bool
	noHook       bool
	noAttributes bool
	print        bool
}

func newInstallCommand(env *Env) *cobra.Command {
	var o installOptions
	cmd := &cobra.Command{
		Use:               "install",
		Short:             "Make Git show, merge and check sealed files in this clone",
		Long:              installLong,
		Example:           installExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runInstall(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.noHook, "no-hook", false, "leave the pre-commit hook alone")
	flags.BoolVar(&o.noAttributes, "no-attributes", false, "leave .gitattributes alone")
	flags.BoolVar(&o.print, "print", false, "print what belongs where, and change nothing")
	flags.BoolVar(&o.uninstall, "uninstall", false, "remove what seal install has added")
	return cmd
}

func runInstall(ctx context.Context, env *Env, o *installOptions) error {
	if o.print {
		if o.uninstall {
			return usage("", "--print and --uninstall exclude each other")
		}
		return env.writeOut(stdinArg, o.text(), 0)
	}
	r, err := env.repository(ctx, "run it in a clone that has a working tree; git init makes one")
	if err != nil {
		return err
	}
	plan, err := o.plan(ctx, env, r)
	if err != nil {
		return err
	}
	if err := plan.apply(ctx); err != nil {
		return err
	}
	for _, done := range plan.said {
		message(env.Stderr, "seal: ", done)
	}
	if len(plan.said) == 0 && o.uninstall {
		message(env.Stderr, "seal: ", "nothing of seal is installed here")
	} else if len(plan.said) == 0 {
		message(env.Stderr, "seal: ", "everything is installed already")
	}
	if o.uninstall {
		return nil
	}
	if plan.attributes {
		message(env.Stderr, "hint: ", "commit .gitattributes: it is the same for everybody")
	}
	if _, err := exec.LookPath("seal"); err != nil {
		warn(env.Stderr, "there is no seal in the PATH: the drivers and the hook need it")
	}
	return nil
}

// text is what --print prints: where each part belongs, in comments.
func (o *installOptions) text() []byte {
	var b bytes.Buffer
	b.WriteString("# once in each clone:\n")
	for _, s := range wiring.Drivers() {
		value := s.Value
		if strings.Contains(value, " ") {
			value = "'" + value + "'"
		}
		fmt.Fprintf(&b, "git config %s %s\n", s.Key, value)
	}
	if !o.noAttributes {
		fmt.Fprintf(&b, "\n# in .gitattributes:\n%s\n", strings.Join(wiring.Attributes(nil).Lines, "\n"))
	}
	if !o.noHook {
		fmt.Fprintf(&b, "\n# in the pre-commit hook:\n%s\n", strings.Join(wiring.Hook().Lines, "\n"))
	}
	return b.Bytes()
}

// plan looks at everything before anything is changed.
func (o *installOptions) plan(ctx context.Context, env *Env, r *git.Repo) (*installPlan, error) {
	p := &installPlan{repo: r}
	if err := p.planDrivers(ctx, o.uninstall); err != nil {
		return nil, err
	}
	if !o.noAttributes {
		if err := p.planAttributes(ctx, o.uninstall); err != nil {
			return nil, err
		}
	}
	if !o.noHook {
		if err := p.planHook(ctx, o.uninstall); err != nil {
			return nil, err
		}
	}
	return p, nil
}
