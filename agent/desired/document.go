package desired

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

const (
	group = v1alpha1.GroupName
	// maxListDepth is how deep lists in lists are looked into.
	maxListDepth = 8
	// maxTypeName bounds what is shown of an apiVersion or kind, in bytes.
	maxTypeName = 63
)

// document judges one document, or one item of a list in it. All that may have been meant as a GitSecret, and is none, is refused as something unknown.
func (l *looker) document(d *manifest.Doc, n int, text span, depth int) {
	api, kind := d.APIVersion(), d.Kind()
	of, _, _ := strings.Cut(api, "/")
	switch {
	case api == seal.APIVersion && kind == seal.Kind:
		l.sealed(d, n, text)
	case api == "v1" && kind == "List":
		l.list(d, n, text, depth)
	case of == group && (kind == "Keyring" || kind == "SecretSync"):
		l.others.add(n, kind)
	case of == group, strings.EqualFold(kind, seal.Kind) && api == "":
		l.refuse(n, InvalidFormat, fmt.Sprintf("is a %s of %s, which this version does not know; GitSecrets are of %s", typeName(kind), typeName(api), seal.APIVersion), false)
	case strings.HasSuffix(kind, "List"):
		l.refuse(n, InvalidFormat, fmt.Sprintf("is a %s of %s: GitSecrets may be in a List of v1, or by themselves", typeName(kind), typeName(api)), false)
	case api != "" && kind != "":
		l.others.add(n, typeName(kind))
	default:
		l.untyped(d, n)
	}
}

func typeName(s string) string {
	switch {
	case s == "":
		return "(nothing)"
	case len(s) > maxTypeName || unprintable(s):
		return strconv.QuoteToASCII(s[:min(len(s), maxTypeName)])
	}
	return s
}

// untyped judges a document without an apiVersion or a kind that is a text: it is no manifest, unless it looks as if it was meant to be one.
func (l *looker) untyped(d *manifest.Doc, n int) {
	if d.Empty() {
		return
	}
	text, err := jsonOf(d)
	var bad *unsound
	switch {
	case errors.As(err, &bad):
		l.refuse(n, bad.reason, bad.message, false)
		return
	case err != nil:
		l.refuse(n, InvalidYAML, parseMessage(err), false)
		return
	}
	var top map[string]json.RawMessage
	if json.Unmarshal(text, &top) != nil {
		return // a list or a single value is nothing that is applied
	}
	for _, key := range slices.Sorted(maps.Keys(top)) {
		if strings.EqualFold(key, "kind") && kindOfSealed(top[key]) {
			l.refuse(n, InvalidFormat, fmt.Sprintf("has no apiVersion, or a kind, that is understood; GitSecrets are of %s", seal.APIVersion), false)
			return
		}
	}
}

// kindOfSealed says whether a kind that was not understood may stand for a GitSecret: what is no text, or that word in other letters.
func kindOfSealed(kind json.RawMessage) bool {
	var s string
	return json.Unmarshal(kind, &s) != nil || strings.EqualFold(s, seal.Kind)
}

// list looks at the items of a List.
func (l *looker) list(d *manifest.Doc, n int, text span, depth int) {
	items, ok := d.Items()
	switch {
	case !ok:
		l.refuse(n, InvalidFormat, "is a List whose items cannot be read", false)
		return
	case depth == maxListDepth && len(items) > 0:
		l.refuse(n, InvalidFormat, "is a List in Lists, too deep to be looked into", false)
		return
	}
	before := len(l.objects)
	for _, item := range items {
		l.document(item, n, text, depth+1)
	}
	if found := l.objects[before:]; len(found) > 1 {
		for i := range found {
			found[i].listed = true
		}
	}
}

// sealed reads a GitSecret.
func (l *looker) sealed(d *manifest.Doc, n int, text span) {
	m, err := parse(d)
	var bad *unsound
	switch {
	case errors.As(err, &bad):
		l.refuse(n, bad.reason, bad.message, false)
	case err != nil:
		l.refuse(n, InvalidYAML, parseMessage(err), false)
	case m.Metadata.Namespace == "":
		l.refuse(n, NoNamespace, fmt.Sprintf("GitSecret %s has no metadata.namespace, and none is guessed: write it into the file", m.Metadata.Name), false)
	default:
		o := m.object()
		o.Document, o.text = n, text
		l.objects = append(l.objects, o)
	}
}

// object is what is kept of a GitSecret.
func (m *Manifest) object() Object {
	o := Object{Key: types.NamespacedName{Namespace: m.Metadata.Namespace, Name: m.Metadata.Name}, Envelopes: map[string]string{}}
	o.Digest, o.SpecDigest = m.Digests()
	keys := map[string]bool{}
	for _, id := range m.Spec.Referenced() {
		e := m.Spec.Envelopes[id]
		o.Envelopes[id] = e.Commit
		for _, w := range e.Wraps {
			for _, key := range w.Keys {
				keys[key] = true
			}
		}
	}
	o.Keys = slices.Sorted(maps.Keys(keys))
	return o
}
