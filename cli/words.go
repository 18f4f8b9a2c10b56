package cli

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// isFile says whether an argument names a file: it has a separator or an extension, or is standard input. A bare word is a command.
func isFile(arg string) bool {
	return arg == stdinArg || strings.ContainsAny(arg, "/"+string(filepath.Separator)) || filepath.Ext(arg) != ""
}

// checkWords refuses arguments of the root command that are words, and says what was probably meant.
func checkWords(env *Env, root *cobra.Command, args []string) error {
	for i, arg := range args {
		if !isFile(arg) {
			return unknownWord(env, root, arg, i > 0)
		}
	}
	return nil
}

// unknownWord is the error for a word that is no command. after says that it stands after a file, where no command is looked for.
func unknownWord(env *Env, parent *cobra.Command, word string, after bool) error {
	info, statErr := os.Stat(env.path(word))
	switch {
	case statErr == nil && info.IsDir():
		return usage("a bare word is a command; for the folder write "+parent.Name()+" "+word+"/", "unknown command %q", word)
	case statErr == nil:
		return usage("a bare word is a command; for the file write "+parent.Name()+" ./"+word, "unknown command %q", word)
	case after && isCommand(parent, word):
		return usage("write the command first: "+parent.CommandPath()+" "+word+" …", "%q is a command, and stands after a file", word)
	}
	if close := parent.SuggestionsFor(word); len(close) > 0 {
		return usage("did you mean "+parent.CommandPath()+" "+strings.Join(close, ", ")+"?", "unknown command %q", word)
	}
	return usage("see "+parent.CommandPath()+" --help", "unknown command %q", word)
}

func isCommand(parent *cobra.Command, word string) bool {
	for _, c := range parent.Commands() {
		if c.Name() == word || c.HasAlias(word) {
			return true
		}
	}
	return false
}

// exactArgs wants n arguments and names them in the error.
func exactArgs(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage(helpHint(cmd), "missing %s", names[len(args)])
		}
		if len(args) > len(names) && len(names) == 0 {
			return usage(helpHint(cmd), "%s takes no arguments", cmd.CommandPath())
		}
		if len(args) > len(names) {
			return usage(helpHint(cmd), "too many arguments: %s takes %d", cmd.CommandPath(), len(names))
		}
		return nil
	}
}

// atMost wants one argument or none.
func atMost(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usage(helpHint(cmd), "too many arguments: %s takes one %s", cmd.CommandPath(), name)
		}
		return nil
	}
}

// atLeast wants one argument, which it calls name, or more.
func atLeast(name string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return usage(helpHint(cmd), "missing %s", name)
		}
		return nil
	}
}

func helpHint(cmd *cobra.Command) string { return "see " + cmd.CommandPath() + " --help" }
