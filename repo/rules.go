package repo

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Rules are what holds for one file.
type Rules struct {
	Root        string   // the repository's root, or the file's folder outside of one
	File        string   // the .seal.yaml whose environment matches, as messages name it
	Environment string   // its name
	Holders     []Holder // in the order of their names
	Scope       string   // never empty
	Namespace   string
	Signed      bool
	Signers     []Signer
}

// Rules says what holds for the file at path, which need not exist. The error is ErrNoSettings, ErrNoEnvironment (wrapped in an *Error), or says what is
// wrong with the settings.
func (t *Tree) Rules(path string) (*Rules, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	c := t.chain(filepath.Dir(path))
	if c.err != nil {
		return nil, c.err
	}
	if len(c.layers) == 0 {
		return nil, ErrNoSettings
	}
	l, e := c.environment(path)
	if e == nil {
		return nil, &Error{File: c.layers[0].file, Msg: fmt.Sprintf("no environment has a path that matches %s", c.relative(path)),
			Hint: "add it to the paths of an environment, or say for whom to seal with -r or -R", cause: ErrNoEnvironment}
	}
	return t.rules(c, l, e)
}

// relative is path from the repository's root, for messages.
func (c chain) relative(path string) string {
	if rel, err := filepath.Rel(c.root, path); err == nil {
		return filepath.ToSlash(rel)
	}
	return path
}

func (c chain) environment(path string) (*layer, *Environment) {
	for i := range c.layers {
		l := &c.layers[i]
		for j := range l.settings.Environments {
			if e := &l.settings.Environments[j]; matches(l.dir, path, e.Paths) {
				return l, e
			}
		}
	}
	return nil, nil
}

// matches says whether path lies below dir under one of the patterns.
func matches(dir, path string, globs []string) bool {
	rel, err := filepath.Rel(dir, path)
	if err != nil {
		return false
	}
	rel = filepath.ToSlash(rel)
	return slices.ContainsFunc(globs, func(g string) bool { return doublestar.MatchUnvalidated(strings.TrimPrefix(g, "./"), rel) })
}

func (t *Tree) rules(c chain, l *layer, e *Environment) (*Rules, error) {
	r := &Rules{Root: c.root, File: l.file, Environment: e.Name, Namespace: e.Namespace, Signed: e.Signed, Signers: c.signers(), Scope: e.Scope}
	breakGlass := e.BreakGlass
	for i := range c.layers {
		s := c.layers[i].settings
		if r.Scope == "" {
			r.Scope = s.Scope
		}
		if breakGlass == nil {
			breakGlass = s.BreakGlass
		}
	}
	if r.Scope == "" {
		r.Scope = seal.ScopeStrict
	}
	names := slices.Clone(e.Holders)
	if breakGlass != nil {
		names = append(names, *breakGlass...)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		h, ok := t.holder(c, name)
		if !ok {
			return nil, &Error{File: l.file, Msg: fmt.Sprintf("environment %s: holder %q is not defined", e.Name, name), Hint: "define it under holders"}
		}
		r.Holders = append(r.Holders, h)
	}
	return r, nil
}

// Holders are all holders that the settings for files in the folder dir define, in the order of their names.
func (t *Tree) Holders(dir string) ([]Holder, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	c := t.chain(dir)
	if c.err != nil {
		return nil, c.err
	}
	if len(c.layers) == 0 {
		return nil, ErrNoSettings
	}
	names := map[string]bool{}
	for _, l := range c.layers {
		for name := range l.settings.Holders {
			names[name] = true
		}
	}
	var out []Holder
	for _, name := range slices.Sorted(maps.Keys(names)) {
		h, _ := t.holder(c, name)
		out = append(out, h)
	}
	return out, nil
}

// Signers are the allowed signers for files in the folder dir: those of the nearest settings that list any. They do not depend on the environment. The error
// is ErrNoSettings, or says what is wrong with the settings.
func (t *Tree) Signers(dir string) ([]Signer, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	c := t.chain(dir)
	switch {
	case c.err != nil:
		return nil, c.err
	case len(c.layers) == 0:
		return nil, ErrNoSettings
	}
	return c.signers(), nil
}

func (c chain) signers() []Signer {
	for _, l := range c.layers {
		if l.settings.Signers != nil {
			return *l.settings.Signers
		}
	}
	return nil
}

func (t *Tree) holder(c chain, name string) (Holder, bool) {
	for _, l := range c.layers {
		if text, ok := l.settings.Holders[name]; ok {
			note := filepath.Join(l.dir, NotesDir, name+".note")
			h := Holder{Name: name, StatementKey: text.StatementKey, Recipients: text.Recipients, File: l.file, Note: note, shownNote: t.shown(note), files: t.files}
			if text.Backup != "" {
				h.Backup = filepath.Join(l.dir, filepath.FromSlash(text.Backup))
			}
			return h, true
		}
	}
	return Holder{}, false
}

// Ignored says whether a walk leaves out the file or folder at path, which is absolute.
func (t *Tree) Ignored(path string) (bool, error) {
	c := t.chain(filepath.Dir(path))
	if c.err != nil {
		return false, c.err
	}
	return slices.ContainsFunc(c.layers, func(l layer) bool { return matches(l.dir, path, l.settings.Ignore) }), nil
}

// Patterns are for paths below a folder, as settings have them.
type Patterns struct {
	dir   string
	globs []string
}

// NewPatterns checks patterns for paths below the folder dir, which is absolute.
func NewPatterns(dir string, globs []string) (*Patterns, error) {
	for _, g := range globs {
		if !isGlob(g) {
			return nil, fmt.Errorf("%q is no pattern for paths below the folder, such as charts/**", g)
		}
	}
	return &Patterns{dir: dir, globs: globs}, nil
}

// Match says whether one of the patterns is for path, which is absolute.
func (p *Patterns) Match(path string) bool { return matches(p.dir, path, p.globs) }
