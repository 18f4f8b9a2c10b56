package cli

import (
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo/change"
	"github.com/waxwing-io/waxwing/repo/git"
)

// commitChange is what a commit did to a file.
type commitChange struct {
	ID       string              `json:"commit"`
	Date     string              `json:"date,omitempty"` // the author's, RFC 3339
	Author   string              `json:"author"`
	Subject  string              `json:"subject"`
	Merge    bool                `json:"merge,omitempty"`
	Path     string              `json:"path"`
	From     string              `json:"from,omitempty"`     // the old path, where the commit has renamed the file
	Boundary bool                `json:"boundary,omitempty"` // a shallow clone ends here: what was added may be older
	Problems []string            `json:"problems,omitempty"`
	Objects  []change.Difference `json:"objects"`
}

// shortCommit is how much of a commit's id people see, in hex digits.
const shortCommit = 12

// logReport is what `seal log` tells.
type logReport struct {
	Path    string         `json:"path"`
	Commits []commitChange `json:"commits"`
}

func newCommitChange(c git.Commit, parents []fileVersion, after fileVersion) commitChange {
	told := commitChange{ID: c.ID, Author: c.Author, Subject: c.Subject, Merge: len(c.Parents) > 1, Path: c.Entry.New.Path, Objects: []change.Difference{}}
	if !c.Date.IsZero() {
		told.Date = c.Date.Format("2006-01-02T15:04:05Z07:00")
	}
	if old := c.Entry.Old[0].Path; len(parents) == 1 && old != told.Path {
		told.From = old
	}
	if len(parents) == 1 {
		told.Objects, told.Problems = between(parents[0], after)
	} else if after.problem != "" {
		told.Problems = []string{"this version cannot be read: " + after.problem}
	} else {
		sealed := make([][]change.Object, len(parents))
		for i, p := range parents {
			sealed[i] = p.sealed
		}
		told.Objects = change.Merged(sealed, after.sealed)
	}
	return told
}

func (c commitChange) empty() bool { return len(c.Objects)+len(c.Problems) == 0 }

// narrow leaves out what does not concern the objects called name, and the items called key; empty ones stand for all.
func (c *commitChange) narrow(name, key string) {
	objects := []change.Difference{}
	for _, d := range c.Objects {
		// The versions are no longer needed, and a long history has many.
		d.Before, d.After = nil, nil
		if name != "" && d.Name != name {
			continue
		}
		if key != "" {
			d.Items = slices.DeleteFunc(slices.Clone(d.Items), func(i change.Item) bool { return i.Name != key })
			d.Wraps = slices.DeleteFunc(slices.Clone(d.Wraps), func(w change.Wrap) bool { return !slices.Contains(w.Items, key) })
			for i := range d.Wraps {
				d.Wraps[i].Items = []string{key}
			}
			d.Unchanged, d.Fields, d.Signature = nil, nil, nil
			if len(d.Items)+len(d.Wraps) == 0 {
				continue
			}
		}
		objects = append(objects, d)
	}
	c.Objects = objects
	if key != "" || name != "" {
		if len(objects) == 0 {
			c.Problems = nil
		}
	}
}

func (c commitChange) text(t *reportText) {
	day, _, _ := strings.Cut(c.Date, "T")
	if day == "" {
		day = "no date"
	}
	merge := ""
	if c.Merge {
		merge = " (merge)"
	}
	head := t.paint(yellow, "commit "+c.ID[:min(len(c.ID), shortCommit)])
	t.line(0, head+styled(strings.Map(visible, merge+"  "+day+"  "+cut(c.Author, 60)+"  "+cut(c.Subject, 100))))
	if c.From != "" {
		t.note(1, shown(c.From)+" -> "+shown(c.Path))
	}
	if c.Boundary {
		t.mark(1, '!', "this clone is shallow and ends here: what follows may be older (git fetch --unshallow)")
	}
	for _, problem := range c.Problems {
		t.mark(1, '!', problem)
	}
	for _, d := range c.Objects {
		t.difference(1, d, nil)
	}
}
