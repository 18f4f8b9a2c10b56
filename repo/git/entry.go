package git

import (
	"errors"
	"fmt"
	"strings"
)

// Side is a file in one of the versions that are compared.
type Side struct {
	Path string
	Mode string // six octal digits; zeros where there is no file
	ID   string // of the blob; zeros where there is none, or where the content is to be read from the working tree
}

// Regular says whether the side is a file with a content of its own: not absent, no symbolic link, no submodule.
func (s Side) Regular() bool { return strings.HasPrefix(s.Mode, "100") }

// Known says whether ID names a blob.
func (s Side) Known() bool { return strings.Trim(s.ID, "0") != "" }

// Entry is a file that differs. A merge has an old side for each parent; everything else has one.
type Entry struct {
	Old []Side
	New Side
	// Unmerged says that the index holds a conflict and no content.
	Unmerged bool
}

var errForm = errors.New("git answers in a form that is not known")

// rawEntry reads an entry of git's raw format with -z: its head, and as many paths as next has to give. With parents above 0 it is a combined one.
func rawEntry(head string, next func() (string, error)) (Entry, error) {
	colons := len(head) - len(strings.TrimLeft(head, ":"))
	fields := strings.Fields(head[colons:])
	// As many modes, and then ids, as there are sides; the status comes last.
	sides := colons + 1
	if colons == 0 || len(fields) != 2*sides+1 {
		return Entry{}, fmt.Errorf("%w: %q", errForm, head)
	}
	status := fields[2*sides]
	e := Entry{New: Side{Mode: fields[sides-1], ID: fields[2*sides-1]}, Unmerged: status == "U"}
	for i := range colons {
		e.Old = append(e.Old, Side{Mode: fields[i], ID: fields[sides+i]})
	}
	paths := sides
	if colons == 1 && !strings.ContainsAny(status[:1], "RC") {
		paths = 1
	}
	for i := range sides {
		path := e.New.Path
		if i < paths {
			var err error
			if path, err = next(); err != nil {
				return Entry{}, err
			}
		}
		if i < colons {
			e.Old[i].Path = path
		}
		e.New.Path = path
	}
	return e, nil
}
