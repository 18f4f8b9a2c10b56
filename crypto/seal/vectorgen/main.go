// Command vectorgen writes the vectors of docs/format.md, section 14: one file a section, each with documents to open and the outcome that is right.
//
// Every run makes other keys and other ciphertexts, because age is randomised. So the committed files are frozen: a new run replaces the vectors that
// other openers have been held to, and is right only where the format itself or the list of cases has changed. It needs -overwrite, and says so.
//
//	go run ./crypto/seal/vectorgen -out crypto/seal/testdata/vectors -overwrite
//
// What a vector expects is written down here by hand, from the page; nothing in this command opens or checks a document.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

const comment = "The identities in this file are test keys, made for these vectors and used nowhere else. They protect nothing, and neither do the values, which are made up."

// file is one file of vectors (section 14).
type file struct {
	Section int      `json:"section"`
	Comment string   `json:"comment"`
	Vectors []vector `json:"vectors"`
}

// section is a file to be made.
type section struct {
	number int
	name   string
	make   func(*world) []vector
}

func sections() []section {
	return []section{
		{1, "notation", notation},
		{2, "document", document},
		{3, "scope", scope},
		{4, "recipients", recipients},
		{4, "rsa-recipients", rsaRecipients},
		{5, "envelopes", envelopes},
		{6, "wraps", wraps},
		{7, "items", items},
		{8, "padding", padding},
		{9, "opening", opening},
		{10, "changing", changing},
		{11, "signatures", signatures},
		{12, "limits", limits},
	}
}

func main() {
	out := flag.String("out", "", "folder to write to")
	overwrite := flag.Bool("overwrite", false, "replace files that are there; the vectors are frozen, so say why in the commit")
	flag.Parse()
	if err := run(*out, *overwrite); err != nil {
		fmt.Fprintln(os.Stderr, "vectorgen:", err)
		os.Exit(1)
	}
}

func run(out string, overwrite bool) error {
	if out == "" {
		return errors.New("-out is needed")
	}
	w := newWorld()
	for _, s := range sections() {
		path := filepath.Join(out, fmt.Sprintf("%02d-%s.json", s.number, s.name))
		if _, err := os.Stat(path); err == nil && !overwrite {
			return fmt.Errorf("%s is there and frozen: a new run makes other keys and ciphertexts; -overwrite replaces it", path)
		}
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		enc.SetIndent("", " ")
		if err := enc.Encode(file{Section: s.number, Comment: comment, Vectors: s.make(w)}); err != nil {
			return fmt.Errorf("encoding %s: %w", path, err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			return fmt.Errorf("writing vectors: %w", err)
		}
	}
	return nil
}
