package cli

import (
	"github.com/spf13/cobra"
)

const completionLong = `Print a script that completes seal's commands, flags and files in your shell.

Load it once with the line below, or write it to where your shell looks for completions.`

const completionExample = `  source <(seal completion bash)
  seal completion zsh > "${fpath[1]}/_seal"
  seal completion fish > ~/.config/fish/completions/seal.fish
  seal completion powershell | Out-String | Invoke-Expression`

func newCompletionCommand(env *Env) *cobra.Command {
	shells := []string{"bash", "zsh", "fish", "powershell"}
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a completion script for a shell",
		Long:      completionLong,
		Example:   completionExample,
		Args:      exactArgs("SHELL"),
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(env.Stdout, true)
			case "zsh":
				return root.GenZshCompletion(env.Stdout)
			case "fish":
				return root.GenFishCompletion(env.Stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(env.Stdout)
			}
			return usage("use bash, zsh, fish or powershell", "unknown shell %q", args[0])
		},
	}
}

// completeFiles completes file names.
func completeFiles(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

// completeValues completes the values of a flag that cmd has.
func completeValues(cmd *cobra.Command, flag string, values ...string) {
	_ = cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
}
