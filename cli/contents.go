package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// contents says what a signature of doc vouches for, on one line.
func contents(doc *seal.Document) string {
	spec := doc.Spec()
	parts := []string{"scope " + spec.For.String(), counted(slices.Sorted(maps.Keys(spec.Items)), "item")}
	if spec.Type != "" {
		parts = append(parts, "type "+shown(spec.Type))
	}
	if spec.Immutable != nil && *spec.Immutable {
		parts = append(parts, "immutable")
	}
	if spec.DeletionPolicy != "" {
		parts = append(parts, "deletion policy "+shown(spec.DeletionPolicy))
	}
	if spec.OnImmutable == seal.OnImmutableRecreate {
		parts = append(parts, "an immutable Secret is made anew when it changes")
	}
	if spec.Suspend {
		parts = append(parts, "suspended")
	}
	if t := spec.Template; t != nil {
		parts = append(parts, templateContents(t)...)
	}
	for _, k := range slices.Sorted(maps.Keys(doc.Annotations)) {
		if strings.HasPrefix(k, seal.SignedAnnotationPrefix) {
			parts = append(parts, "annotation "+shown(k)+": "+shown(doc.Annotations[k]))
		}
	}
	return strings.Join(parts, "; ")
}

func templateContents(t *seal.Template) []string {
	var parts []string
	if m := t.Metadata; m != nil && len(m.Labels) > 0 {
		parts = append(parts, counted(slices.Sorted(maps.Keys(m.Labels)), "label")+" of the Secret")
	}
	if m := t.Metadata; m != nil && len(m.Annotations) > 0 {
		parts = append(parts, counted(slices.Sorted(maps.Keys(m.Annotations)), "annotation")+" of the Secret")
	}
	if len(t.Data) > 0 {
		parts = append(parts, counted(slices.Sorted(maps.Keys(t.Data)), "template"))
	}
	return parts
}

// maxListed is how many names are listed in full: all that people write by hand.
const maxListed = 40

// counted is "2 items (a, b)".
func counted(names []string, what string) string {
	if len(names) == 0 {
		return "no " + what
	}
	list := make([]string, 0, len(names))
	for _, name := range names[:min(len(names), maxListed)] {
		list = append(list, shown(name))
	}
	if len(names) > maxListed {
		list = append(list, "…")
	}
	if len(names) > 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s (%s)", len(names), what, strings.Join(list, ", "))
}
