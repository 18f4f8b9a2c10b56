package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/pflag"
	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// signFlags are the flags of commands that may sign what they write.
type signFlags struct {
	sign bool
	key  string
}

func (f *signFlags) addTo(flags *pflag.FlagSet) {
	flags.BoolVar(&f.sign, "sign", false, "sign it: with --sign-key, the SSH key that Git signs with, or the only key of the SSH agent")
	f.addKeyTo(flags)
}

func (f *signFlags) addKeyTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.key, "sign-key", "", "sign with the SSH key in `FILE`: a private key, or the .pub of one that the SSH agent holds")
}

// inputs lists the files that the flags name, for once.
func (f *signFlags) inputs() []string {
	if f.key == "" {
		return nil
	}
	return []string{f.key}
}

// signer finds the key to sign with. It is nil, without an error, when nobody asked to sign. dir is the folder of what is signed, whose Git configuration
// counts. A passphrase is asked for at the terminal.
func (f *signFlags) signer(ctx context.Context, env *Env, dir string) (ssh.Signer, error) {
	switch {
	case f.key != "":
		return signerFromFile(ctx, env, f.key)
	case !f.sign:
		return nil, nil
	}
	conf, err := readSigningConfig(ctx, env, dir)
	if err != nil {
		return nil, err
	}
	if conf.key != "" {
		return conf.signer(ctx, env)
	}
	return onlyAgentKey(ctx, env, conf.hint())
}

// signObject signs a GitSecret and sets spec.signature in its text; without a signer it does nothing. What has been written is read and verified again.
// For items of a long list, flush has to follow.
func signObject(env *Env, obj object, signer ssh.Signer) error {
	if signer == nil {
		return nil
	}
	doc, err := parseSealed(obj)
	if err != nil {
		return err
	}
	if err := doc.Sign(doc.Annotations, signer, env.Rand); err != nil {
		return obj.error(err)
	}
	if err := writeSignature(obj, doc.Spec().Signature); err != nil {
		return err
	}
	// An agent, or a key on hardware, may give anything.
	written, err := parseSealed(obj)
	if err != nil {
		return err
	}
	if _, err := written.VerifySignature(written.Annotations); err != nil {
		return obj.error(failed("", "the new signature does not verify: the signer %s is broken", ssh.FingerprintSHA256(signer.PublicKey())))
	}
	return nil
}

// signNew signs the JSON of a GitSecret that was made just now, which messages call label. Without a signer it warns where the place wants a signature.
func signNew(env *Env, at *place, label string, doc []byte, signer ssh.Signer) (signed []byte, warnings []string, err error) {
	if signer == nil {
		return doc, at.unsigned(label), nil
	}
	file, all, err := parse(label, doc)
	if err != nil {
		return nil, nil, err
	}
	for _, obj := range all {
		if err := signObject(env, obj, signer); err != nil {
			return nil, nil, err
		}
	}
	return file.Bytes(), nil, nil
}

// signerOf is the signer of a change to obj, which lies in the file name; nil for none. With one, the signature that is there has to fit.
func (f *signFlags) signerOf(ctx context.Context, env *Env, name string, obj object, doc *seal.Document) (ssh.Signer, error) {
	signer, err := f.signer(ctx, env, filepath.Dir(name))
	if err != nil || signer == nil {
		return nil, err
	}
	return signer, checkSigned(obj, doc)
}

// checkSigned refuses to sign over a signature that does not fit: the rest of the object is not what somebody vouched for, and a new signature would hide that.
func checkSigned(obj object, doc *seal.Document) error {
	if doc.Spec().Signature == nil {
		return nil
	}
	if _, err := doc.VerifySignature(doc.Annotations); err != nil {
		return obj.error(&seal.Error{Kind: seal.ErrSignature, Field: "signature", Msg: "the one that is there does not fit: the object has changed since it was signed",
			Hint: "look at what has changed; seal sign then signs it as it is"})
	}
	return nil
}

// writeSignature sets spec.signature, or removes it for nil.
func writeSignature(obj object, s *seal.Signature) error {
	path := []string{"spec", "signature"}
	return editObject(obj, func(d editor) error {
		if s == nil {
			return d.Delete(path)
		}
		return setJSON(d, s, path...)
	})
}

// editObject edits an object in its text, or where that is written anew in the text of the object alone.
func editObject(obj object, edit func(editor) error) error {
	if obj.long == nil {
		d, err := obj.inPlace()
		if err != nil {
			return err
		}
		return edit(d)
	}
	file, err := manifest.Parse(obj.name, obj.raw)
	if err != nil {
		return obj.error(err)
	}
	if err := edit(file.Docs()[0]); err != nil {
		return obj.error(err)
	}
	return obj.Replace(file.Bytes())
}

// signedBy names the key of a signature for people.
func signedBy(pub ssh.PublicKey) string {
	return fmt.Sprintf("%s (%s)", ssh.FingerprintSHA256(pub), pub.Type())
}

// checkStanding holds a GitSecret against its own scope. One that leaves its namespace to kustomize stands anywhere; with -n it stands there.
func checkStanding(doc *seal.Document, namespace string) error {
	if doc.Target.Namespace == "" && namespace == "" {
		namespace = doc.Spec().For.Namespace
	}
	return secret.CheckPlace(doc, namespace)
}
