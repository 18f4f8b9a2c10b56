package manifest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// Syntax is the language of a file.
type Syntax int

// The syntaxes of files. JSON is told from YAML by the content, not the name.
const (
	YAML Syntax = iota
	JSON
)

// String returns "YAML" or "JSON".
func (s Syntax) String() string {
	if s == JSON {
		return "JSON"
	}
	return "YAML"
}

const bom = "\ufeff"

// File is a parsed file. It keeps the file's bytes and, for documents that were
// edited, their new text. It is not safe for concurrent use.
type File struct {
	name   string
	syntax Syntax
	bom    string // the byte order mark, or ""
	eol    string // for lines added to a text that has no line break yet
	docs   []*Doc
	kept   int // bytes of text whose readings are kept
}

// Parse splits data into documents. name is the file's name for errors ("-" for
// stdin). It keeps slices of data, which must not change afterwards. Every
// error is an *Error, and is the first problem of the file.
func Parse(name string, data []byte) (*File, error) {
	f := &File{name: name}
	if p := checkBytes(data); p != nil {
		e := &Error{File: name, Msg: p.msg, Hint: p.hint}
		if p.off > 0 || len(data) <= maxFileSize {
			e.Line = 1 + countLines(data[:p.off])
		}
		return nil, e
	}
	if bytes.HasPrefix(data, []byte(bom)) {
		f.bom, data = bom, data[len(bom):]
	}
	f.eol = firstEOL(data)
	if done, err := f.parseJSONStream(data); done || err != nil {
		return f.orError(err)
	}
	return f.orError(f.parseYAMLStream(data))
}

func (f *File) orError(err error) (*File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

// parseJSONStream reads data as JSON values. It reports false without an error
// when data is to be read as YAML.
func (f *File) parseJSONStream(data []byte) (bool, error) {
	isJSONName := strings.HasSuffix(strings.ToLower(f.name), ".json")
	var docs []*Doc
	for start := 0; start < len(data); {
		s := &scanner{text: data, pos: start}
		if s.space(); s.pos == len(data) {
			if len(docs) == 0 {
				return false, nil
			}
			docs[len(docs)-1].text = data[start-len(docs[len(docs)-1].text):]
			break
		}
		if c := s.at(); c != '{' && c != '[' {
			return false, nil
		}
		root, p := scanJSON(data, s.pos)
		if p != nil {
			if !isJSONName && strings.HasPrefix(p.msg, "not valid JSON") {
				return false, nil // flow style YAML begins like this, too
			}
			if bytes.Contains(data, []byte("{{")) {
				p.hint = helmHint
			}
			return false, &Error{File: f.name, Line: 1 + countLines(data[:p.off]), Doc: len(docs) + 1, Msg: p.msg, Hint: p.hint}
		}
		if len(docs) == maxDocuments {
			return false, f.tooManyDocuments()
		}
		d := &Doc{file: f, index: len(docs), text: data[start:root.end:root.end]}
		d.head = headOf(root.jsonValue())
		docs = append(docs, d)
		start = root.end
	}
	if len(docs) == 0 {
		return false, nil
	}
	f.syntax, f.docs = JSON, docs
	return true, nil
}

func (f *File) parseYAMLStream(data []byte) error {
	texts, ok := splitYAML(data, maxDocuments)
	if !ok {
		return f.tooManyDocuments()
	}
	line := 1
	for i, text := range texts {
		d := &Doc{file: f, index: i, text: text}
		root, p := parseYAML(text)
		if p == nil {
			d.keep(&reading{root: root})
		}
		if p == nil && bytes.Contains(text, []byte("<<")) {
			// What a document is must not depend on who reads it; all else that has no JSON form may pass.
			if _, mp := yamlValue(text, root); mp != nil && errors.Is(mp.cause, errMergeOverrides) {
				p = mp
			}
		}
		if p != nil {
			return &Error{File: f.name, Line: line + countLines(text[:p.off]), Doc: i + 1, Msg: p.msg, Hint: p.hint}
		}
		d.empty = root == nil
		d.head = headOfYAML(root)
		line += countLines(text)
		f.docs = append(f.docs, d)
	}
	return nil
}

func (f *File) tooManyDocuments() *Error {
	return &Error{File: f.name, Msg: fmt.Sprintf("more than %d documents", maxDocuments)}
}

// Docs returns the documents in their order. There is at least one, which may
// be empty. The Docs stay valid across edits.
func (f *File) Docs() []*Doc { return f.docs }

// Syntax returns the language that the file was read as.
func (f *File) Syntax() Syntax { return f.syntax }

// Bytes returns the file: byte for byte the input as long as no document was
// edited. The result is the caller's.
func (f *File) Bytes() []byte {
	n := len(f.bom)
	for _, d := range f.docs {
		n += len(d.text)
	}
	out := make([]byte, 0, n)
	out = append(out, f.bom...)
	for _, d := range f.docs {
		out = append(out, d.text...)
	}
	return out
}

// lineOf returns the number of the line at an offset in the text of the
// document with that index.
func (f *File) lineOf(index, off int) int {
	line := 1
	for _, d := range f.docs[:index] {
		line += countLines(d.text)
	}
	text := f.docs[index].text
	return line + countLines(text[:min(off, len(text))])
}
