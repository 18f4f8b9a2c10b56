package secret

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// source is a Secret manifest, read strictly.
type source struct {
	name, namespace     string
	labels, annotations map[string]string
	values              seal.Values
	typ                 string
	immutable           *bool
	dropped             []string // fields left out that a user may miss
}

type object = map[string]json.RawMessage

// The fields that a Secret may have; what is known and not read is dropped.
const (
	topFields      = "apiVersion kind metadata data stringData type immutable status"
	metadataFields = "name namespace labels annotations generateName finalizers uid resourceVersion creationTimestamp deletionTimestamp " +
		"deletionGracePeriodSeconds managedFields ownerReferences selfLink generation clusterName"
)

var (
	nameRE      = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	namespaceRE = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// ValidNamespace says whether s can be the name of a namespace.
func ValidNamespace(s string) bool { return namespaceRE.MatchString(s) }

// ValidName says whether s can be the name of a Secret.
func ValidName(s string) bool { return len(s) <= 253 && nameRE.MatchString(s) }

// read decodes the JSON of a Secret. Names are compared exactly, and null counts as absent, except for a value.
func read(doc []byte) (*source, error) {
	top, err := readObject("the document", doc)
	if err != nil {
		return nil, err
	}
	if err := known("Secret", top, topFields); err != nil {
		return nil, err
	}
	s := &source{}
	if err := s.readMetadata(top["metadata"]); err != nil {
		return nil, err
	}
	if s.typ, err = readString("type", top["type"]); err != nil {
		return nil, err
	}
	if raw := top["immutable"]; present(raw) {
		s.immutable = new(bool)
		if json.Unmarshal(raw, s.immutable) != nil {
			return nil, refuse("", "immutable is not true or false")
		}
	}
	return s, s.readValues(top["data"], top["stringData"])
}

func (s *source) readMetadata(raw json.RawMessage) error {
	if !present(raw) {
		return refuse("give metadata.name: what is sealed is bound to it", "the Secret has no name")
	}
	m, err := readObject("metadata", raw)
	if err != nil {
		return err
	}
	if err := known("metadata", m, metadataFields); err != nil {
		return err
	}
	if s.name, err = readString("metadata.name", m["name"]); err != nil {
		return err
	}
	if s.namespace, err = readString("metadata.namespace", m["namespace"]); err != nil {
		return err
	}
	if s.labels, err = readStrings("metadata.labels", m["labels"]); err != nil {
		return err
	}
	if s.annotations, err = readStrings("metadata.annotations", m["annotations"]); err != nil {
		return err
	}
	if present(m["finalizers"]) {
		s.dropped = append(s.dropped, "metadata.finalizers")
	}
	return s.checkName(present(m["generateName"]))
}

func (s *source) checkName(generated bool) error {
	switch {
	case s.name == "" && generated:
		return refuse("give metadata.name: what is sealed is bound to it", "generateName cannot be sealed: the name is not known until it is in the cluster")
	case s.name == "":
		return refuse("give metadata.name: what is sealed is bound to it", "the Secret has no name")
	case isVariable(s.name):
		return refuse(renderFirst, "metadata.name %s is filled in later, and what is sealed is bound to it", shown(s.name))
	case isVariable(s.namespace):
		return refuse(renderFirst, "metadata.namespace %s is filled in later, and what is sealed is bound to it", shown(s.namespace))
	case !ValidName(s.name):
		return refuse("use lower-case letters, digits, - and ., at most 253", "metadata.name %s cannot be the name of a Secret", shown(s.name))
	case s.namespace != "" && !ValidNamespace(s.namespace):
		return refuse("use lower-case letters, digits and -, at most 63", "metadata.namespace %s cannot be the name of a namespace", shown(s.namespace))
	}
	return nil
}

// renderFirst is the way out for manifests that are templates.
const renderFirst = "render the manifest first (helm template, kustomize build, envsubst), and seal the result"

var variableRE = regexp.MustCompile(`\{\{.*\}\}|\$\{[A-Za-z_][^}]*\}|\$\([A-Za-z_][^)]*\)`)

// isVariable says whether s has an action of a template or a variable of envsubst, Flux or kustomize in it.
func isVariable(s string) bool { return variableRE.MatchString(s) }

// variables warns of values that are nothing but a variable: sealed, they are never filled in.
func (s *source) variables() []string {
	var out []string
	for _, key := range s.values.Names() {
		v := bytes.TrimSpace(s.values[key].Bytes())
		if at := variableRE.FindIndex(v); at != nil && at[0] == 0 && at[1] == len(v) {
			out = append(out, "the value of "+key+" is a variable, which is never filled in once it is sealed; is it the value that you mean?")
		}
	}
	return out
}

func (s *source) readValues(data, stringData json.RawMessage) error {
	encoded, err := readOptional("data", data)
	if err != nil {
		return err
	}
	plain, err := readOptional("stringData", stringData)
	if err != nil {
		return err
	}
	s.values = make(seal.Values, len(encoded)+len(plain))
	for _, key := range slices.Sorted(maps.Keys(encoded)) {
		b, err := decodeData(key, encoded[key])
		if err != nil {
			return err
		}
		s.values[key] = seal.NewValue(b)
	}
	for _, key := range slices.Sorted(maps.Keys(plain)) {
		text, err := readValue("stringData", key, plain[key])
		if err != nil {
			return err
		}
		s.values[key] = seal.NewValue([]byte(text))
	}
	return nil
}

// decodeData takes what the API server takes (base64, with line breaks) but no unused bits that are set: those are a sign of cut-off text.
func decodeData(key string, raw json.RawMessage) ([]byte, error) {
	text, err := readValue("data", key, raw)
	if err != nil {
		return nil, err
	}
	b, err := base64.StdEncoding.Strict().DecodeString(strings.NewReplacer("\n", "", "\r", "").Replace(text))
	var at base64.CorruptInputError
	if errors.As(err, &at) {
		return nil, refuse("data takes base64 (RFC 4648 with padding); plain text belongs under stringData",
			"data.%s is not base64: it goes wrong at character %d of %d", key, int64(at)+1, len(text))
	}
	return b, err
}

// readValue reads one value as a string; key is checked first, so that it can stand in errors.
func readValue(field, key string, raw json.RawMessage) (string, error) {
	if seal.CheckItemName(key) != nil {
		return "", refuse("use letters, digits, -, _ and ., at most 253", "%s cannot be a key of a Secret: %s", shown(key), field)
	}
	if !present(raw) {
		return "", refuse(`write "" where an empty value is meant`, "%s.%s has no value", field, key)
	}
	var text string
	if json.Unmarshal(raw, &text) != nil {
		return "", refuse(`put it in quotes: Kubernetes takes only strings there`, "%s.%s is %s, not a string", field, key, kindOf(raw))
	}
	return text, nil
}

func readObject(what string, raw json.RawMessage) (object, error) {
	var m object
	if err := json.Unmarshal(raw, &m); err != nil || m == nil {
		return nil, refuse("", "%s is %s, not a mapping", what, kindOf(raw))
	}
	return m, nil
}

func readOptional(field string, raw json.RawMessage) (object, error) {
	if !present(raw) {
		return nil, nil
	}
	return readObject(field, raw)
}

func readString(field string, raw json.RawMessage) (string, error) {
	var text string
	if present(raw) && json.Unmarshal(raw, &text) != nil {
		return "", refuse("put it in quotes", "%s is %s, not a string", field, kindOf(raw))
	}
	return text, nil
}

func readStrings(field string, raw json.RawMessage) (map[string]string, error) {
	m, err := readOptional(field, raw)
	if err != nil || len(m) == 0 {
		return nil, err
	}
	texts := make(map[string]string, len(m))
	for key, member := range m {
		if texts[key], err = readString(field+"["+shown(key)+"]", member); err != nil {
			return nil, err
		}
	}
	return texts, nil
}

func present(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

// kindOf names the JSON type of raw for an error.
func kindOf(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "empty"
	}
	switch raw[0] {
	case '{':
		return "a mapping"
	case '[':
		return "a list"
	case '"':
		return "a string"
	case 't', 'f':
		return "true or false"
	case 'n':
		return "empty"
	}
	return "a number"
}

// known refuses members of m that are not among fields, and proposes the field that was probably meant.
func known(what string, m object, names string) error {
	fields := strings.Fields(names)
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if slices.Contains(fields, name) {
			continue
		}
		hint := ""
		if i := slices.IndexFunc(fields, func(f string) bool { return plainLetters(f) == plainLetters(name) }); i >= 0 {
			hint = "did you mean " + fields[i] + "?"
		}
		return refuse(hint, "%s has no field %s", what, shown(name))
	}
	return nil
}

// plainLetters is what is left of a field's name when case and separators are mistaken.
func plainLetters(s string) string {
	return strings.ToLower(strings.NewReplacer("_", "", "-", "", " ", "").Replace(s))
}
