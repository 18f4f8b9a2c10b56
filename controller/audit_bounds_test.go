package controller

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

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

// TestWhatIsGoneDoesNotWaitForTheLog has objects made and deleted while the audit log is away, which may be for long.
func TestWhatIsGoneDoesNotWaitForTheLog(t *testing.T) {
	known := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(known); err != nil {
		t.Fatal(err)
	}
	seen := newMemory(func() float64 { return 0 })
	waiters := newAuditWaiters(&away{errors.New("full")}, seen)
	g := &gatherer{cache: fake.NewClientBuilder().WithScheme(known).Build(), seen: seen, noted: newNoted(), bodies: newBodies(seen, 1<<20), pace: newPace(), waiters: waiters, now: time.Now}
	for i := range 3 {
		key := types.NamespacedName{Namespace: "team", Name: fmt.Sprint(i)}
		waiters.add(key)
		if in, again, err := g.gather(t.Context(), key); in != nil || again != 0 || err != nil {
			t.Fatal(in, again, err)
		}
	}
	if len(waiters.keys) != 0 {
		t.Errorf("%d objects that are gone still wait", len(waiters.keys))
	}
}
