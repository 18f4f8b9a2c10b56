package desired

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"

	apicontent "k8s.io/apimachinery/pkg/api/validate/content"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

const (
	// maxAnnotations is how large annotations may be, in bytes of keys and values: what API servers take.
	maxAnnotations = 256 << 10
	// maxType is how long the type of a Secret may be, as the CRD has it.
	maxType = 253
)

// Manifest is what is applied of a GitSecret: what a file says that is not of these fields is left out, such as status, finalizers and owners.
type Manifest struct {
	APIVersion string     `json:"apiVersion"`
	Kind       string     `json:"kind"`
	Metadata   Metadata   `json:"metadata"`
	Spec       *seal.Spec `json:"spec"`
}

// Metadata is what is applied of an object's metadata.
type Metadata struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// Digest is of labels, annotations and spec, the same for a file and for an object in a cluster that has all of the file. Labels and annotations that files may not bring
// (Brings) do not count; of an object in a cluster, leave out those that others own.
func (m *Manifest) Digest() string {
	all, _ := m.Digests()
	return all
}

// Digests are Digest and SpecDigest, for which the spec, which may be large, is written once.
func (m *Manifest) Digests() (all, spec string) {
	spec = m.SpecDigest()
	return digest(struct {
		Labels, Annotations map[string]string
		Spec                string
	}{brought(m.Metadata.Labels), brought(m.Metadata.Annotations), spec}), spec
}

// SpecDigest is of the spec alone.
func (m *Manifest) SpecDigest() string { return digest(m.Spec) }

// digest is the SHA-256 of a value's JSON, in which encoding/json sorts maps. All that is in it is public.
func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return "" // maps and structs of strings and numbers can always be written
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// Brings says whether a file may bring a label or annotation into the cluster. Those with which the agent and other controllers mark what they have applied are not a file's to
// bring: with a copied mark another controller would take the object for its own, and delete it.
func Brings(key string) bool {
	prefix, _, _ := strings.Cut(key, "/")
	switch prefix {
	case "kubectl.kubernetes.io", "meta.helm.sh", "audit." + group, "agent." + group:
		return false
	}
	switch key {
	case "argocd.argoproj.io/tracking-id", "argocd.argoproj.io/instance", "argocd.argoproj.io/installation-id",
		"kustomize.toolkit.fluxcd.io/name", "kustomize.toolkit.fluxcd.io/namespace", "kustomize.toolkit.fluxcd.io/checksum",
		"helm.toolkit.fluxcd.io/name", "helm.toolkit.fluxcd.io/namespace",
		"config.k8s.io/owning-inventory":
		return false
	}
	return true
}

// brought are those of some labels or annotations that a file may bring; nil for none.
func brought(all map[string]string) map[string]string {
	out := maps.Clone(all)
	maps.DeleteFunc(out, func(key, _ string) bool { return !Brings(key) })
	if len(out) == 0 {
		return nil
	}
	return out
}

// unsound is why a document is no GitSecret that can be applied.
type unsound struct{ reason, message string }

func (u *unsound) Error() string { return u.message }

func invalid(format string, args ...any) error {
	return &unsound{InvalidFormat, fmt.Sprintf(format, args...)}
}

// parse reads a GitSecret strictly. Errors are *unsound, or of package manifest.
func parse(d *manifest.Doc) (*Manifest, error) {
	text, err := jsonOf(d)
	if err != nil {
		return nil, err
	}
	doc, err := seal.ParseDocument(text)
	if err != nil {
		return nil, notSealed(err)
	}
	labels, err := labelsOf(text)
	if err != nil {
		return nil, err
	}
	m := &Manifest{
		APIVersion: seal.APIVersion, Kind: seal.Kind, Spec: doc.Spec(),
		Metadata: Metadata{Name: doc.Target.Name, Namespace: doc.Target.Namespace, Labels: brought(labels), Annotations: brought(doc.Annotations)},
	}
	if len(doc.Spec().Type) > maxType {
		return nil, invalid("spec.type has more than %d characters", maxType)
	}
	return m, m.Metadata.check()
}

// jsonOf is a document's JSON, unless aliases make more of it than an object may have. Errors are as parse has them.
func jsonOf(d *manifest.Doc) ([]byte, error) {
	size, err := d.Size()
	if err != nil {
		return nil, err
	}
	if size > seal.MaxDocument {
		return nil, notSealed(seal.DocumentTooLarge(size))
	}
	return d.JSON()
}

func notSealed(err error) error {
	u := &unsound{InvalidFormat, err.Error()}
	if errors.Is(err, seal.ErrTooLarge) {
		u.reason = TooLarge
	}
	var e *seal.Error
	if errors.As(err, &e) && e.Hint != "" {
		u.message += ": " + e.Hint
	}
	return u
}

// labelsOf are the labels of a document that seal.ParseDocument has read, but for them. Names are compared exactly, unlike in encoding/json.
func labelsOf(text []byte) (map[string]string, error) {
	// A letter can only be written otherwise by \u. Most files have neither, and need not be read once more.
	if !bytes.Contains(text, []byte("labels")) && !bytes.Contains(text, []byte(`\u`)) {
		return nil, nil
	}
	var top, meta map[string]json.RawMessage
	var labels map[string]*string
	if json.Unmarshal(text, &top) != nil {
		return nil, invalid("cannot be read")
	}
	if m, ok := top["metadata"]; ok && json.Unmarshal(m, &meta) != nil {
		return nil, invalid("metadata must be an object")
	}
	if l, ok := meta["labels"]; ok && json.Unmarshal(l, &labels) != nil {
		return nil, invalid("metadata.labels must be an object of texts: quote numbers and the like")
	}
	out := make(map[string]string, len(labels))
	for key, value := range labels {
		if value != nil {
			out[key] = *value
		}
	}
	return out, nil
}

// check refuses what an API server would refuse, so that one object does not hold up its file.
func (m Metadata) check() error {
	switch {
	case m.Name == "":
		return invalid("has no metadata.name")
	case len(validation.IsDNS1123Subdomain(m.Name)) > 0:
		return invalid("its metadata.name is not one that Kubernetes takes")
	case m.Namespace != "" && len(validation.IsDNS1123Label(m.Namespace)) > 0:
		return invalid("its metadata.namespace is not one that Kubernetes takes")
	}
	for key, value := range m.Labels {
		if len(apicontent.IsLabelKey(key)) > 0 || len(apicontent.IsLabelValue(value)) > 0 {
			return invalid("has a label that Kubernetes does not take")
		}
	}
	size := 0
	for key, value := range m.Annotations {
		if len(apicontent.IsLabelKey(strings.ToLower(key))) > 0 {
			return invalid("has an annotation that Kubernetes does not take")
		}
		size += len(key) + len(value)
	}
	if size > maxAnnotations {
		return invalid("has annotations of %d bytes, and Kubernetes takes %d at most", size, maxAnnotations)
	}
	return nil
}
