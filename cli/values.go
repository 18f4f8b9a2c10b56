package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// valueFlags are the flags that say where values come from.
type valueFlags struct {
	fromFiles  []string
	allowEmpty bool
}

func (f *valueFlags) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.fromFiles, "from-file", nil, "take a value from a file, as `[KEY=]PATH`; without KEY= for the KEY given, else under the file's own name; repeatable")
	flags.BoolVar(&f.allowEmpty, "allow-empty", false, "take an empty value, too")
}

// valuePlan says for each key where its value comes from.
type valuePlan struct {
	files      map[string]string // key to path
	rest       []string          // keys whose values come from standard input or a prompt
	allowEmpty bool
}

// plan sorts out keys and sources before anything is read. Its errors do not quote arguments, one of which may be a value.
func (f *valueFlags) plan(env *Env, args []string) (*valuePlan, error) {
	p := &valuePlan{files: map[string]string{}, allowEmpty: f.allowEmpty}
	seen := map[string]bool{}
	add := func(key string) error {
		if err := checkKey(key); err != nil {
			return err
		}
		if seen[key] {
			return usage("", "the key %s is given twice", key)
		}
		seen[key] = true
		return nil
	}
	for _, key := range args {
		if err := add(key); err != nil {
			return nil, err
		}
	}
	p.rest = args
	for _, arg := range f.fromFiles {
		key, path, named := strings.Cut(arg, "=")
		switch {
		case named:
		case len(args) == 1 && len(f.fromFiles) == 1:
			p.files[args[0]], p.rest = arg, nil
			continue
		case len(args) > 0:
			return nil, usage("write --from-file KEY=PATH", "which KEY is --from-file for?")
		default:
			key, path = filepath.Base(arg), arg
		}
		if err := add(key); err != nil {
			return nil, err
		}
		p.files[key] = path
	}
	return p, p.check(env)
}

func (p *valuePlan) check(env *Env) error {
	switch {
	case len(p.rest) == 0 && len(p.files) == 0:
		return usage("see seal set --help", "missing KEY")
	case len(p.rest) > 1 && !env.stdinIsTerminal():
		return usage("use --from-file KEY=PATH for the others", "standard input can hold the value of one KEY only")
	}
	return nil
}

// inputs lists the files that will be read, standard input among them.
func (p *valuePlan) inputs(env *Env) []string {
	names := slices.Collect(maps.Values(p.files))
	if len(p.rest) > 0 && !env.stdinIsTerminal() {
		names = append(names, stdinArg)
	}
	return names
}

// checkKey refuses what cannot be a key. KEY=VALUE is refused for what it is.
func checkKey(key string) error { return checkKeyFor(key, "seal set FILE ") }

// checkKeyFor is checkKey for a command that takes a value from standard input when a key is written after it.
func checkKeyFor(key, command string) error {
	name, _, hasValue := strings.Cut(key, "=")
	if hasValue {
		if seal.CheckItemName(name) != nil {
			name = "KEY"
		}
		return usage("other users and the shell's history see it; write: printf %s … | "+command+name, "a value does not belong on the command line")
	}
	if seal.CheckItemName(key) != nil {
		return usage("use letters, digits, -, _ and ., at most 253; values are read from standard input or a file", "an argument cannot be a key of a Secret")
	}
	return nil
}

// read gets the values: files first, then standard input or the prompt.
func (p *valuePlan) read(ctx context.Context, env *Env) (seal.Values, []string, error) {
	values := seal.Values{}
	var warnings []string
	total := 0
	for _, key := range slices.Sorted(maps.Keys(p.files)) {
		b, err := env.read(ctx, p.files[key], "the value of "+key, seal.MaxValues)
		if err != nil {
			return nil, nil, err
		}
		if total += len(b); total > seal.MaxValues {
			return nil, nil, failed("", "the values are more than %d bytes in sum; a Kubernetes Secret holds at most 1 MiB", seal.MaxValues)
		}
		values[key] = seal.NewValue(b)
	}
	for _, key := range p.rest {
		b, err := readValue(ctx, env, key)
		if err != nil {
			return nil, nil, err
		}
		if oneLine(b) {
			warnings = append(warnings, fmt.Sprintf("the value of %s ends with a newline, which is part of it now; printf %%s \"$(…)\" gives none", key))
		}
		values[key] = seal.NewValue(b)
	}
	for _, key := range values.Names() {
		if values[key].Len() == 0 && !p.allowEmpty {
			return nil, nil, failed("if that is meant, pass --allow-empty", "the value of %s is empty", key)
		}
	}
	return values, warnings, nil
}

// oneLine says whether b is a single line with its newline, which is seldom meant: of a file of several lines it is a part.
func oneLine(b []byte) bool { return bytes.IndexByte(b, '\n') == len(b)-1 && len(b) > 0 }

func readValue(ctx context.Context, env *Env, key string) ([]byte, error) {
	if !env.stdinIsTerminal() {
		return env.read(ctx, stdinArg, "the value of "+key, seal.MaxValues)
	}
	first, err := env.Terminal.ReadPassword(ctx, "value of "+key+": ")
	if errors.Is(err, errLongLine) {
		return nil, failed("give it in a file, with --from-file "+key+"=PATH, or through a pipe", "the value of %s is %v", key, err)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the value of %s: %w", key, err)
	}
	again, err := env.Terminal.ReadPassword(ctx, "again: ")
	if err != nil {
		return nil, fmt.Errorf("reading the value of %s: %w", key, err)
	}
	defer clear(again)
	if !bytes.Equal(first, again) {
		return nil, failed("", "the two values of %s differ", key)
	}
	return first, nil
}
