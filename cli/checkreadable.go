package cli

import (
	"bytes"

	kubeyaml "sigs.k8s.io/yaml"
)

// isTemplate says whether data, which is no manifest, is a template of a chart, and not a Secret with braces somewhere that only seal cannot read.
func isTemplate(data []byte) bool {
	start := bytes.TrimSpace(data)
	isJSON := bytes.HasPrefix(start, []byte("{")) && !bytes.HasPrefix(start, []byte("{{"))
	return bytes.Contains(data, []byte("{{")) && !isJSON && !kubectlReadsSecret(data)
}

// kubectlReadsSecret says whether kubectl finds in data what should be sealed, or would if its name were spelled right. It reads more than manifest takes: of a key
// that stands twice the last one counts, and documents are split before they are parsed, so that each may begin with a byte order mark.
func kubectlReadsSecret(data []byte) bool {
	for part := range bytes.SplitSeq(data, []byte("\n---")) {
		doc, err := kubeyaml.YAMLToJSON(part)
		if err != nil {
			continue
		}
		for _, n := range newNode(doc, nil).leaves() {
			if r := n.findRole(); r == isSecret || r == misspelled || r == closedList {
				return true
			}
		}
	}
	return false
}
