package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// outFlags say where new GitSecrets go.
type outFlags struct {
	out           string
	append, force bool
	output        syntaxFlag
}

func (f *outFlags) addTo(flags *pflag.FlagSet) {
	flags.StringVar(&f.out, "out", "", "write to `FILE`, which must not exist, instead of standard output")
	flags.BoolVar(&f.append, "append", false, "add to --out FILE where it exists")
	flags.BoolVar(&f.force, "force", false, "replace the GitSecret of the same name in --out FILE; its other documents stay")
	flags.StringVarP(&f.output.name, "output", "o", "", "write `yaml|json`; if left out, what FILE is or is named, else yaml")
}

func (f *outFlags) check() error {
	if _, _, err := f.output.syntax(); err != nil {
		return err
	}
	if (f.append || f.force) && (f.out == "" || f.out == stdinArg) {
		return usage("", "--append and --force go with --out FILE")
	}
	return nil
}

// made is a new GitSecret that is to be written.
type made struct {
	namespace, name string
	json            []byte
}

func (m made) place() string {
	if m.namespace == "" {
		return shown(m.name)
	}
	return shown(m.namespace) + "/" + shown(m.name)
}

// target is a file that new GitSecrets go to, as it was before.
type target struct {
	*outFlags
	syntax  manifest.Syntax
	special bool // standard output, a device or a pipe
	exists  bool
	was     []byte
	file    *manifest.File // where it exists
	objects []object
}

// open looks at the file before anything else is done, so that nobody is asked for a value that cannot be written.
func (f *outFlags) open(ctx context.Context, env *Env) (*target, error) {
	t := &target{outFlags: f, syntax: f.syntaxOf(f.out)}
	if f.out == "" || f.out == stdinArg {
		t.special = true
		return t, nil
	}
	info, err := os.Stat(env.path(f.out))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return t, t.canBeMade(env)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", f.out, pathCause(err))
	case info.IsDir():
		return nil, failed("", "%s: is a folder", f.out)
	case !info.Mode().IsRegular():
		t.special = true
		return t, nil
	case !f.append && !f.force:
		return nil, failed("add to it with --append, or replace the GitSecret of that name in it with --force", "%s exists already", f.out)
	}
	t.exists = true
	return t, t.load(ctx, env)
}

// canBeMade says what stands against making the file, as far as that can be seen.
func (t *target) canBeMade(env *Env) error {
	path := env.path(t.out)
	if _, err := os.Lstat(path); err == nil {
		return failed("", "%s: is a symbolic link that leads nowhere", t.out)
	}
	if _, err := os.Stat(filepath.Dir(path)); errors.Is(err, fs.ErrNotExist) {
		return failed("make it first: mkdir -p FOLDER", "%s: the folder %s does not exist", t.out, shown(filepath.Dir(t.out)))
	}
	return nil
}

func (t *target) load(ctx context.Context, env *Env) (err error) {
	if t.was, err = env.read(ctx, t.out, "a manifest", maxManifest); err != nil {
		return err
	}
	if t.file, err = manifest.Parse(t.out, t.was); err != nil {
		return err
	}
	if len(bytes.TrimSpace(t.was)) == 0 {
		return nil
	}
	if _, given, _ := t.output.syntax(); given && t.syntax != t.file.Syntax() {
		return usage("leave out -o", "%s is in %s: -o cannot make it another one", t.out, t.file.Syntax())
	}
	t.syntax = t.file.Syntax()
	t.objects = objects(t.out, t.file, math.MaxInt)
	return nil
}

// syntaxOf is what a new file of this name is written in.
func (f *outFlags) syntaxOf(name string) manifest.Syntax {
	s, given, _ := f.output.syntax()
	if !given && filepath.Ext(name) == ".json" {
		return manifest.JSON
	}
	return s
}

// find looks for what the file has under the name already. ok says that it is a GitSecret that may be replaced; without error and ok, the name is free.
func (t *target) find(namespace, name string) (obj object, ok bool, err error) {
	for _, o := range t.objects {
		if o.role == other || o.node.name != name || o.namespace != "" && namespace != "" && o.namespace != namespace {
			continue
		}
		switch {
		case o.role != isSealed:
			return o, false, failed("seal it with seal -w, or remove it", "%s is there already, and not sealed", o.label())
		case !t.force:
			return o, false, failed("change it with seal set, or replace it with --force", "%s is there already", o.label())
		}
		return o, true, nil
	}
	if t.exists && !t.append {
		return object{}, false, failed("add to the file with --append", "%s: holds no GitSecret %s", t.out, made{namespace: namespace, name: name}.place())
	}
	return object{}, false, nil
}

// write puts all into the file, or nothing. It warns of what is replaced and does not come back.
func (t *target) write(ctx context.Context, env *Env, all ...made) error {
	var added []made
	var lost []string
	for _, m := range all {
		obj, found, err := t.find(m.namespace, m.name)
		if err != nil {
			return err
		}
		if !found {
			added = append(added, m)
			continue
		}
		lost = append(lost, lostBy(obj, m)...)
		if err := obj.Replace(m.json); err != nil {
			return err
		}
	}
	data, err := t.render(added)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if t.special {
		return env.writeOut(t.out, data, sealedMode)
	}
	switch err := t.replace(env, data); {
	case errors.Is(err, fs.ErrExist):
		return failed("", "%s exists already", t.out)
	case err != nil:
		return withWayOut(err)
	}
	warn(env.Stderr, lost...)
	return nil
}

func (t *target) replace(env *Env, data []byte) error {
	var batch replace.Batch
	defer batch.Discard()
	stage := func() error { return batch.Create(env.path(t.out), data, sealedMode) }
	if t.exists {
		stage = func() error { return batch.Update(env.path(t.out), t.was, data) }
	}
	if err := stage(); err != nil {
		return err
	}
	return batch.Commit()
}

// lostBy names what a GitSecret has and the one that replaces it has not.
func lostBy(old object, m made) []string {
	was, err := parseSealed(old)
	if err != nil {
		return nil // what is broken is replaced as a whole
	}
	now, err := seal.ParseDocument(m.json)
	if err != nil {
		return nil
	}
	var gone []string
	for _, key := range slices.Sorted(maps.Keys(was.Spec().Items)) {
		if _, there := now.Spec().Items[key]; !there {
			gone = append(gone, key)
		}
	}
	var lost []string
	if len(gone) > 0 {
		lost = append(lost, old.label()+": is replaced, and does not have these keys any more: "+some(gone))
	}
	spec := was.Spec()
	for field, there := range map[string]bool{
		"signature": spec.Signature != nil, "template.data": spec.Template != nil && len(spec.Template.Data) > 0,
		"deletionPolicy": spec.DeletionPolicy != "", "onImmutable": spec.OnImmutable != "", "suspend": spec.Suspend,
	} {
		if there {
			lost = append(lost, old.label()+": is replaced, and spec."+field+" is gone with it")
		}
	}
	slices.Sort(lost)
	return lost
}

// render is the file with the new documents after those that it has, in its line ends.
func (t *target) render(added []made) ([]byte, error) {
	var s stream
	before := 0
	if len(bytes.TrimSpace(t.was)) > 0 {
		if err := s.add(t.file.Bytes(), t.syntax); err != nil {
			return nil, err
		}
		before = s.buf.Len()
	}
	for _, m := range added {
		doc, err := renderAs(t.syntax, m.json)
		if err != nil {
			return nil, err
		}
		if err := s.add(doc, t.syntax); err != nil {
			return nil, err
		}
	}
	data := s.buf.Bytes()
	if bytes.Contains(t.was, []byte("\r\n")) {
		data = slices.Concat(data[:before], bytes.ReplaceAll(data[before:], []byte("\n"), []byte("\r\n")))
	}
	return data, t.verify(data, added)
}

// verify reads again what is about to be written: every document must be there.
func (t *target) verify(data []byte, added []made) error {
	name := t.out
	if name == "" {
		name = stdinArg
	}
	file, err := manifest.Parse(name, data)
	if err != nil {
		return fmt.Errorf("checking the result: %w", err)
	}
	all := objects(name, file, math.MaxInt)
	if len(all) != len(t.objects)+len(added) {
		return failed("", "%s: a document cannot be added to this file", name)
	}
	for i, m := range added {
		doc, err := all[len(t.objects)+i].JSON()
		if err != nil || !slices.Equal(doc, m.json) {
			return failed("", "%s: a document cannot be added to this file", name)
		}
	}
	return nil
}
