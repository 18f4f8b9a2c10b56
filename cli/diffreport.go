package cli

import (
	"slices"

	"github.com/waxwing-io/waxwing/repo/change"
)

// diffReport is what `seal diff` tells.
type diffReport struct {
	Files []fileDiff `json:"files"`
}

// fileDiff is what differs in a file.
type fileDiff struct {
	Path    string   `json:"path"`
	From    string   `json:"from,omitempty"` // the old path, where it is another one
	Problem []string `json:"problems,omitempty"`
	// Plaintext are Secrets that the new version holds unsealed, and the old one did not.
	Plaintext []string     `json:"plaintext,omitempty"`
	Objects   []objectDiff `json:"objects"`
}

// objectDiff is what differs in a GitSecret.
type objectDiff struct {
	change.Difference
	Values []valueDiff `json:"values,omitempty"`
}

func newFileDiff(oldPath, path string, before, after fileVersion) fileDiff {
	d := fileDiff{Path: path, Objects: []objectDiff{}}
	if oldPath != path {
		d.From = oldPath
	}
	var found []change.Difference
	found, d.Problem = between(before, after)
	for _, f := range found {
		d.Objects = append(d.Objects, objectDiff{Difference: f})
	}
	for _, place := range after.plain {
		if !slices.Contains(before.plain, place) {
			d.Plaintext = append(d.Plaintext, place)
		}
	}
	return d
}

func (d fileDiff) empty() bool { return len(d.Problem)+len(d.Plaintext)+len(d.Objects) == 0 }

func (r diffReport) text(t *reportText) {
	for i, file := range r.Files {
		if i > 0 {
			t.line(0, "")
		}
		file.text(t)
	}
}

func (d fileDiff) text(t *reportText) {
	name := shown(d.Path)
	if d.From != "" {
		name = shown(d.From) + " -> " + name
	}
	t.line(0, t.bold(name))
	for _, problem := range d.Problem {
		t.mark(1, '!', problem)
	}
	for _, place := range d.Plaintext {
		t.mark(1, '!', place+" is a Secret that is not sealed: its values can be read")
	}
	for _, o := range d.Objects {
		t.difference(1, o.Difference, o.Values)
	}
}
