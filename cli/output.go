package cli

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli/replace"
	"github.com/waxwing-io/waxwing/manifest"
)

// sealedMode is the mode (before umask) of new files with public content.
const sealedMode fs.FileMode = 0o666

// syntaxFlag is -o for commands that print manifests.
type syntaxFlag struct{ name string }

func (f *syntaxFlag) addTo(flags *pflag.FlagSet) {
	flags.StringVarP(&f.name, "output", "o", "", "write `yaml|json`; the input's syntax if left out")
}

// syntax is what -o asks for; ok is false where it is left out.
func (f *syntaxFlag) syntax() (s manifest.Syntax, ok bool, err error) {
	switch f.name {
	case "":
		return manifest.YAML, false, nil
	case "yaml":
		return manifest.YAML, true, nil
	case "json":
		return manifest.JSON, true, nil
	}
	return manifest.YAML, false, usage("use yaml or json", "unknown output %q", f.name)
}

// render gives a file's bytes in the syntax that -o asks for.
func (f *syntaxFlag) render(file *manifest.File) ([]byte, manifest.Syntax, error) {
	s, ok, err := f.syntax()
	if err != nil {
		return nil, s, err
	}
	if !ok {
		return file.Bytes(), file.Syntax(), nil
	}
	b, err := convert(file, s)
	return b, s, err
}

// stream joins the contents of several files to one stream of documents.
type stream struct {
	buf    bytes.Buffer
	syntax manifest.Syntax
	parts  int
}

// add appends a file's content; all must have one syntax.
func (s *stream) add(data []byte, syntax manifest.Syntax) error {
	if s.parts > 0 && syntax != s.syntax {
		return usage("add -o yaml or -o json, or -w to write each file in place", "files in YAML and in JSON cannot be joined to one output")
	}
	s.syntax = syntax
	s.parts++
	if s.parts > 1 {
		if b := s.buf.Bytes(); len(b) > 0 && b[len(b)-1] != '\n' {
			s.buf.WriteByte('\n')
		}
		data = bytes.TrimPrefix(data, []byte("\ufeff"))
		if syntax == manifest.YAML {
			s.buf.WriteString(manifest.Separator(data, "\n"))
		}
	}
	s.buf.Write(data)
	return nil
}

// writeOut writes data to standard output for "" and "-", else to the file name as a whole.
func (e *Env) writeOut(name string, data []byte, mode fs.FileMode) error {
	if name == "" || name == stdinArg {
		if _, err := e.Stdout.Write(data); err != nil {
			return fmt.Errorf("writing standard output: %w", pathCause(err))
		}
		return nil
	}
	var batch replace.Batch
	defer batch.Discard()
	if err := batch.Write(e.path(name), data, mode); err != nil {
		return err
	}
	return batch.Commit()
}
