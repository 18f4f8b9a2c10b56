package cli

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// role of a document, as far as sealing is concerned.
type role int

const (
	other      role = iota
	isSecret        // a plaintext Secret of Kubernetes
	isSealed        // a GitSecret
	misspelled      // plaintext, but not quite a Secret
	closedList      // a list that hides Secrets and cannot be edited item by item
)

func (n *node) findRole() role {
	switch {
	case n.apiVersion == "v1" && n.kind == "Secret":
		return isSecret
	case n.apiVersion == seal.APIVersion && n.kind == seal.Kind:
		return isSealed
	case n.misspelled():
		return misspelled
	}
	// kubectl takes whatever has items for a list of objects.
	if list := n.kind == "" || n.has("items") || strings.HasSuffix(strings.ToLower(n.kind), "list"); list && n.holdsSecret() {
		return closedList
	}
	return other
}

// misspelled says whether n was probably meant as a Secret or a GitSecret. Nothing else has stringData.
func (n *node) misspelled() bool {
	core := !strings.Contains(n.apiVersion, "/")
	kind := strings.TrimSuffix(strings.ToLower(strings.TrimSpace(n.kind)), "s")
	switch kind {
	case "secret":
		return core || n.hasData()
	case "gitsecret":
		return true
	}
	return n.has("stringData") || kind == "" && n.has("data")
}

// hasData says whether the object has values in the clear, as a Secret has them.
func (n *node) hasData() bool { return n.has("data") || n.has("stringData") }

// has does not mind case: a misspelled Secret is readable, too.
func (n *node) has(field string) bool {
	for name, raw := range n.members {
		if string(raw) != "null" && strings.EqualFold(name, field) {
			return true
		}
	}
	return false
}

// holdsSecret says whether a Secret with data stands somewhere inside. References to Secrets, which have a kind and a name only, do not count.
func (n *node) holdsSecret() bool {
	bare := strings.EqualFold(n.kind, "SecretList")
	if !bare && !bytes.Contains(bytes.ToLower(n.raw), []byte(`"kind":"secret"`)) {
		return false
	}
	var tree any
	return json.Unmarshal(n.raw, &tree) == nil && holdsSecretIn(tree, bare)
}

// holdsSecretIn looks for Secrets in v; bare says that what has data is one without saying so, as in a SecretList.
func holdsSecretIn(v any, bare bool) bool {
	switch v := v.(type) {
	case map[string]any:
		if kind, _ := v["kind"].(string); (bare || strings.EqualFold(kind, "Secret")) && hasDataIn(v) {
			return true
		}
		for _, member := range v {
			if holdsSecretIn(member, bare) {
				return true
			}
		}
	case []any:
		return slices.ContainsFunc(v, func(item any) bool { return holdsSecretIn(item, bare) })
	}
	return false
}

func hasDataIn(m map[string]any) bool {
	for name, v := range m {
		if v != nil && (strings.EqualFold(name, "data") || strings.EqualFold(name, "stringData")) {
			return true
		}
	}
	return false
}

// generatesSecret says whether n is a kustomization that makes Secrets of values written into it, whose kind may be left out, or a generator that stands alone.
func (n *node) generatesSecret() bool {
	var alone []json.RawMessage
	if n.kind == "SecretGenerator" && json.Unmarshal(n.members["literals"], &alone) == nil && len(alone) > 0 {
		return true
	}
	var generators []struct {
		Literals []json.RawMessage `json:"literals"`
	}
	if json.Unmarshal(n.members["secretGenerator"], &generators) != nil {
		return false
	}
	for _, g := range generators {
		if len(g.Literals) > 0 {
			return true
		}
	}
	return false
}
