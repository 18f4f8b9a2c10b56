package controller

import (
	"fmt"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// TestDeletionsThatCannotBeNotedAreBounded has somebody delete a Secret again and again while the audit log takes no note: also what was given back counts.
func TestDeletionsThatCannotBeNotedAreBounded(t *testing.T) {
	g, key := newGone(), types.NamespacedName{Namespace: "team", Name: "db"}
	g.lead()
	deleted := bareMetadata(v1alpha1.GroupVersion().WithKind("Secret"), key)
	deleted.Annotations = map[string]string{v1alpha1.AnnotationOrigin: key.String()}
	remove := func(n int) {
		for i := range n {
			deleted.UID = types.UID(fmt.Sprint(i))
			g.observe(deleted)
		}
	}
	remove(2 * maxGone)
	for range 3 {
		all := g.take(key)
		remove(3) // while the log is asked
		g.untake(key, all)
		remove(10 * maxGone)
	}
	if kept := g.take(key); len(kept) != maxGone || kept[0].UID != "0" {
		t.Errorf("%d deletions of one name are kept, from %v on", len(kept), kept[:1])
	}
}
