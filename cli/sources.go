package cli

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// sourceFlags say where the values of a new Secret come from, in kubectl's words.
type sourceFlags struct {
	literals, fromFiles, envFiles []string
	allowEmpty                    bool
}

func (f *sourceFlags) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.fromFiles, "from-file", nil, "take a value from a file, as `[KEY=]PATH` (KEY=- for standard input), or from all files of a folder; repeatable")
	flags.StringArrayVar(&f.envFiles, "from-env-file", nil, "take values from lines of KEY=VALUE in `FILE` (- for standard input); repeatable")
	flags.StringArrayVar(&f.literals, "from-literal", nil, "take `KEY=VALUE` from the command line, where other users and the shell's history see it; repeatable")
	f.addEmptyTo(flags)
}

func (f *sourceFlags) addEmptyTo(flags *pflag.FlagSet) {
	flags.BoolVar(&f.allowEmpty, "allow-empty", false, "take an empty value, or none at all, too")
}

// sourcePlan is a valuePlan with the other sources of a new Secret.
type sourcePlan struct {
	valuePlan
	literals seal.Values
	envFiles []string
	warnings []string
	keys     map[string]bool // those known before anything is read
	// finish checks what was read, or makes of it what is to be sealed.
	finish finisher
}

// plan sorts out keys and sources before anything is read. args are the keys to ask for. Its errors do not quote arguments, one of which may be a value.
func (f *sourceFlags) plan(env *Env, args []string) (*sourcePlan, error) {
	p := &sourcePlan{
		valuePlan: valuePlan{files: map[string]string{}, allowEmpty: f.allowEmpty},
		literals:  seal.Values{}, envFiles: f.envFiles, keys: map[string]bool{},
	}
	for _, key := range args {
		if err := p.ask(key); err != nil {
			return nil, err
		}
	}
	for _, arg := range f.literals {
		key, value, ok := strings.Cut(arg, "=")
		if !ok {
			return nil, usage("write --from-literal KEY=VALUE, or KEY alone after NAME to be asked for the value", "--from-literal without =")
		}
		if err := p.addText(key, value); err != nil {
			return nil, err
		}
	}
	if len(f.literals) > 0 {
		p.warnings = append(p.warnings, "--from-literal: other users and the shell's history see the value; name the KEY alone to be asked for it")
	}
	for _, arg := range f.fromFiles {
		if err := p.addFrom(env, arg); err != nil {
			return nil, err
		}
	}
	if len(p.rest) > 1 && !env.stdinIsTerminal() {
		return nil, usage("use --from-file KEY=PATH for the others", "standard input can hold the value of one KEY only")
	}
	return p, nil
}

// add takes note of a key, which must be a new one.
func (p *sourcePlan) add(key string) error {
	if err := checkKeyFor(key, "seal create NAME "); err != nil {
		return err
	}
	if p.keys[key] {
		return usage("", "the key %s is given twice", key)
	}
	p.keys[key] = true
	return nil
}

// ask takes note of a key whose value the person is asked for.
func (p *sourcePlan) ask(key string) error {
	p.rest = append(p.rest, key)
	return p.add(key)
}

func (p *sourcePlan) addFile(key, path string) error {
	p.files[key] = path
	return p.add(key)
}

func (p *sourcePlan) addText(key, value string) error {
	p.literals[key] = seal.NewValue([]byte(value))
	return p.add(key)
}

// addFrom is one --from-file.
func (p *sourcePlan) addFrom(env *Env, arg string) error {
	key, path, named := strings.Cut(arg, "=")
	switch {
	case named && (key == "" || path == ""):
		return usage("write --from-file KEY=PATH", "--from-file without KEY or PATH")
	case named:
		if info, err := os.Stat(env.path(path)); err == nil && path != stdinArg && info.IsDir() {
			return usage("the files of a folder go by their own names: --from-file FOLDER", "--from-file: a folder takes no KEY")
		}
		return p.addFile(key, path)
	case arg == stdinArg:
		return usage("write --from-file KEY=-", "--from-file -: which KEY is standard input for?")
	}
	info, err := os.Stat(env.path(arg))
	if err == nil && info.IsDir() {
		return p.addFolder(env, arg)
	}
	return p.addFile(filepath.Base(arg), arg)
}

// addFolder takes the regular files of a folder whose names can be keys, as kubectl documents it, and says which others it leaves out.
func (p *sourcePlan) addFolder(env *Env, folder string) error {
	entries, err := os.ReadDir(env.path(folder))
	if err != nil {
		return failed("", "%s: %v", folder, pathCause(err))
	}
	var out []string
	found := 0
	for _, e := range entries {
		if !e.Type().IsRegular() || seal.CheckItemName(e.Name()) != nil {
			out = append(out, shown(e.Name()))
			continue
		}
		if found++; found > seal.MaxItems {
			return failed("", "%s: holds more than %d files", folder, seal.MaxItems)
		}
		if err := p.addFile(e.Name(), filepath.Join(folder, e.Name())); err != nil {
			return err
		}
	}
	if found == 0 {
		return failed("folders in it, links and names that cannot be keys are left out", "%s: holds no file to seal", folder)
	}
	if len(out) > 0 {
		p.warnings = append(p.warnings, folder+": left out, because they are no files or their names cannot be keys: "+some(out))
	}
	return nil
}

// check refuses a plan that takes nothing from anywhere.
func (p *sourcePlan) check() error {
	if len(p.keys) == 0 && len(p.envFiles) == 0 && !p.allowEmpty {
		return usage("name KEYs to be asked for, or give --from-file, --from-env-file or --from-literal", "nothing to seal")
	}
	return nil
}

// inputs lists the files that will be read, standard input among them.
func (p *sourcePlan) inputs(env *Env) []string {
	return slices.Concat(p.valuePlan.inputs(env), p.envFiles)
}

// read gets the values: those of files first, the person is asked last.
func (p *sourcePlan) read(ctx context.Context, env *Env) (seal.Values, []string, error) {
	warnings := slices.Clone(p.warnings)
	all := seal.Values{}
	for _, key := range p.literals.Names() {
		if p.literals[key].Len() == 0 && !p.allowEmpty {
			return nil, nil, failed("is its variable set? If an empty value is meant, pass --allow-empty", "the value of %s is empty", key)
		}
		all[key] = p.literals[key]
	}
	for _, name := range p.envFiles {
		more, err := p.readEnvFile(ctx, env, name, all)
		if err != nil {
			return nil, nil, err
		}
		warnings = append(warnings, more...)
	}
	values, more, err := p.valuePlan.read(ctx, env)
	if err != nil {
		return nil, nil, err
	}
	warnings = append(warnings, more...)
	maps.Copy(all, values)
	if p.finish == nil {
		return all, warnings, nil
	}
	all, more, err = p.finish(all)
	return all, append(warnings, more...), err
}

func (p *sourcePlan) readEnvFile(ctx context.Context, env *Env, name string, all seal.Values) ([]string, error) {
	b, err := env.read(ctx, name, "lines of KEY=VALUE", seal.MaxValues)
	if err != nil {
		return nil, err
	}
	values, warnings, err := parseEnvFile(shownName(name), b, env.Getenv)
	if err != nil {
		return nil, err
	}
	for _, key := range values.Names() {
		if _, there := all[key]; there || p.keys[key] {
			return nil, failed("take it from one place", "the key %s is given twice, once in %s", key, shownName(name))
		}
		all[key] = values[key]
	}
	return warnings, nil
}
