package cli

import (
	"errors"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// sealFile seals every Secret of one input, and signs them if there is a signer. The result is nil for a file that was found, and holds nothing that it could be about.
func sealFile(env *Env, o *sealOptions, source *recipientSource, signer ssh.Signer, in input, data []byte) (*sealed, error) {
	name := shownName(in.name)
	file, all, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	if in.found && !slices.ContainsFunc(all, func(obj object) bool { return !obj.foreign() && !obj.sealedBySOPS() }) {
		return nil, nil
	}
	s := &fileSealer{env: env, o: o, signer: signer}
	if !o.check && slices.ContainsFunc(all, func(obj object) bool { return obj.role == isSecret }) {
		if s.at, err = o.placeOf(source, in.name); err != nil {
			return nil, err
		}
	}
	var errs []error
	found := false
	for _, obj := range all {
		errs = append(errs, s.seal(obj))
		found = found || obj.role != other
	}
	if o.check {
		return &sealed{name: in.name, in: data, out: data, warnings: s.warnings, secrets: s.secrets}, errors.Join(errs...)
	}
	lost, err := flush(all)
	if err := errors.Join(append(errs, err)...); err != nil {
		return nil, err
	}
	if !found && !in.found {
		return nil, noneFound(name, "Secret", all, "leave the file out")
	}
	r := &sealed{name: in.name, in: data, secrets: s.secrets}
	if r.out, r.syntax, err = o.output.render(file); err != nil {
		return nil, err
	}
	r.warnings = slices.Concat(s.warnings, lost, tellingComments(name, r.out, s.values))
	return r, secretsLeft(name, r.out)
}

// foreign says whether an object is nothing that Kubernetes would take, though it has data: a file of values, or another program's configuration.
func (o object) foreign() bool {
	return o.role == misspelled && o.apiVersion == "" && o.kind == "" && !o.has("stringData")
}

// sealedBySOPS says whether an object is a Secret with values that SOPS has encrypted, all of them.
func (o object) sealedBySOPS() bool {
	return o.role == isSecret && encryptedBySOPS(o.members) && len(readableKeys(o.members)) == 0
}

// placeOf is the place of an input: that of the file that is written to where it is another one.
func (o *sealOptions) placeOf(source *recipientSource, arg string) (*place, error) {
	if o.out != "" {
		arg = o.out
	}
	at, err := source.at(arg)
	if err != nil {
		return nil, err
	}
	if len(at.holders) == 0 {
		return nil, noRecipients()
	}
	return at, nil
}

// fileSealer seals the objects of one file.
type fileSealer struct {
	env      *Env
	o        *sealOptions
	at       *place     // set where there are Secrets
	signer   ssh.Signer // nil to leave them unsigned
	warnings []string
	values   []seal.Values // of all Secrets
	secrets  []object
}

func (s *fileSealer) warn(obj object, warnings ...string) {
	for _, w := range warnings {
		s.warnings = append(s.warnings, obj.label()+": "+w)
	}
}

// seal seals obj in its file if it is a Secret, and refuses what is nearly one.
func (s *fileSealer) seal(obj object) error {
	switch obj.role {
	case isSecret:
		if obj.sealedBySOPS() {
			return obj.error(failed("seal what sops --decrypt gives, or leave the file to SOPS", "is encrypted by SOPS"))
		}
		s.secrets = append(s.secrets, obj)
		if s.o.check {
			return nil
		}
		return s.sealSecret(obj)
	case isSealed:
		return checkSealed(obj)
	case misspelled:
		return obj.error(failed("a Secret has apiVersion v1, a GitSecret apiVersion "+seal.APIVersion,
			"%s of apiVersion \"%s\" is not known, and would stay readable", obj.shownKind(), strings.Trim(shown(obj.apiVersion), `"`)))
	case closedList:
		return obj.error(failed("write the Secrets as documents of their own, or as items of kind List, apiVersion v1",
			"holds Secrets that cannot be sealed in their place"))
	}
	if obj.holdsSecret() {
		s.warn(obj, "holds a Secret inside, which stays readable")
	}
	if obj.patchesSecret() {
		s.warn(obj, "a patch in it gives a Secret values, which stay readable")
	}
	if obj.generatesSecret() {
		s.warn(obj, "the literals of its secretGenerator stay readable")
	}
	return nil
}

func (s *fileSealer) sealSecret(obj object) error {
	label := obj.label()
	doc, err := obj.JSON()
	if err != nil {
		return err
	}
	r, err := secret.Seal(doc, secret.SealOptions{
		Sealer: s.env.sealer(), Holders: s.at.holders, Scope: s.at.scope(s.o.scope),
		Namespace: s.o.namespace, DefaultNamespace: s.at.namespace(), AllowEmpty: s.o.allowEmpty,
	})
	if err != nil {
		return obj.error(err)
	}
	for _, w := range r.Warnings {
		s.warnings = append(s.warnings, label+": "+w)
	}
	s.values = append(s.values, r.Values)
	if s.signer == nil {
		s.warnings = append(s.warnings, s.at.unsigned(label)...)
	}
	if err := obj.Replace(r.JSON); err != nil {
		return err
	}
	return signObject(s.env, obj, s.signer)
}

// checkSealed refuses a GitSecret that is broken, or that carries plaintext beside what is sealed; a good one stays as it is.
func checkSealed(obj object) error {
	_, _, err := readSealed(obj)
	return err
}

// readSealed gives a GitSecret's JSON and what it says, with the refusals of checkSealed.
func readSealed(obj object) ([]byte, *seal.Document, error) {
	b, err := obj.JSON()
	if err != nil {
		return nil, nil, err
	}
	if obj.hasData() {
		return b, nil, obj.error(failed("seal it as a Secret (apiVersion v1)", "a GitSecret has neither data nor stringData: they would stay readable"))
	}
	doc, err := seal.ParseDocument(b)
	if err != nil {
		return b, nil, obj.error(err)
	}
	return b, doc, nil
}
