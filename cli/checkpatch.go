package cli

import (
	"encoding/json"
	"slices"
	"strings"

	kubeyaml "sigs.k8s.io/yaml"
)

// patchesSecret says whether n carries a patch of kustomize, written as text, that gives a Secret its values: a kustomization does so, and objects of Flux and Argo CD.
func (n *node) patchesSecret() bool {
	// What is in the text is escaped no further than line ends and quotes.
	if text := strings.ToLower(string(n.raw)); !strings.Contains(text, "patch") || !strings.Contains(text, "data") {
		return false
	}
	var tree any
	return json.Unmarshal(n.raw, &tree) == nil && patchesSecretIn(tree, false)
}

// patchesSecretIn looks for patches in v; text says that strings are some.
func patchesSecretIn(v any, text bool) bool {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			if patchesSecretIn(member, name == "patch" || name == "patchesStrategicMerge") {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return patchesSecretIn(item, text) })
	case string:
		return text && givesSecretValues(v)
	}
	return false
}

// givesSecretValues says whether a patch has values of a Secret. Its kind may be left out, as the patch's target says it; data alone is as often a ConfigMap's.
func givesSecretValues(patch string) bool {
	for part := range strings.SplitSeq(patch, "\n---") {
		doc, err := kubeyaml.YAMLToJSON([]byte(part))
		if err != nil {
			continue
		}
		n := newNode(doc, nil)
		if (strings.EqualFold(n.kind, "Secret") || n.has("stringData")) && len(readableKeys(n.members)) > 0 {
			return true
		}
	}
	return false
}
