package source

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

const (
	stateFile = "state.json"
	packEnd   = ".pack"
	indexEnd  = ".index"
	temporary = "tmp-"
	// maxState is how large the state may be.
	maxState     = 4 * mib
	stateVersion = 1
)

// state is what the cache is of, and what is in it.
type state struct {
	Version int    `json:"version"`
	URL     string `json:"url"`
	// Tips are what branches and tags were at, by their full names. All that they need was fetched, down to the boundary.
	Tips map[string]string `json:"tips"`
	// Boundary are commits that the server believes to be there without their parents.
	Boundary []string `json:"boundary"`
	Packs    []string `json:"packs"`
}

// held is a pack that is open.
type held struct {
	*pack.Pack
	name string
}

// content is a state with its packs. It is not changed once it is in use.
type content struct {
	state
	packs []*held
}

// folder is the cache on the disk: a folder that nobody else may look into, and out of which no symlink leads.
type folder struct {
	root   *os.Root
	limits Limits
}

func openFolder(dir string, limits Limits) (*folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the cache: %w", err)
	}
	about, err := os.Lstat(dir)
	if err != nil {
		return nil, err
	}
	if !about.IsDir() {
		return nil, fmt.Errorf("the cache %s is no folder of its own", filepath.Base(dir))
	}
	if err := os.Chmod(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the cache private: %w", err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &folder{root: root, limits: limits}, nil
}

// load opens what the state names. Whatever does not fit gives an empty content: it is fetched anew.
func (f *folder) load() content {
	c, err := f.read()
	if err != nil {
		c.close()
		c = content{}
	}
	f.sweep(c)
	return c
}

func (f *folder) read() (content, error) {
	var c content
	in, err := f.root.Open(stateFile)
	if err != nil {
		return c, err
	}
	defer func() { _ = in.Close() }()
	text, err := io.ReadAll(io.LimitReader(in, maxState))
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(text, &c.state); err != nil {
		return c, err
	}
	if c.Version != stateVersion {
		return c, errCache
	}
	for _, name := range c.Packs {
		p, err := f.open(name)
		if err != nil {
			return c, err
		}
		c.packs = append(c.packs, p)
	}
	return c, nil
}

func (f *folder) open(name string) (*held, error) {
	file, err := f.root.Open(name + packEnd)
	if err != nil {
		return nil, err
	}
	index, err := f.root.Open(name + indexEnd)
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	p, err := pack.Open(file, index, f.limits.pack())
	if err != nil {
		return nil, err
	}
	return &held{Pack: p, name: name}, nil
}

// save makes a state the one that is loaded next time.
func (f *folder) save(c content) error {
	c.Version, c.Packs = stateVersion, nil
	for _, p := range c.packs {
		c.Packs = append(c.Packs, p.name)
	}
	text, err := json.Marshal(c.state)
	if err != nil {
		return err
	}
	name := temporary + stateFile
	if err := f.write(name, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	if err := f.root.Rename(name, stateFile); err != nil {
		return fmt.Errorf("writing the cache: %w", err)
	}
	return nil
}

// write makes a file, and has it on the disk.
func (f *folder) write(name string, fill func(w io.Writer) error) error {
	if err := f.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	out, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	err = fill(out)
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close())
}

// sweep removes what was left behind. Files that are none of the cache stay.
func (f *folder) sweep(c content) {
	keep := map[string]bool{}
	for _, p := range c.packs {
		keep[p.name+packEnd], keep[p.name+indexEnd] = true, true
	}
	names, err := fs.ReadDir(f.root.FS(), ".")
	if err != nil {
		return
	}
	for _, n := range names {
		name := n.Name()
		if !keep[name] && (strings.HasSuffix(name, packEnd) || strings.HasSuffix(name, indexEnd) || strings.HasPrefix(name, temporary)) {
			_ = f.root.Remove(name)
		}
	}
}

func (c content) close() {
	for _, p := range c.packs {
		_ = p.Close()
	}
}

// bytes is what the packs have on the disk.
func (c content) bytes() int64 {
	var n int64
	for _, p := range c.packs {
		n += p.Size()
	}
	return n
}

// entry says where an object is.
func (c content) entry(id pack.ID) (*held, pack.Entry, error) {
	for _, p := range c.packs {
		if e, err := p.Find(id); !errors.Is(err, pack.ErrNoObject) {
			return p, e, err
		}
	}
	return nil, pack.Entry{}, pack.ErrNoObject
}

// object reads an object of a type, of no more than limit bytes.
func (c content) object(id pack.ID, want pack.Type, limit int64) ([]byte, error) {
	p, e, err := c.entry(id)
	switch {
	case err != nil:
		return nil, err
	case e.Type != want:
		return nil, fmt.Errorf("%w: object %s is a %s and no %s", pack.ErrMalformed, id, e.Type, want)
	case e.Size > limit:
		return nil, fmt.Errorf("%w: %s %s has %d bytes, and %d may be", pack.ErrLimit, want, id, e.Size, limit)
	}
	_, text, err := p.Read(id)
	return text, err
}
