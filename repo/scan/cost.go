package scan

import "bytes"

const (
	// MaxNodes bounds the mappings, lists and values (Nodes) of a file of strangers that is parsed: a parser takes hundreds of bytes for each.
	MaxNodes = 1 << 16
	// dearNodes is from how many of them on only one file at a time is to be parsed.
	dearNodes = 1 << 13
)

// Nodes counts from above how many nodes a parser would make of a text.
func Nodes(data []byte) int {
	n := 0
	for i, c := range data {
		switch c {
		case ':', ',', '[', '{':
			n++
		case '-', '?':
			if i+1 == len(data) || data[i+1] <= ' ' {
				n++
			}
		}
	}
	return n
}

// Dear says whether a text may take much memory to be parsed: by the number of its values, or by what aliases (*) to anchors (&) make of them.
func Dear(data []byte) bool {
	return bytes.IndexByte(data, '*') >= 0 && bytes.IndexByte(data, '&') >= 0 || Nodes(data) > dearNodes
}
