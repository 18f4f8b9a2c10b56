package cli

import (
	"bytes"
	"context"
	"errors"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/manifest"
)

const signLong = `Sign the GitSecrets in the files with an SSH key, in place: all files, or none if there is an
error. What is signed is shown first, for a signature vouches for it: the place, the names of the
items with their ciphertexts, the type and the template. Keys may rotate under a signature.

The key is the one in --sign-key; else the one that Git signs with (gpg.format ssh and
user.signingKey; no command is run for it); else the only key of the SSH agent. Keys on hardware
sign through the agent.

What the same key has signed already stays as it is, unless it has changed since. A signature of
somebody else is replaced with --force only. With - in place of the files, standard input is
signed and printed.`

const signExample = `  seal sign db.yaml
  seal sign --sign-key ~/.ssh/id_ed25519 clusters/prod/*.yaml
  seal sign --remove db.yaml`

// signOptions are the flags of `seal sign`.
type signOptions struct {
	signFlags
	name      string
	namespace string
	force     bool
	remove    bool
}

func newSignCommand(env *Env) *cobra.Command {
	var o signOptions
	cmd := &cobra.Command{
		Use:               "sign [flags] FILE…|-",
		Short:             "Sign sealed files with an SSH key",
		Long:              signLong,
		Example:           signExample,
		ValidArgsFunction: completeFiles,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage(helpHint(cmd), "missing FILE")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return runSign(cmd.Context(), env, &o, args)
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	o.addKeyTo(flags)
	flags.BoolVar(&o.force, "force", false, "replace signatures of other keys, too")
	flags.BoolVar(&o.remove, "remove", false, "remove signatures, whoever made them; no key is needed")
	flags.StringVar(&o.name, "name", "", "sign only the GitSecret of this `NAME`")
	flags.StringVarP(&o.namespace, "namespace", "n", "", "the `NAMESPACE` of the GitSecret, where a file holds several of that name, or of those that name none")
	return cmd
}

func (o *signOptions) check(args []string) error {
	switch {
	case o.remove && (o.key != "" || o.force):
		return usage("", "--remove goes neither with --sign-key nor with --force")
	case slices.Contains(args, stdinArg) && len(args) > 1:
		return usage("", "standard input is signed alone, without files")
	}
	return once(slices.Concat(args, o.inputs())...)
}

// signedFile is a file with its GitSecrets.
type signedFile struct {
	name    string
	in      []byte
	file    *manifest.File
	all     []object
	objects []object // those to sign
}

func runSign(ctx context.Context, env *Env, o *signOptions, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	files, err := o.readFiles(ctx, env, args)
	if err != nil {
		return err
	}
	edit := removeSignature
	if !o.remove {
		o.sign = true
		signer, err := o.signer(ctx, env, filepath.Dir(args[0]))
		if err != nil {
			return err
		}
		message(env.Stderr, "seal: ", "the signing key is "+signedBy(signer.PublicKey()))
		edit = func(env *Env, obj object) error { return o.signOne(env, obj, signer) }
	}
	if err := editFiles(ctx, env, files, edit); err != nil {
		return err
	}
	if args[0] == stdinArg {
		return env.writeOut(stdinArg, files[0].file.Bytes(), 0)
	}
	return replaceFiles(ctx, env, files)
}

// readFiles reads all files, each of which has to hold something to sign. It goes on after an error, so that the user sees all of them.
func (o *signOptions) readFiles(ctx context.Context, env *Env, args []string) ([]*signedFile, error) {
	var files []*signedFile
	var errs []error
	for _, name := range unique(args) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		f, err := o.readFile(ctx, env, name)
		files, errs = append(files, f), append(errs, err)
	}
	return files, errors.Join(errs...)
}

func (o *signOptions) readFile(ctx context.Context, env *Env, name string) (*signedFile, error) {
	data, err := env.read(ctx, name, "a manifest", maxManifest)
	if err != nil {
		return nil, err
	}
	file, all, err := parse(shownName(name), data)
	if err != nil {
		return nil, err
	}
	f := &signedFile{name: name, in: data, file: file, all: all, objects: selectSealed(all, o.name, o.namespace)}
	if len(f.objects) == 0 {
		return nil, noneSealed(shownName(name), o.name, all)
	}
	return f, nil
}

// editFiles edits the objects of all files in memory, and gives the errors of all.
func editFiles(ctx context.Context, env *Env, files []*signedFile, edit func(*Env, object) error) error {
	var errs []error
	n := 0
	for _, f := range files {
		n += len(f.objects)
		for _, obj := range f.objects {
			if err := ctx.Err(); err != nil {
				return err
			}
			errs = append(errs, edit(env, obj))
		}
		lost, err := flush(f.all)
		errs = append(errs, err)
		warn(env.Stderr, lost...)
	}
	err := errors.Join(errs...)
	if err != nil && n > 1 {
		err = errors.Join(err, failed("", "nothing was written"))
	}
	return err
}

// signOne signs obj unless it is signed by the same key, and shows what is signed before it is.
func (o *signOptions) signOne(env *Env, obj object, signer ssh.Signer) error {
	doc, err := parseSealed(obj)
	if err != nil {
		return err
	}
	if err := checkStanding(doc, o.namespace); err != nil {
		return obj.error(err)
	}
	mine := ssh.FingerprintSHA256(signer.PublicKey())
	if old := doc.Spec().Signature; old != nil {
		_, err := doc.VerifySignature(doc.Annotations)
		switch {
		case err == nil && old.Signer == mine:
			message(env.Stderr, "seal: ", obj.label()+" is signed by this key already")
			return nil
		case old.Signer != mine && !o.force:
			return obj.error(failed("to sign in their place, pass --force", "says that it is signed by another key, %s", old.Signer))
		case err != nil:
			warn(env.Stderr, obj.label()+": its signature does not fit: it has changed since it was signed")
		}
	}
	message(env.Stderr, "seal: ", "signing "+obj.label()+": "+contents(doc))
	return signObject(env, obj, signer)
}

func removeSignature(env *Env, obj object) error {
	doc, err := parseSealed(obj)
	if err != nil {
		return err
	}
	old := doc.Spec().Signature
	if old == nil {
		message(env.Stderr, "seal: ", obj.label()+" is not signed")
		return nil
	}
	message(env.Stderr, "seal: ", "removing the signature of "+old.Signer+" from "+obj.label())
	return writeSignature(obj, nil)
}

// replaceFiles writes the files that have changed, all or none.
func replaceFiles(ctx context.Context, env *Env, files []*signedFile) error {
	var batch replace.Batch
	defer batch.Discard()
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return err
		}
		out := f.file.Bytes()
		if bytes.Equal(f.in, out) {
			continue
		}
		if err := batch.Update(env.path(f.name), f.in, out); err != nil {
			return withWayOut(err)
		}
	}
	return withWayOut(batch.Commit())
}
