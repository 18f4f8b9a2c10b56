package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/replace"
)

const keysLong = `Make a key pair, fetch the recipients to seal to from a cluster, and list what is there.

The keys of a cluster are in its keyrings, which hold them for the controller: they are rotated, taken
out of use, called compromised, destroyed and moved by asking the controller for it in the Keyring. No
private key ever comes here.`

const generateLong = `Make a key pair for people (break glass, tests, a cluster-less setup): a private key that opens,
and the recipient that belongs to it. The file is an age identity file, as age-keygen -pq writes
it. Keys of a cluster are made by its controller and never leave it.

With --out, the file is created readable by its owner only, and an existing one is never
overwritten. The recipient is printed on standard error.`

const generateExample = `  seal keys generate --out key.txt
  seal keys generate --classical > old-style.txt`

func newKeysCommand(env *Env) *cobra.Command {
	cmd := group(env, &cobra.Command{
		Use:     "keys COMMAND",
		Short:   "Make, fetch, list, rotate and retire keys",
		Long:    keysLong,
		Example: "  seal keys fetch --out prod.note\n  seal keys list --cluster\n  seal keys rotate\n  seal keys generate --out key.txt",
	})
	cmd.AddCommand(newKeysGenerateCommand(env), newKeysFetchCommand(env), newKeysListCommand(env), newKeysMoveCommand(env))
	cmd.AddCommand(newKeysRotateCommand(env), newKeysCompromiseCommand(env), newKeysDestroyCommand(env), newKeysUsesCommand(env), newKeysExposedCommand(env))
	for _, c := range stateCommands() {
		cmd.AddCommand(newKeysStateCommand(env, c))
	}
	cmd.AddCommand(newKeysBackupCommand(env), newKeysRestoreCommand(env))
	return cmd
}

// generateOptions are the flags of `seal keys generate`.
type generateOptions struct {
	out       string
	classical bool
}

func newKeysGenerateCommand(env *Env) *cobra.Command {
	var o generateOptions
	cmd := &cobra.Command{
		Use:               "generate",
		Short:             "Make a key pair",
		Long:              generateLong,
		Example:           generateExample,
		Args:              exactArgs(),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return runKeysGenerate(cmd.Context(), env, &o)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&o.out, "out", "", "write to `FILE`, which must not exist")
	flags.BoolVar(&o.classical, "classical", false, "make an X25519 key, which a quantum computer could break, instead of a post-quantum one")
	return cmd
}

func runKeysGenerate(ctx context.Context, env *Env, o *generateOptions) error {
	identity, recipient, err := newKey(o.classical)
	if err != nil {
		return fmt.Errorf("making a key: %w", err)
	}
	content := fmt.Appendf(nil, "# created: %s\n# public key: %s\n%s\n", env.Now().Format(time.RFC3339), recipient, identity)
	defer clear(content)
	if err := ctx.Err(); err != nil {
		return err
	}
	if o.out == "" || o.out == stdinArg {
		if err := env.writeOut(stdinArg, content, 0); err != nil {
			return err
		}
		if env.stdoutIsTerminal() {
			return nil
		}
	} else if err := createKeyFile(env, o.out, content); err != nil {
		return err
	}
	_, _ = fmt.Fprintf(env.Stderr, "Public key: %s\n", recipient)
	return nil
}

func createKeyFile(env *Env, name string, content []byte) error {
	const ownerOnly fs.FileMode = 0o600
	err := replace.Create(env.path(name), content, ownerOnly)
	if errors.Is(err, fs.ErrExist) {
		return failed("what was sealed to a lost key cannot be opened: choose another name, or move the old file away", "%s exists already, and keys are never overwritten", name)
	}
	return err
}

// newKey makes an identity with age, in its text form.
func newKey(classical bool) (identity, recipient string, err error) {
	if classical {
		k, err := age.GenerateX25519Identity()
		if err != nil {
			return "", "", err
		}
		return k.String(), k.Recipient().String(), nil
	}
	k, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", "", err
	}
	return k.String(), k.Recipient().String(), nil
}
