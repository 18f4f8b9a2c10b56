package cli

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// kindRE finds what looks like a Secret or a GitSecret in a text that cannot be parsed.
var kindRE = regexp.MustCompile(`(?im)(^|[\s{,-])["']?kind["']?\s*:\s*["']?(git)?secret["']?\s*($|[,}#])`)

// hasConflict says whether both marks of a merge begin a line.
func hasConflict(data []byte) bool {
	return beginsLine(data, "<<<<<<< ") && beginsLine(data, ">>>>>>> ")
}

func beginsLine(text []byte, mark string) bool {
	return bytes.HasPrefix(text, []byte(mark)) || bytes.Contains(text, []byte("\n"+mark))
}

// readForCheck takes a file apart, or says what is wrong with it as a whole. A file that cannot be parsed is nobody's business here, unless it looks like a
// Secret: a repository has all sorts of YAML.
func readForCheck(in checkInput) ([]object, *finding) {
	f := finding{File: in.name, label: in.name}
	if hasConflict(in.data) {
		f.Rule, f.Message, f.Hint = ruleConflict, "has the marks of a merge that is not resolved", "resolve it; seal install makes Git merge sealed files item by item"
		return nil, &f
	}
	file, err := manifest.Parse(in.name, in.data)
	if err == nil {
		return objects(in.name, file, 0), nil
	}
	looks, template := kindRE.Match(bytes.ReplaceAll(in.data, []byte{0}, nil)), isTemplate(in.data) // without the zeros of UTF-16
	switch words := scan.Bytes(in.data); {
	case looks:
		f.Message = "looks like a Secret, and cannot be read: "
	case !template && (words.Unsure || words.Secret && words.Data):
		// Escapes, tags or odd places of words may hide the kind.
		f.Message = "may hold a Secret, and cannot be read: "
	default:
		return nil, nil
	}
	f.Rule, f.Message, f.Hint = ruleUnreadable, f.Message+withoutFile(err), cmp.Or(hint(err), ignoreHint)
	if template {
		// A template: most of them name their values, and few have them.
		f = warning(f)
	}
	return nil, &f
}

// plaintext says what of obj stays readable that should not.
func plaintext(obj object) []finding {
	sealIt := "seal -w " + fileHint(obj.name) + " (and renew the value if it was ever pushed)"
	switch obj.role {
	case isSecret:
		names := readableKeys(obj.members)
		if len(names) == 0 {
			return nil
		}
		f := of(obj, rulePlaintext, "is not sealed: everybody can read the values of %s", shownNames(names))
		f.Hint = sealIt
		return []finding{f}
	case misspelled:
		return nearSecret(obj)
	case closedList:
		f := of(obj, rulePlaintext, "holds Secrets that are not sealed, and cannot be sealed in their place")
		f.Hint = "write them as documents of their own, or as items of kind List, apiVersion v1"
		return []finding{f}
	case isSealed:
		if names := copies(obj.members); len(names) > 0 {
			f := of(obj, rulePlaintext, "metadata.annotations has a copy of a Secret: %s", shownNames(names))
			f.Hint = "remove the annotation, and renew the value"
			return []finding{f}
		}
	case other:
		return inside(obj)
	}
	return nil
}

// nearSecret is for what was probably meant as a Secret. Something without kind and apiVersion is no object of Kubernetes, unless it has stringData.
func nearSecret(obj object) []finding {
	foreign := obj.kind == "" && obj.apiVersion == "" && !obj.has("stringData")
	names := readableKeys(obj.members)
	// A GitSecret without values, of another apiVersion, is of no use to anybody.
	if foreign || len(names) == 0 && !strings.EqualFold(obj.kind, "GitSecret") {
		return nil
	}
	f := of(obj, rulePlaintext, "%s of apiVersion %q is not quite a Secret or a GitSecret", obj.shownKind(), strings.Trim(shown(obj.apiVersion), `"`))
	if len(names) > 0 {
		f.Message += ": everybody can read the values of " + shownNames(names)
	}
	f.Hint = "a Secret has apiVersion v1, a GitSecret apiVersion waxwing.io/v1alpha1; correct it and seal it"
	return []finding{f}
}

func inside(obj object) []finding {
	switch {
	case obj.holdsSecret():
		f := of(obj, rulePlaintext, "holds a Secret inside, which is readable")
		f.Hint = "take the Secret out into a file of its own, and seal that"
		return []finding{f}
	case obj.patchesSecret():
		f := of(obj, rulePlaintext, "a patch in it gives a Secret values, which are readable")
		f.Hint = "take the values out of the patch, and seal them"
		return []finding{f}
	case obj.generatesSecret():
		f := of(obj, rulePlaintext, "the literals of its secretGenerator are readable")
		f.Hint = "seal a Secret, and list that file under resources"
		return []finding{f}
	}
	return nil
}

// readableKeys lists the keys of data and stringData, whatever their case, whose values are neither empty nor encrypted by SOPS.
func readableKeys(members map[string]json.RawMessage) []string {
	sops := encryptedBySOPS(members)
	names := map[string]bool{}
	for field, raw := range members {
		if !strings.EqualFold(field, "data") && !strings.EqualFold(field, "stringData") {
			continue
		}
		var values map[string]json.RawMessage
		if json.Unmarshal(raw, &values) != nil {
			names[field] = string(raw) != "null"
			continue
		}
		for key, value := range values {
			switch string(value) {
			case "null", `""`:
				continue
			}
			names[key] = names[key] || !sops || !strings.HasPrefix(text(value), "ENC[")
		}
	}
	maps.DeleteFunc(names, func(_ string, readable bool) bool { return !readable })
	return slices.Sorted(maps.Keys(names))
}

// encryptedBySOPS says whether the object carries SOPS's own metadata, with its MAC.
func encryptedBySOPS(members map[string]json.RawMessage) bool {
	var meta struct {
		MAC string `json:"mac"`
	}
	return json.Unmarshal(members["sops"], &meta) == nil && strings.HasPrefix(meta.MAC, "ENC[")
}

// copies lists the annotations that hold a Secret with its values, as kubectl apply leaves them.
func copies(members map[string]json.RawMessage) []string {
	var meta struct {
		Annotations map[string]json.RawMessage `json:"annotations"`
	}
	if json.Unmarshal(members["metadata"], &meta) != nil {
		return nil
	}
	var names []string
	for name, raw := range meta.Annotations {
		var tree any
		if json.Unmarshal([]byte(text(raw)), &tree) == nil && holdsSecretIn(tree, false) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
