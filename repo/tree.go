package repo

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
)

var (
	// ErrNoSettings says that no .seal.yaml stands above a file.
	ErrNoSettings = errors.New("no " + SettingsName + " found")
	// ErrNoEnvironment says that no environment has a path that matches.
	ErrNoEnvironment = errors.New("no environment matches")
)

// Tree finds settings. Each file of settings and each note is read once. It may be used from several goroutines.
type Tree struct {
	from string
	mu   sync.Mutex
	dirs map[string]chain
	sets map[string]setRead // by the path of a holder's note
	// replaced are contents of files of settings that count in place of those on the disk, by absolute path.
	replaced map[string][]byte
	// roots are those of the repositories that folders lie in; empty for none.
	roots map[string]string
	files files
}

// files are what a Tree reads from.
type files interface {
	// read reads a regular file of at most limit bytes, which messages call name. One that does not exist is fs.ErrNotExist; other errors are *Error.
	read(path, name string, limit int64) ([]byte, error)
	// isRoot says whether a folder is the root of a repository.
	isRoot(dir string) bool
}

// NewTree is a Tree that has read nothing yet. Messages name files as seen from the folder from, which is absolute; empty for absolute names.
func NewTree(from string) *Tree {
	return newTree(from, disk{})
}

func newTree(from string, files files) *Tree {
	return &Tree{from: from, dirs: map[string]chain{}, sets: map[string]setRead{}, roots: map[string]string{}, files: files}
}

// Replace has data count as the content of the file of settings at path, which is absolute, in place of what is on the disk. It comes before the first question.
func (t *Tree) Replace(path string, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.replaced == nil {
		t.replaced = map[string][]byte{}
	}
	t.replaced[path] = data
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

// disk are the files of this machine.
type disk struct{}

func (disk) read(path, name string, limit int64) ([]byte, error) {
	return readRegular(path, name, limit)
}

func (disk) isRoot(dir string) bool { return isRoot(dir) }

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
	if parent := filepath.Dir(dir); t.files.isRoot(dir) {
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
	data, replaced := t.replaced[path]
	var err error
	if !replaced {
		data, err = t.files.read(path, file, maxSettings)
	}
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
