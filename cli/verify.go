package cli

import (
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/repo"
)

const verifyLong = `Verify the signatures of GitSecrets, and their form and place as far as that can be done without a
private key. Folders are searched for manifests; without an argument the whole repository is.

Whose signatures count is said by --signer and --allowed-signers, else by the signers in .seal.yaml.
Unsigned GitSecrets are a finding where .seal.yaml says signed: true, or everywhere with --require.

.seal.yaml lies in the repository: whoever can push there can change it. Where that matters, as in
CI for other people's changes, give the signers from outside of it, and --require. With that, what
.seal.yaml ignores is verified, too; --ignore says what is not.

The exit status is 5 for findings (unsigned, of an unknown signer, broken), and 4 where a signature
does not fit, or where a GitSecret stands in another place than it was sealed for.`

const verifyExample = `  seal verify
  seal verify --require --allowed-signers /etc/seal/allowed_signers clusters/prod
  seal verify --signer "alice=ssh-ed25519 AAAA…" -o json db.yaml`

// verifyOptions are the flags of `seal verify`.
type verifyOptions struct {
	trustFlags
	ignore []string
	output reportFlag
}

// trustFlags are the flags that say whose signatures count.
type trustFlags struct {
	signers []string
	files   []string
	require bool
}

func (f *trustFlags) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.signers, "signer", nil, "take signatures of `[NAME=]KEY`, where KEY is a public key or the file of one; repeatable")
	flags.StringArrayVar(&f.files, "allowed-signers", nil, "take signatures of the keys in `FILE`, in OpenSSH's form (PRINCIPALS [OPTIONS] KEY a line); repeatable")
	flags.BoolVar(&f.require, "require", false, "every GitSecret has to be signed")
}

func newVerifyCommand(env *Env) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:               "verify [flags] [FILE|DIR|-]…",
		Short:             "Verify signatures, without a private key",
		Long:              verifyLong,
		Example:           verifyExample,
		ValidArgsFunction: completeFiles,
		Args:              cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runVerify(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.trustFlags.addTo(flags)
	flags.StringArrayVar(&o.ignore, "ignore", nil, "leave out the files and folders below the current folder that match `GLOB`, such as charts/**; repeatable")
	o.output.addTo(cmd)
	return cmd
}

func runVerify(ctx context.Context, env *Env, o *verifyOptions, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := once(slices.Concat(args, o.files, o.signers)...); err != nil {
		return err
	}
	trust, err := o.trust(ctx, env)
	if err != nil {
		return err
	}
	walk, err := o.walk(env, trust.tree)
	if err != nil {
		return err
	}
	files, err := walk.files(ctx, args)
	if err != nil {
		return err
	}
	j := job{env: env, inputs: files}
	verdicts := make([][]verdict, len(files))
	broken := j.run(ctx, "verifying", func(ctx context.Context, i int, in input) (err error) {
		verdicts[i], err = trust.verify(ctx, in)
		return err
	})
	if err := ctx.Err(); err != nil {
		return err
	}
	r := verifyReport{Objects: []verdict{}}
	for _, v := range slices.Concat(verdicts...) {
		r.add(v)
	}
	if broken == nil && len(r.Objects) == 0 {
		return failed("name the files or folders where they are", "no GitSecret found")
	}
	if err := o.output.write(env, &r, r.text); err != nil {
		return err
	}
	return errors.Join(broken, r.failure())
}

// trustSource says whose signatures count for which file.
type trustSource struct {
	env     *Env
	tree    *repo.Tree
	given   []allowedSigner // on the command line, which wins over .seal.yaml
	require bool
}

// trust is what holds for one file.
type trust struct {
	signers []allowedSigner
	require bool
}

func (f *trustFlags) trust(ctx context.Context, env *Env) (*trustSource, error) {
	tree, err := env.settings()
	if err != nil {
		return nil, err
	}
	s := &trustSource{env: env, tree: tree, require: f.require}
	for _, arg := range f.signers {
		signer, err := readSigner(ctx, env, arg)
		if err != nil {
			return nil, err
		}
		s.given = append(s.given, signer)
	}
	for _, name := range f.files {
		b, err := env.read(ctx, name, "allowed signers", maxKeyFile)
		if err != nil {
			return nil, err
		}
		signers, warnings, err := parseAllowedSigners(shownName(name), b, env.Now().Location())
		if err != nil {
			return nil, err
		}
		warn(env.Stderr, warnings...)
		s.given = append(s.given, signers...)
	}
	return s, nil
}

// at says what holds for the file that the user calls name; "-" stands for a file in the current folder.
func (s *trustSource) at(name string) (trust, error) {
	t := trust{signers: s.given, require: s.require}
	path, err := settingsPath(s.env, name)
	if err != nil {
		return t, err
	}
	rules, err := s.tree.Rules(path)
	switch {
	case errors.Is(err, repo.ErrNoSettings):
		return t, nil
	case err != nil && !errors.Is(err, repo.ErrNoEnvironment):
		return t, err
	case err == nil:
		t.require = t.require || rules.Signed
	}
	if len(s.given) > 0 {
		return t, nil
	}
	allowed, err := s.tree.Signers(filepath.Dir(path))
	t.signers = signersOf(allowed)
	return t, err
}
