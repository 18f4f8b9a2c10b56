package agent

import (
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/sync"
)

// observe says which commit the cluster's objects are of, where something else applies them.
func (r *syncs) observe(st *state, rep *report) {
	t := st.taken
	rep.refused = sorted(t.set.Refused)
	now := sync.Observe(t.set, r.live())
	if now.All() || len(t.set.Objects) == 0 {
		rep.outcome = outcome{Synced, summary(t, rep)}
		rep.applied = t.revision(r.now())
		return
	}
	rep.outcome = outcome{NotApplied, fmt.Sprintf("%d of %d objects are not as in %s@sha1:%s yet: %s",
		len(now.Other)+len(now.Absent), len(t.set.Objects), placeName(t.place), short(t.commit.ID), firstOf(now))}
	for _, before := range st.seen { // the newest first
		if sync.Observe(before.set, r.live()).All() {
			rep.applied = before.revision(r.now())
			return
		}
	}
}

// firstOf names one object that is not as it should be.
func firstOf(o sync.Observation) string {
	first := func(all []types.NamespacedName, what string) string {
		return fmt.Sprintf("%s is %s", all[0], what)
	}
	if len(o.Absent) > 0 {
		return first(o.Absent, "not there")
	}
	return first(o.Other, "another")
}

// owned gives what is in the cluster to one plan after the other, where the mark of a SecretSync that is not there any more counts as none: what it has left behind is
// nobody's. For one plan it is asked once for each SecretSync whether it is there, however many objects it has.
func owned(all sync.Cluster, exists func(secretSync string) bool) func() sync.Cluster {
	return func() sync.Cluster {
		known := map[string]bool{}
		return unowned{all, func(name string) bool {
			there, asked := known[name]
			if !asked {
				there = exists(name)
				known[name] = there
			}
			return there
		}}
	}
}

// unowned is what is in the cluster, for one goroutine.
type unowned struct {
	sync.Cluster
	exists func(secretSync string) bool
}

// Live implements sync.Cluster.
func (u unowned) Live(key types.NamespacedName) (sync.Live, bool) {
	live, there := u.Cluster.Live(key)
	if there && live.Sync != "" && !u.exists(live.Sync) {
		live.Sync = ""
	}
	return live, there
}
