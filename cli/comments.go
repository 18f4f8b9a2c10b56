package cli

import (
	"bytes"
	"cmp"
	"encoding/base64"
	"fmt"
	"index/suffixarray"
	"slices"
	"sort"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

const (
	// minTelling is the length from which a value is looked for in comments; shorter ones stand there by chance.
	minTelling = 8
	// maxTelling bounds the warnings for one value, and for one file.
	maxTelling = 16
)

// comments are the comments of a file, with the lines that they stand in.
type comments struct {
	text   []byte
	starts []int // of each comment in text
	lines  []int
}

func findComments(data []byte) comments {
	var c comments
	n := 0
	for line := range bytes.Lines(data) {
		n++
		if _, comment, ok := bytes.Cut(line, []byte("#")); ok {
			c.starts, c.lines = append(c.starts, len(c.text)), append(c.lines, n)
			c.text = append(append(c.text, comment...), '\n')
		}
	}
	return c
}

// lineAt is the line of the comment at an offset of text.
func (c comments) lineAt(offset int) int { return c.lines[sort.SearchInts(c.starts, offset+1)-1] }

// telling is a line whose comment repeats a value.
type telling struct {
	line int
	key  string
}

// tellingComments warns about comments that repeat a value: those before and after a Secret stay as they are. The index keeps the work from being
// comments times values.
func tellingComments(name string, out []byte, all []seal.Values) []string {
	c := findComments(out)
	if len(c.text) == 0 || len(all) == 0 {
		return nil
	}
	index := suffixarray.New(c.text)
	var found []telling
	for _, values := range all {
		for _, key := range values.Names() {
			v := bytes.TrimSpace(values[key].Bytes())
			if len(v) < minTelling || len(v) > len(c.text) {
				continue
			}
			for _, pattern := range [][]byte{v, base64Of(values[key])} {
				for _, offset := range index.Lookup(pattern, maxTelling) {
					found = append(found, telling{c.lineAt(offset), key})
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b telling) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.key, b.key)) })
	found = slices.Compact(found)
	var warnings []string
	for _, f := range found[:min(len(found), maxTelling)] {
		warnings = append(warnings, fmt.Sprintf("%s:%d: a comment repeats the value of %s, and stays readable", name, f.line, f.key))
	}
	if more := len(found) - maxTelling; more > 0 {
		warnings = append(warnings, fmt.Sprintf("%s: more comments do so", name))
	}
	return warnings
}

func base64Of(v seal.Value) []byte {
	return base64.StdEncoding.AppendEncode(nil, v.Bytes())
}
