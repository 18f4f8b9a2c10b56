package forge

import (
	"encoding/base64"
	"encoding/binary"
	"maps"
	"slices"
	"strings"
)

// Message is section 11's signed message of a sound document.
func (t Tree) Message() []byte {
	text := func(path ...string) string {
		s, _ := t.Get(path...).(string)
		return s
	}
	parts := LP("waxwing.io/seal/v1/signature", "1", text("spec", "for", "scope"), text("spec", "for", "namespace"), text("spec", "for", "name"))
	parts = append(parts, entries(t.object("spec", "items"), func(v any) []byte {
		item := v.(map[string]any)
		return LP(item["envelope"].(string), unbase64(item["value"]))
	})...)
	parts = append(parts, entries(t.object("spec", "envelopes"), func(v any) []byte {
		envelope := v.(map[string]any)
		return LP(envelope["sealedAt"].(string), unbase64(envelope["commit"]))
	})...)
	immutable := ""
	if b, ok := t.Get("spec", "immutable").(bool); ok {
		immutable = map[bool]string{true: "true", false: "false"}[b]
	}
	parts = append(parts, LP(text("spec", "type"), immutable)...)
	options := map[string]any{}
	if policy := text("spec", "deletionPolicy"); policy != "" {
		options["deletionPolicy"] = policy
	}
	if on := text("spec", "onImmutable"); on != "" {
		options["onImmutable"] = on
	}
	if suspend, _ := t.Get("spec", "suspend").(bool); suspend {
		options["suspend"] = "true"
	}
	annotations := maps.Clone(t.object("metadata", "annotations"))
	maps.DeleteFunc(annotations, func(k string, _ any) bool { return !strings.HasPrefix(k, "waxwing.io/") })
	for _, m := range []map[string]any{
		t.object("spec", "template", "metadata", "labels"), t.object("spec", "template", "metadata", "annotations"), t.object("spec", "template", "data"),
		options, annotations,
	} {
		parts = append(parts, entries(m, func(v any) []byte { return LP(v.(string)) })...)
	}
	return parts
}

func (t Tree) object(path ...string) map[string]any {
	m, _ := t.Get(path...).(map[string]any)
	return m
}

func entries(m map[string]any, value func(any) []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b = append(append(b, LP(k)...), value(m[k])...)
	}
	return b
}

func unbase64(v any) string {
	b, err := base64.StdEncoding.DecodeString(v.(string))
	must(err)
	return string(b)
}
