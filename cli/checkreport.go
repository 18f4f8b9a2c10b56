package cli

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The rules of seal check. The command's help lists them.
const (
	rulePlaintext  = "plaintext"
	ruleMalformed  = "malformed"
	ruleUnreadable = "unreadable"
	ruleConflict   = "conflict"
	ruleScope      = "scope"
	ruleHolders    = "holders"
	ruleStale      = "stale"
	ruleSignature  = "signature"
	ruleNote       = "note"

	severityError   = "error"
	severityWarning = "warning"
)

// finding is something that is wrong with a file.
type finding struct {
	File      string `json:"file"`
	Document  int    `json:"document,omitempty"` // counted from 1
	Kind      string `json:"kind,omitempty"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"`
	Rule      string `json:"rule"`
	Severity  string `json:"severity"`
	Message   string `json:"message"`
	Hint      string `json:"hint,omitempty"`

	label string
}

// of is a finding about obj.
func of(obj object, rule, format string, args ...any) finding {
	return finding{
		File: obj.name, Document: obj.index + 1, Kind: obj.kind, Namespace: obj.namespace, Name: obj.node.name,
		Rule: rule, Severity: severityError, Message: fmt.Sprintf(format, args...), label: obj.label(),
	}
}

func warning(f finding) finding {
	f.Severity = severityWarning
	return f
}

// checkReport is the outcome of seal check.
type checkReport struct {
	Files    int       `json:"files"`
	Findings []finding `json:"findings"`

	notes map[string]bool // findings about notes
}

// file adds what was found in one file. What is wrong with a note is said once, though every file of its holder tells it.
func (r *checkReport) file(found []finding) {
	r.Files++
	for _, f := range found {
		if f.Severity == "" {
			f.Severity = severityError
		}
		if f.Rule == ruleNote {
			about := f.File + "\n" + f.Message
			if r.notes[about] {
				continue
			}
			if r.notes == nil {
				r.notes = map[string]bool{}
			}
			r.notes[about] = true
		}
		r.Findings = append(r.Findings, f)
	}
}

func (r *checkReport) count() (errs, warnings int) {
	for _, f := range r.Findings {
		if f.Severity == severityError {
			errs++
		} else {
			warnings++
		}
	}
	return errs, warnings
}

func (r *checkReport) text(out *bytes.Buffer) {
	for i, f := range r.Findings {
		prefix := ""
		if f.Severity == severityWarning {
			prefix = "warning: "
		}
		message(out, prefix, f.label+": "+f.Message)
		// A hint that repeats is written once, where it comes last.
		if again := i+1 < len(r.Findings) && r.Findings[i+1].Hint == f.Hint; f.Hint != "" && !again {
			message(out, "  hint: ", f.Hint)
		}
	}
}

// shownNames lists names from a document, for messages.
func shownNames(names []string) string {
	list := make([]string, len(names))
	for i, name := range names {
		list[i] = shown(name)
	}
	return some(list)
}

// fileHint is how a command line names a file, to be copied: whole, and not taken for an option. What a terminal would not show as it is, is shown in escapes.
func fileHint(name string) string {
	if strings.HasPrefix(name, "-") {
		name = "./" + name
	}
	if !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) {
		return shown(name)
	}
	return shellWord(name)
}
