package cli

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/waxwing-io/waxwing/cli/keyuse"
	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

const offboardLong = `Take somebody's recipient out of a repository: out of the holders of every .seal.yaml, and out of what is
sealed. What it can open, or could before a rewrap, is sealed anew, under new envelope keys, for the
holders that remain; all files are written, or none. Then the values that it could ever open are
listed: whoever had that key may have read them, so renew each at its source (seal set FILE ITEM).
Files that .seal.yaml ignores count like all others; those that Git ignores do not.

RECIPIENT is the recipient as .seal.yaml has it, or the first 8 digits of its key's id at least. An
identity has to open what is sealed anew. Signatures are dropped, or with --sign made yours. With PATHs,
only what lies there is sealed anew, and the rest is listed as left.

The last recipient of a holder stays, unless --drop-holder has the holder go with it. A keyring's key is
no person's: seal keys compromise is for that. Whoever may sign, and the break glass of Keyrings
(spec.breakGlass), are other lists, and stay as they are. Git's history keeps what it has.

EXIT STATUS
  0  the recipient is out, whatever there is to renew
  1  failed, and nothing was written
  3  an identity does not open what has to be sealed anew; nothing was written
  5  it can still open something outside of the PATHs, or files could not be looked at`

const offboardExample = `  seal offboard age1pq1… -i key.txt
  seal offboard 77aa12c4 -i key.txt --dry-run
  seal offboard "ssh-ed25519 AAAA… bob@example.org" -i breakglass.txt -o json > to-renew.json`

// offboardOptions are the flags of `seal offboard`.
type offboardOptions struct {
	identityFlags
	signFlags
	namespace          string
	dropHolder, dryRun bool
	output             reportFlag
}

func newOffboardCommand(env *Env) *cobra.Command {
	var o offboardOptions
	cmd := &cobra.Command{
		Use:               "offboard [flags] RECIPIENT [FILE|DIR]…",
		Short:             "Take somebody's key out of a repository",
		Long:              offboardLong,
		Example:           offboardExample,
		ValidArgsFunction: completeFiles,
		Args:              atLeast("RECIPIENT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runOffboard(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.identityFlags.addTo(flags)
	flags.BoolVar(&o.dryRun, "dry-run", false, "write nothing, and need no key: say what would change, and list the values to renew")
	flags.BoolVar(&o.dropHolder, "drop-holder", false, "drop holders that have no other recipient")
	o.signFlags.addTo(flags)
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of GitSecrets that name none")
	o.output.addTo(cmd)
	return cmd
}

func runOffboard(ctx context.Context, env *Env, o *offboardOptions, args []string) error {
	if err := o.output.check(); err != nil {
		return err
	}
	if err := checkNamespace(o.namespace); err != nil {
		return err
	}
	if err := once(slices.Concat(args[1:], o.identityFlags.files, o.signFlags.inputs())...); err != nil {
		return err
	}
	prefix, err := keyIDPrefix(args[0])
	if err != nil {
		return err
	}
	b := &offboarding{env: env, o: o, paths: args[1:]}
	if err := b.look(ctx, prefix); err != nil {
		return err
	}
	if !o.dryRun {
		if err := b.write(ctx); err != nil {
			return err
		}
	}
	return b.report()
}

// offboarding is one run.
type offboarding struct {
	env   *Env
	o     *offboardOptions
	paths []string // to seal anew; empty for all

	keyID    string
	settings []leftSettings // those that change
	signers  bool           // settings list some
	files    *keyFiles      // of the whole repository

	values, anew, left []fileKey
	chosen             map[string]bool // files to seal anew, by name
}

// leftSettings is a .seal.yaml that changes.
type leftSettings struct {
	File     string   `json:"file"`
	Holders  []string `json:"holders"`           // that lose the recipient
	Dropped  []string `json:"dropped,omitempty"` // those of them that go altogether
	path     string
	old, new []byte
	parsed   *repo.Settings
}

// write seals anew and changes the settings, in one batch.
func (b *offboarding) write(ctx context.Context) error {
	tree, err := b.env.settings()
	if err != nil {
		return err
	}
	r := &rewrapper{
		o: &rewrapOptions{fresh: true, namespace: b.o.namespace}, job: job{env: b.env}, source: &recipientSource{env: b.env, tree: tree, set: tree.Set},
		only: b.couldOpen,
	}
	defer r.batch.Discard()
	for _, s := range b.settings {
		tree.Replace(s.path, s.new)
		if err := b.stage(&r.batch, s); err != nil {
			return err
		}
	}
	for name := range b.chosen {
		r.inputs = append(r.inputs, input{name: name})
	}
	if len(r.inputs) == 0 {
		if err := r.batch.Sync(ctx); err != nil {
			return withWayOut(err)
		}
		return withWayOut(r.batch.Commit())
	}
	slices.SortFunc(r.inputs, func(x, y input) int { return strings.Compare(x.name, y.name) })
	if r.ids, err = b.o.identities(ctx, b.env); err != nil {
		return err
	}
	if r.signer, err = b.o.signer(ctx, b.env, filepath.Dir(r.inputs[0].name)); err != nil {
		return err
	}
	return r.rewrapAll(ctx)
}

// stage puts the new settings into the batch of the files.
func (b *offboarding) stage(batch *replace.Batch, s leftSettings) error {
	if err := notThroughLinks(s.path); err != nil {
		return err
	}
	return withWayOut(batch.Update(s.path, s.old, s.new))
}

// couldOpen says whether the recipient could ever open a present value of the object.
func (b *offboarding) couldOpen(doc *seal.Document) bool {
	o := keyuse.New("", "", doc.Spec())
	return len(o.Could(map[string]bool{b.keyID: true})) > 0
}
