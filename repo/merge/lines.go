package merge

import (
	"bytes"
	"strconv"
	"strings"
	"unicode"
)

// region is a run of lines, from start to before end, of which two texts have different versions.
type region struct {
	start, end   int
	ours, theirs [][]byte
}

func lines(text []byte) [][]byte {
	if len(text) == 0 {
		return nil
	}
	all := bytes.SplitAfter(text, []byte("\n"))
	if len(all[len(all)-1]) == 0 {
		all = all[:len(all)-1]
	}
	return all
}

// difference is everything from the first to the last line in which ours and theirs differ.
func difference(ours, theirs []byte) region {
	a, b := lines(ours), lines(theirs)
	start := 0
	for start < len(a) && start < len(b) && bytes.Equal(a[start], b[start]) {
		start++
	}
	end, theirEnd := len(a), len(b)
	for end > start && theirEnd > start && bytes.Equal(a[end-1], b[theirEnd-1]) {
		end--
		theirEnd--
	}
	return region{start: start, end: end, ours: a[start:end], theirs: b[start:theirEnd]}
}

// marked is a conflict as git shows it. The labels tell what they can of both sides; rerere passes over them.
func (m *merger) marked(c Conflict, ours, theirs []byte) []byte {
	var b bytes.Buffer
	mark := func(char, label string) {
		b.WriteString(strings.Repeat(char, m.MarkerSize))
		if label != "" {
			b.WriteString(" " + label)
		}
		b.WriteString(m.eol)
	}
	mark("<", m.label(m.Ours, c, c.Ours))
	b.Write(endLine(bytes.Clone(ours), m.eol))
	mark("=", "")
	b.Write(endLine(bytes.Clone(theirs), m.eol))
	mark(">", m.label(m.Theirs, c, c.Theirs))
	return b.Bytes()
}

// label is what stands after a marker, on its line.
func (m *merger) label(side string, c Conflict, s Side) string {
	text := c.Document
	if c.Field != "" {
		text = c.Field
	}
	switch {
	case s.Removed:
		text += " removed"
	case s.SealedAt != "":
		text += " sealed " + s.SealedAt
	}
	if m.Note != nil && s.Envelope != "" {
		if note := m.Note(s); note != "" {
			text += " (" + note + ")"
		}
	}
	if text = strings.TrimSpace(text); text != "" {
		side += ": " + text
	}
	return strings.Map(printable, side)
}

func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return unicode.ReplacementChar
	}
	return r
}

// shown is a name from a document, for labels and messages: as it is where it is plain, else cut and quoted.
func shown(name string) string {
	const most = 80
	plain := !strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r > '~' || r == '"' })
	switch {
	case len(name) > most:
		return strconv.QuoteToASCII(name[:most]) + "…"
	case !plain:
		return strconv.QuoteToASCII(name)
	}
	return name
}

// field names a path for labels and messages, as the errors of the format do: from below spec.
func field(path []string) string {
	if len(path) > 1 && path[0] == "spec" {
		path = path[1:]
	}
	names := make([]string, len(path))
	for i, name := range path {
		names[i] = shown(name)
	}
	return strings.Join(names, ".")
}
