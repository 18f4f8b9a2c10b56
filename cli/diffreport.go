package cli

import (
	"bytes"
	"slices"

	"github.com/spf13/cobra"

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

// reportFlag is -o for reports.
type reportFlag struct{ name string }

func (f *reportFlag) addTo(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&f.name, "output", "o", "text", "write `text|json`")
	completeValues(cmd, "output", "text", "json")
}

func (f *reportFlag) check() error {
	if f.name != "text" && f.name != "json" {
		return usage("use text or json", "unknown output %s", shown(f.name))
	}
	return nil
}

// write writes a report to standard output: v as JSON, or what text makes of it. check must have passed.
func (f *reportFlag) write(env *Env, v any, text func(*reportText)) error {
	var out bytes.Buffer
	if f.name == "json" {
		b, err := printableJSON(v)
		if err != nil {
			return err
		}
		out.Write(b)
	} else {
		text(&reportText{out: &out, colour: env.colours()})
	}
	return env.writeOut(stdinArg, out.Bytes(), 0)
}
