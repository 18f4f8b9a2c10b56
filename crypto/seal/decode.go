package seal

import (
	"encoding/json"
	"maps"
)

// decodeSpec turns a tree that has its shape into a Spec. Items and envelopes, nearly all of it, are taken over as they are.
func decodeSpec(tree any) (*Spec, error) {
	top, _ := tree.(map[string]any)
	rest := maps.Clone(top)
	delete(rest, "items")
	delete(rest, "envelopes")
	b, err := json.Marshal(rest)
	if err != nil {
		return nil, formatErr("", "is not JSON")
	}
	spec := &Spec{}
	if err := json.Unmarshal(b, spec); err != nil {
		return nil, formatErr("", "has a member of the wrong type")
	}
	spec.Items = decodeMap(top["items"], decodeItem)
	spec.Envelopes = decodeMap(top["envelopes"], decodeEnvelope)
	return spec, nil
}

// decodeMap is nil for an object that is not there.
func decodeMap[V any](tree any, decode func(members map[string]any) V) map[string]V {
	members, ok := tree.(map[string]any)
	if !ok {
		return nil
	}
	out := make(map[string]V, len(members))
	for name, v := range members {
		fields, _ := v.(map[string]any)
		out[name] = decode(fields)
	}
	return out
}

func decodeItem(m map[string]any) Item {
	return Item{Envelope: decodeText(m["envelope"]), Value: decodeText(m["value"])}
}

func decodeEnvelope(m map[string]any) Envelope {
	return Envelope{SealedAt: decodeText(m["sealedAt"]), Commit: decodeText(m["commit"]), Wraps: decodeMap(m["wraps"], decodeWrap)}
}

func decodeWrap(m map[string]any) Wrap {
	return Wrap{Keys: decodeTexts(m["keys"]), WrappedBefore: decodeTexts(m["wrappedBefore"]), Age: decodeText(m["age"])}
}

func decodeText(v any) string {
	s, _ := v.(string)
	return s
}

// decodeTexts is nil for a list that is not there.
func decodeTexts(v any) []string {
	list, ok := v.([]any)
	if !ok {
		return nil
	}
	out := make([]string, len(list))
	for i, e := range list {
		out[i] = decodeText(e)
	}
	return out
}
