package controller

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// TestWhoIsBehindAnObject holds that a record names the user of the annotation only where something vouches for it, from the API server's object and from the cache alike.
func TestWhoIsBehindAnObject(t *testing.T) {
	live := whole(1, "10")
	slim := cached(t, newBodies(newMemory(func() float64 { return 0 }), 1<<20), whole(1, "10"))
	forged := whole(1, "10")
	forged.Annotations[v1alpha1.AnnotationAppliedBy] = strings.Repeat("x", maxUser+1)
	bare := &v1alpha1.GitSecret{}
	for name, c := range map[string]struct {
		o       *v1alpha1.GitSecret
		stamped bool
		want    audit.Actor
	}{
		"a policy is in force":         {live, true, audit.Actor{User: "alice", Manager: "flux"}},
		"from the cache":               {slim, true, audit.Actor{User: "alice", Manager: "flux"}},
		"nothing vouches for it":       {live, false, audit.Actor{User: audit.Unattributed, Manager: "flux"}},
		"a name that is none":          {forged, true, audit.Actor{User: audit.Unattributed, Manager: "flux"}},
		"it was there before a policy": {bare, true, audit.Actor{User: audit.Unattributed}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, actorOf(c.o, c.stamped, "")); diff != "" {
				t.Error(diff)
			}
		})
	}
}
