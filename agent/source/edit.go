package source

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// wants is what is to be in a folder: files, and folders with theirs.
type wants struct {
	files   map[string][]byte // nil: none
	folders map[string]*wants
}

// sorted brings changes by path into folders.
func sorted(changes map[string][]byte) (*wants, error) {
	root := &wants{}
	for path, content := range changes {
		parts := strings.Split(path, "/")
		for _, p := range parts {
			if p == "" || p == "." || p == ".." || strings.EqualFold(p, ".git") || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				return nil, fmt.Errorf("%q is no path that a file is written to", path)
			}
		}
		at := root
		for _, p := range parts[:len(parts)-1] {
			if at.folders[p] == nil {
				if at.folders == nil {
					at.folders = map[string]*wants{}
				}
				at.folders[p] = &wants{}
			}
			at = at.folders[p]
		}
		if at.files == nil {
			at.files = map[string][]byte{}
		}
		at.files[parts[len(parts)-1]] = content
	}
	return root, nil
}

// editor makes the trees and files that a commit has new.
type editor struct {
	from  content
	limit int64
	made  []pack.Object
	ids   map[pack.ID]bool // of made
}

func (e *editor) add(t pack.Type, text []byte) pack.ID {
	o := pack.Object{Type: t, Content: text}
	id := o.ID()
	if !e.ids[id] {
		e.ids[id] = true
		e.made = append(e.made, o)
	}
	return id
}

// folder makes a tree with what is wanted in it; old is the one before, if there was one. It is nil where nothing is left.
func (e *editor) folder(old *pack.ID, want *wants, path string) (*pack.ID, error) {
	var entries []treeEntry
	if old != nil {
		text, err := e.from.object(*old, pack.Tree, e.limit)
		if err != nil {
			return nil, err
		}
		if entries, err = parseTree(text, math.MaxInt); err != nil {
			return nil, err
		}
	}
	for name, content := range want.files {
		if err := e.file(&entries, name, content, path+name); err != nil {
			return nil, err
		}
	}
	for name, inner := range want.folders {
		if err := e.inner(&entries, name, inner, path+name+"/"); err != nil {
			return nil, err
		}
	}
	if len(entries) == 0 {
		return nil, nil
	}
	slices.SortFunc(entries, func(a, b treeEntry) int { return strings.Compare(a.order(), b.order()) })
	var text []byte
	for _, t := range entries {
		text = append(append(append(append(text, t.mode...), ' '), t.name...), 0)
		text = append(text, t.id[:]...)
	}
	id := pack.Hash(pack.Tree, text)
	if old == nil || id != *old {
		e.add(pack.Tree, text)
	}
	return &id, nil
}

// order is what Git sorts entries by.
func (t treeEntry) order() string {
	if t.folder() {
		return t.name + "/"
	}
	return t.name
}

// file has an entry for a file.
func (e *editor) file(entries *[]treeEntry, name string, content []byte, path string) error {
	i := slices.IndexFunc(*entries, func(t treeEntry) bool { return t.name == name })
	switch {
	case i >= 0 && !(*entries)[i].regular():
		return fmt.Errorf("%q is no file: it is left alone", path)
	case content == nil && i >= 0:
		*entries = slices.Delete(*entries, i, i+1)
		return nil
	case content == nil:
		return nil
	case int64(len(content)) > e.limit:
		return errors.New("a file would be too large")
	}
	id := pack.Hash(pack.Blob, content)
	if i >= 0 && (*entries)[i].id == id {
		return nil
	}
	e.add(pack.Blob, content)
	if i >= 0 {
		(*entries)[i].id = id
	} else {
		*entries = append(*entries, treeEntry{modeFile, name, id})
	}
	return nil
}

// inner has an entry for a folder.
func (e *editor) inner(entries *[]treeEntry, name string, want *wants, path string) error {
	i := slices.IndexFunc(*entries, func(t treeEntry) bool { return t.name == name })
	var old *pack.ID
	if i >= 0 {
		if !(*entries)[i].folder() {
			return fmt.Errorf("%q is no folder: it is left alone", strings.TrimSuffix(path, "/"))
		}
		old = &(*entries)[i].id
	}
	id, err := e.folder(old, want, path)
	switch {
	case err != nil:
		return err
	case id == nil && i >= 0:
		*entries = slices.Delete(*entries, i, i+1)
	case id == nil:
	case i >= 0:
		(*entries)[i].id = *id
	default:
		*entries = append(*entries, treeEntry{modeFolder, name, *id})
	}
	return nil
}
