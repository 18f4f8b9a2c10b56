package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `Seal Kubernetes Secrets so that they can live in Git. Only the cluster can open them.

seal FILE seals every Secret in a manifest, YAML or JSON, and prints the result: each Secret
becomes a GitSecret, all other documents stay as they are, byte for byte. An argument with a
separator or an extension is a file; a bare word is a command.

With -w a folder stands for the manifests in it; what Git or .seal.yaml ignores is left out.

Several files are joined to one stream, or with -w each is replaced in place: all of them, or
none if there is an error. Labels of a Secret stay readable on the GitSecret; it and
annotations go into its template, but for those that speak to other controllers.

EXIT STATUS
  0  all went well
  1  failed
  2  the command line is wrong
  3  no identity fits
  4  tampered with, or sealed for another place
  5  there are findings
  130  interrupted

ENVIRONMENT
  SEAL_RECIPIENTS_FILE  files of recipients for when neither -r nor -R is given
  SEAL_IDENTITY_FILE    identity files for when -i is not given
  VISUAL, EDITOR        the editor of seal edit
  KUBECONFIG            the cluster of seal status, keys, init, from-cluster, doctor and audit`

const rootExample = `  seal secret.yaml > sealed.yaml
  seal -w -R prod.note secret.yaml
  seal -w clusters/
  seal --check .
  kubectl create secret generic db --dry-run=client -o yaml --from-file=password | seal -n prod -r age1pq1… -
  seal open -i key.txt sealed.yaml`

// suggestionDistance is how many letters may be wrong in a command that is proposed.
const suggestionDistance = 2

// Main runs the command line args (without the program's name) and gives the exit code. It writes nothing half: a command that fails or is interrupted
// through ctx leaves every file as it was.
func Main(ctx context.Context, env Env, args []string) int {
	root := New(env)
	root.SetArgs(append([]string{}, args...))
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if ctx.Err() != nil {
		message(env.Stderr, "seal: ", "interrupted")
		return exitInterrupted
	}
	report(env.Stderr, err)
	return exitCode(err)
}

// New is the root command. Errors of its execution are for the caller to report; Main does.
func New(env Env) *cobra.Command {
	e := &env
	root := newSealCommand(e)
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.DisableDefaultCmd = true
	root.SuggestionsMinimumDistance = suggestionDistance
	root.SetHelpCommand(newHelpCommand(e))
	root.SetIn(e.Stdin)
	root.SetOut(e.Stdout)
	root.SetErr(e.Stderr)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage(helpHint(cmd), "%s", flagMessage(err))
	})
	root.AddCommand(
		newOpenCommand(e),
		newFromClusterCommand(e),
		newSetCommand(e),
		newEditCommand(e),
		newDiffCommand(e),
		newLogCommand(e),
		newTextconvCommand(e),
		newUnsetCommand(e),
		newCreateCommand(e),
		newSignCommand(e),
		newVerifyCommand(e),
		newMergeDriverCommand(e),
		newRewrapCommand(e),
		newOffboardCommand(e),
		newKeysCommand(e),
		newInitCommand(e),
		newInstallCommand(e),
		newCheckCommand(e),
		newStatusCommand(e),
		newDoctorCommand(e),
		newAuditCommand(e),
		newExplainCommand(e),
		newVersionCommand(e),
		newCompletionCommand(e),
	)
	sortIntoGroups(root)
	return root
}

// sortIntoGroups says under which heading of the help each command stands. Those that Git calls have none, and are hidden.
func sortIntoGroups(root *cobra.Command) {
	const others = "Other"
	heading := map[string]string{}
	for _, group := range []struct{ title, commands string }{
		{"Every day", "create set unset edit open rewrap sign"},
		{"Look", "status explain diff log check verify doctor audit"},
		{"Set up", "init install keys offboard from-cluster"},
		{others, "completion version"},
	} {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title + ":"})
		for _, name := range strings.Fields(group.commands) {
			heading[name] = group.title
		}
	}
	for _, cmd := range root.Commands() {
		cmd.GroupID = heading[cmd.Name()]
	}
	root.SetHelpCommandGroupID(others)
}

// flagMessage is pflag's message without the values that it quotes: a flag may have been given a secret by mistake.
func flagMessage(err error) string {
	text := err.Error()
	if strings.HasPrefix(text, "invalid argument ") {
		if _, after, ok := strings.Cut(text, " for "); ok {
			name, _, _ := strings.Cut(after, " flag")
			return "invalid value for " + strings.Trim(name, `"`)
		}
	}
	text, _, _ = strings.Cut(text, " in -")
	return text
}

// group makes a command that only holds others: without one of them it shows help and is a usage error.
func group(env *Env, cmd *cobra.Command) *cobra.Command {
	cmd.Args = cobra.ArbitraryArgs
	cmd.DisableFlagsInUseLine = true
	cmd.SuggestionsMinimumDistance = suggestionDistance
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if len(args) > 0 {
			return unknownWord(env, cmd, args[0], false)
		}
		_, _ = fmt.Fprint(env.Stderr, cmd.UsageString())
		return usage("", "%s needs a command", cmd.CommandPath())
	}
	return cmd
}

// newHelpCommand is cobra's, but for words that are no command: those are a usage error.
func newHelpCommand(env *Env) *cobra.Command {
	return &cobra.Command{
		Use:     "help [COMMAND]",
		Short:   "Show help for a command",
		Example: "  seal help keys fetch",
		RunE: func(cmd *cobra.Command, args []string) error {
			topic, rest, err := cmd.Root().Find(args)
			if err != nil || len(rest) > 0 {
				return unknownWord(env, topic, strings.Join(rest, " "), false)
			}
			return topic.Help()
		},
	}
}
