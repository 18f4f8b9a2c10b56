package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/bmatcuk/doublestar/v4"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

var (
	// ErrNoSettings says that no .seal.yaml stands above a file.
	ErrNoSettings = errors.New("no " + SettingsName + " found")
	// ErrNoEnvironment says that no environment has a path that matches.
	ErrNoEnvironment = errors.New("no environment matches")
)

// Tree finds settings. Each file of settings is read once. It may be used from several goroutines.
type Tree struct {
	from string
	mu   sync.Mutex
	dirs map[string]chain
	// roots are those of the repositories that folders lie in; empty for none.
	roots map[string]string
}

// NewTree is a Tree that has read nothing yet. Messages name files as seen from the folder from, which is absolute; empty for absolute names.
func NewTree(from string) *Tree {
	return &Tree{from: from, dirs: map[string]chain{}, roots: map[string]string{}}
}

// shown is how messages name a file.
func (t *Tree) shown(path string) string {
	if t.from == "" {
		return path
	}
	if rel, err := filepath.Rel(t.from, path); err == nil {
		return rel
	}
	return path
}

// layer is one file of settings.
type layer struct {
	dir      string // absolute
	file     string // as messages name it
	settings *Settings
}

// chain are the settings in force in a folder, the nearest first.
type chain struct {
	root   string
	layers []layer
	err    error
}

// Root is the repository's root above dir: the nearest folder with a .git in it (a file in a linked working tree).
func Root(dir string) (root string, ok bool) {
	for {
		if isRoot(dir) {
			return dir, true
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", false
		}
		dir = parent
	}
}

func isRoot(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, ".git"))
	return err == nil
}

// chain reads the settings for the folder dir, which is absolute.
func (t *Tree) chain(dir string) chain {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.known(dir)
}

// known is chain under the lock. A folder's settings stand upon those of the folder above, so that each file is read once, however deep the folders are.
func (t *Tree) known(dir string) chain {
	c, ok := t.dirs[dir]
	if !ok {
		c = t.readChain(dir)
		t.dirs[dir] = c
	}
	return c
}

func (t *Tree) readChain(dir string) chain {
	root, inRepo := t.root(dir)
	if !inRepo {
		root = dir
	}
	own, err := t.readLayer(dir)
	if err != nil {
		return chain{root: root, err: err}
	}
	c := chain{root: root}
	if dir != root {
		c = t.known(filepath.Dir(dir))
	}
	if own == nil || c.err != nil {
		return c
	}
	c.layers = append([]layer{*own}, c.layers...)
	c.err = c.checkHolders()
	return c
}

// root is Root, and remembers.
func (t *Tree) root(dir string) (root string, ok bool) {
	if root, known := t.roots[dir]; known {
		return root, root != ""
	}
	if parent := filepath.Dir(dir); isRoot(dir) {
		root = dir
	} else if parent != dir {
		root, _ = t.root(parent)
	}
	t.roots[dir] = root
	return root, root != ""
}

func (t *Tree) readLayer(dir string) (*layer, error) {
	path := filepath.Join(dir, SettingsName)
	file := t.shown(path)
	data, err := readRegular(path, file, maxSettings)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s, err := ParseSettings(file, data)
	if err != nil {
		return nil, err
	}
	return &layer{dir: dir, file: file, settings: s}, nil
}

// checkHolders refuses a holder that two files define: a pin could be replaced from a subfolder.
func (c chain) checkHolders() error {
	seen := map[string]string{}
	for _, l := range c.layers {
		for _, name := range slices.Sorted(maps.Keys(l.settings.Holders)) {
			if other, ok := seen[name]; ok {
				return &Error{File: other, Msg: fmt.Sprintf("holder %s is defined here and in %s", name, l.file), Hint: "define it once, at the top, and name it in environments"}
			}
			seen[name] = l.file
		}
	}
	return nil
}

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
			return Holder{Name: name, StatementKey: text.StatementKey, Recipients: text.Recipients, File: l.file, Note: note, shownNote: t.shown(note)}, true
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
