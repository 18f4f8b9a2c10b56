package cli

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/waxwing-io/waxwing/manifest"
)

// convert writes a file in another syntax, documents in their order; comments are lost. Empty documents are left out.
func convert(file *manifest.File, to manifest.Syntax) ([]byte, error) {
	if file.Syntax() == to {
		return file.Bytes(), nil
	}
	var out bytes.Buffer
	for _, d := range file.Docs() {
		if d.Empty() {
			continue
		}
		doc, err := d.JSON()
		if err != nil {
			return nil, err
		}
		text, err := renderAs(to, doc)
		if err != nil {
			return nil, err
		}
		if to == manifest.YAML && out.Len() > 0 {
			out.WriteString("---\n")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}

// renderAs writes one JSON value as a document.
func renderAs(syntax manifest.Syntax, doc []byte) ([]byte, error) {
	if syntax == manifest.YAML {
		return renderYAML(doc)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, doc, "", "  "); err != nil {
		return nil, fmt.Errorf("writing JSON: %w", err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// renderYAML writes one JSON value as a YAML document.
func renderYAML(doc []byte) ([]byte, error) {
	file, err := manifest.Parse("the result", nil)
	if err != nil {
		return nil, err
	}
	if err := file.Docs()[0].Replace(doc); err != nil {
		return nil, err
	}
	text := file.Bytes()
	if !bytes.HasSuffix(text, []byte("\n")) {
		text = append(text, '\n')
	}
	return text, nil
}
