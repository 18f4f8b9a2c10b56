package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

const editLong = `Open the GitSecret in FILE in your editor, as a plain Secret, and seal what you change. $VISUAL or
$EDITOR says which editor, with its flags if it needs some ("code --wait").

Values that stay keep their ciphertext byte for byte; changed and new ones go into one new envelope;
removed ones go. Type, labels and annotations can be changed, name and namespace cannot. What is wrong
is written on top of the text, and you are in the editor again; emptying the file, or quitting without a
change, leaves FILE as it is. Comments that you add are not kept.

While the editor is open, the plaintext lies in a folder of yours that is in memory only: a tmpfs on
Linux ($XDG_RUNTIME_DIR or /dev/shm), a RAM disk on macOS. Where the system has none, --allow-disk is
needed: then it lies on a disk, and is overwritten and removed afterwards, which need not reach every
copy that a journal or an SSD keeps. vim and nvim are told to write no swap, backup, undo and viminfo
files; of another editor you have to know what it keeps.

The recipients are those that .seal.yaml, or flags, say for the file, as for seal set. A signature is
dropped, or with --sign replaced by yours.`

const editExample = `  seal edit -i key.txt db.yaml
  EDITOR='code --wait' seal edit -i ~/.ssh/id_ed25519 db.yaml
  seal edit -i key.txt -R prod.note --name db all.yaml`

// editOptions are the flags of `seal edit`.
type editOptions struct {
	identityFlags
	set       setOptions // what it has in common with seal set
	allowDisk bool
}

func newEditCommand(env *Env) *cobra.Command {
	var o editOptions
	cmd := &cobra.Command{
		Use:               "edit [flags] FILE",
		Short:             "Edit a sealed file in your editor, with a private key",
		Long:              editLong,
		Example:           editExample,
		Args:              exactArgs("FILE"),
		ValidArgsFunction: completeFiles,
		RunE: func(cmd *cobra.Command, args []string) error {
			return runEdit(cmd.Context(), env, &o, args[0])
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addTo(flags)
	o.set.recipientFlags.addTo(flags)
	o.set.signFlags.addTo(flags)
	// There is no --out: standard output is the editor's.
	flags.StringVar(&o.set.name, "name", "", "the `NAME` of the GitSecret, where the file holds several")
	flags.StringVarP(&o.set.namespace, "namespace", "n", "", "the `NAMESPACE` of the GitSecret, where the file holds several of that name, or it names none")
	flags.BoolVar(&o.set.allowHolderChange, "allow-holder-change", false, "seal for other holders than the rest of the file")
	flags.BoolVar(&o.allowDisk, "allow-disk", false, "let the plaintext lie on a disk while the editor is open, where there is no folder in memory")
	return cmd
}

// editing is one run of seal edit.
type editing struct {
	env    *Env
	o      *editOptions
	name   string
	data   []byte // of the file
	place  *place
	signer ssh.Signer // nil where nobody asked to sign
	label  string
	opened *secret.Opened
}

func runEdit(ctx context.Context, env *Env, o *editOptions, name string) error {
	if name == stdinArg {
		return usage("give a file; seal open prints one from standard input", "seal edit does not read the manifest from standard input")
	}
	if err := once(slices.Concat(o.files, o.set.recipientFlags.files, o.set.signFlags.inputs())...); err != nil {
		return err
	}
	editor, err := env.editor()
	if err != nil {
		return err
	}
	s := &editing{env: env, o: o, name: name}
	if err := s.gather(ctx); err != nil {
		return err
	}
	defer holdSignals()()
	folder, err := newScratch(env, o.allowDisk)
	if err != nil {
		return err
	}
	d := &dialogue{editing: s, editor: editor, folder: folder}
	err = d.run(ctx)
	cerr := folder.close()
	if cerr == nil {
		return err
	}
	left := failed("remove it by hand", "the plaintext could not be removed from %s: %v", folder.dir, pathCause(cerr))
	if ctx.Err() != nil {
		// Of an interrupted command nothing else is said.
		report(env.Stderr, left)
	}
	return errors.Join(err, left)
}

// gather reads and opens everything, so that nothing but the edit is missing when the editor opens.
func (s *editing) gather(ctx context.Context) error {
	var err error
	if s.data, err = s.env.read(ctx, s.name, "a manifest", maxManifest); err != nil {
		return err
	}
	_, obj, err := s.find()
	if err != nil {
		return err
	}
	s.label = obj.label()
	if s.place, err = s.o.set.placeFor(ctx, s.env, s.name); err != nil {
		return err
	}
	doc, err := parseSealed(obj)
	if err != nil {
		return err
	}
	if err := s.o.set.checkHolders(obj, doc.Spec(), s.place.holders); err != nil {
		return err
	}
	if err := checkClass(obj, doc, s.place.holders); err != nil {
		return err
	}
	if s.signer, err = s.o.set.signer(ctx, s.env, filepath.Dir(s.name)); err != nil {
		return err
	}
	ids, err := s.o.identities(ctx, s.env)
	if err != nil {
		return err
	}
	s.opened, err = openObject(&openOptions{namespace: s.o.set.namespace}, ids, obj)
	if err == nil && s.opened.Rendered {
		warn(s.env.Stderr, s.label+": the keys of spec.template.data are rendered in the cluster, and not shown")
	}
	return err
}

// find parses the file anew: every try of an edit starts from what is on disk.
func (s *editing) find() (*manifest.File, object, error) {
	file, err := manifest.Parse(s.name, s.data)
	if err != nil {
		return nil, object{}, err
	}
	obj, err := s.o.set.choose(s.name, objects(s.name, file, math.MaxInt))
	return file, obj, err
}

// checkClass says before the edit what sealing would say after it.
func checkClass(obj object, doc *seal.Document, holders []seal.Holder) error {
	for _, h := range holders {
		for _, r := range h.Recipients {
			if c := doc.Class(); c != "" && c != r.Class() {
				return obj.error(failed("give recipients of its class, or seal it anew for the others",
					"is sealed for %s keys, but the recipient of %s with key id %s is %s", c, h.Name, r.KeyID()[:seal.KeyIDDisplay], r.Class()))
			}
		}
	}
	return nil
}

// edited is an edit that can be written.
type edited struct {
	edit     *secret.Edit
	file     []byte
	warnings []string
}

// apply seals what text, a Secret in YAML, has changed; file is nil where nothing has.
func (s *editing) apply(text []byte) (*edited, error) {
	now, err := onlySecret(text)
	if err != nil {
		return nil, err
	}
	edit, err := secret.Compare(s.opened.JSON, now)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", editedName, err)
	}
	if edit.Empty() {
		return &edited{edit: edit}, nil
	}
	file, obj, err := s.find()
	if err != nil {
		return nil, err
	}
	doc, err := parseSealed(obj)
	if err != nil {
		return nil, err
	}
	warnings, err := applyEdit(s.env, obj, doc.Spec(), edit, s.place.holders, s.signer)
	if err != nil {
		return nil, err
	}
	if s.signer == nil && doc.Spec().Signature == nil {
		warnings = append(warnings, s.place.unsigned(s.label)...)
	}
	for _, w := range edit.Warnings {
		warnings = append(warnings, s.label+": "+w)
	}
	return &edited{edit: edit, file: file.Bytes(), warnings: warnings}, nil
}

// editedName is what messages call the text in the editor.
const editedName = "the edit"

// onlySecret is the JSON of the one Secret in text.
func onlySecret(text []byte) ([]byte, error) {
	_, all, err := parse(editedName, text)
	if err != nil {
		return nil, err
	}
	switch {
	case len(all) > 1:
		return nil, failed("one GitSecret is edited at a time: remove what was added", "%s holds %d documents", editedName, len(all))
	case len(all) == 1 && all[0].kind == "Secret" && all[0].role != isSecret:
		return nil, failed("keep apiVersion v1", "%s is a Secret of another apiVersion", editedName)
	case len(all) == 0 || all[0].role != isSecret:
		return nil, failed("keep apiVersion v1, kind Secret", "%s is not one Secret any more; seen: %s", editedName, kinds(all))
	}
	return all[0].JSON()
}

// write replaces the file, and says what was done.
func (s *editing) write(ctx context.Context, out *edited) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.env.update(s.name, s.data, out.file); err != nil {
		return err
	}
	warn(s.env.Stderr, out.warnings...)
	var done []string
	if names := out.edit.Values.Names(); len(names) > 0 {
		done = append(done, "sealed "+strings.Join(names, ", "))
	}
	if len(out.edit.Removed) > 0 {
		done = append(done, "removed "+strings.Join(out.edit.Removed, ", "))
	}
	if len(done) == 0 {
		done = []string{"changed, no value among it"}
	}
	message(s.env.Stderr, "seal: ", s.label+": "+strings.Join(done, "; "))
	return nil
}

// lost says that the file is not what it was, and that nothing was written.
func lost(err error) bool { return errors.Is(err, replace.ErrChanged) }

// blank says whether nothing but comments and white space is left.
func blank(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
			return false
		}
	}
	return true
}
