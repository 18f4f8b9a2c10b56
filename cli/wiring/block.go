package wiring

import (
	"bytes"
	"errors"
	"strings"
)

// ErrBroken says that a file has the first line of a block without the last, or a block twice: somebody has edited it by hand.
var ErrBroken = errors.New("the lines between the marks of seal were edited by hand")

// Block is a run of lines between two marks. It stands in files where # begins a comment.
type Block struct {
	Name  string // such as "seal install"; the marks carry it
	Lines []string
}

// What the first mark remembers, so that removing the block gives back the file as it was.
const (
	madeFile  = " (this file was made by seal)"
	noLineEnd = " (the line before had no line end)"
)

// span is where a block lies in a text.
type span struct {
	start, end int // with the last line's end
	memo       string
}

// find looks for the block; ok is false where there is none.
func (b Block) find(text []byte) (s span, ok bool, err error) {
	open, offset := false, 0
	for line := range bytes.Lines(text) {
		start := offset
		offset += len(line)
		mark := strings.TrimRight(string(line), "\r\n")
		memo, begins := strings.CutPrefix(mark, "# BEGIN "+b.Name)
		switch {
		case begins && (memo == "" || memo == madeFile || memo == noLineEnd):
			if open || ok {
				return s, false, ErrBroken
			}
			s, open = span{start: start, memo: memo}, true
		case mark == "# END "+b.Name:
			if !open {
				return s, false, ErrBroken
			}
			s.end, open, ok = offset, false, true
		}
	}
	if open {
		return s, false, ErrBroken
	}
	return s, ok, nil
}

// render is the block's text.
func (b Block) render(memo, eol string) []byte {
	var out bytes.Buffer
	out.WriteString("# BEGIN " + b.Name + memo + eol)
	for _, line := range b.Lines {
		out.WriteString(line + eol)
	}
	out.WriteString("# END " + b.Name + eol)
	return out.Bytes()
}

// lineEnd is how the lines of text end.
func lineEnd(text []byte) string {
	if i := bytes.IndexByte(text, '\n'); i > 0 && text[i-1] == '\r' {
		return "\r\n"
	}
	return "\n"
}

// Append gives text with the block as its last lines; where it stands already, it is brought up to date in its place. A nil text stands for a file that does
// not exist.
func (b Block) Append(text []byte) ([]byte, error) { return b.put(text, len(text)) }

// AppendAfterFirstLine is Append for scripts, whose first line says what runs them, and whose last line may never be reached.
func (b Block) AppendAfterFirstLine(text []byte) ([]byte, error) {
	if i := bytes.IndexByte(text, '\n'); i >= 0 {
		return b.put(text, i+1)
	}
	return b.put(text, len(text))
}

func (b Block) put(text []byte, at int) ([]byte, error) {
	s, ok, err := b.find(text)
	if err != nil {
		return nil, err
	}
	eol := lineEnd(text)
	switch {
	case ok:
		return join(text[:s.start], b.render(s.memo, lineEnd(text[s.start:])), text[s.end:]), nil
	case text == nil:
		return b.render(madeFile, eol), nil
	case at > 0 && text[at-1] != '\n':
		// Always one byte, so that Remove knows what to take away.
		return join(text[:at], []byte("\n"), b.render(noLineEnd, eol), text[at:]), nil
	}
	return join(text[:at], b.render("", eol), text[at:]), nil
}

// Remove gives text without the block. gone says that nothing else is left of a file that seal has made.
func (b Block) Remove(text []byte) (out []byte, gone bool, err error) {
	s, ok, err := b.find(text)
	if err != nil || !ok {
		return text, false, err
	}
	before, after := text[:s.start], text[s.end:]
	if s.memo == noLineEnd && len(after) == 0 {
		before = bytes.TrimSuffix(before, []byte("\n"))
	}
	out = join(before, after)
	return out, s.memo == madeFile && (len(out) == 0 || string(out) == hookStart), nil
}

func join(parts ...[]byte) []byte { return append([]byte{}, bytes.Join(parts, nil)...) }
