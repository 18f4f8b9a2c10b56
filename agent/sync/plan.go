// Package sync decides what is written to the cluster so that it has what Git has, and writes it.
//
// It guarantees that only what differs is written, that an object which another SecretSync applies is left alone, and that nothing is deleted but what this SecretSync has
// applied and two good fetches, half a minute apart, both lack; never by an empty commit, by one of which a file could not be read, nor more at a time than the policy lets.
// The plan is a pure function; clients, clock and what is in the cluster are passed in.
package sync

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Settle is how long after a first good fetch without it, at least, an object is deleted by another one.
const Settle = 30 * time.Second

// Live is an object of the cluster, as far as it matters for what is written.
type Live struct {
	UID             types.UID
	ResourceVersion string
	Digest          string // as desired.Object has it
	Sync            string // annotation waxwing.io/sync
	Deleting        bool
}

// Cluster is what is in the cluster.
type Cluster interface {
	// Live gives an object; ok is false where it is not there.
	Live(key types.NamespacedName) (live Live, ok bool)
}

// Input is what a plan is made from.
type Input struct {
	// Sync is the SecretSync, NAMESPACE/NAME.
	Sync string
	// Set is what a good, verified fetch has brought.
	Set *desired.Set
	// Inventory are the objects that this SecretSync has applied, or was about to.
	Inventory []types.NamespacedName
	Cluster   Cluster
	// Prune is spec.prune; nil: nothing is deleted.
	Prune *v1alpha1.SyncPrune
	// Missing is Plan.Missing of the plan before; nil after a start: then all begins anew.
	Missing map[types.NamespacedName]time.Time
	// Now is when the fetch was done. It should have a monotonic reading, so that a clock that is set does not count.
	Now time.Time
}

// Why an object is applied.
const (
	New     = "new"     // it was not in the cluster
	Changed = "changed" // Git has something else than the cluster
	Adopted = "adopted" // it was in the cluster, and nobody's
)

// Apply is an object to be written.
type Apply struct {
	Object desired.Object
	Why    string
}

// Delete is an object to be deleted, as it was seen.
type Delete struct {
	Key  types.NamespacedName
	Live Live
}

// Plan is what is to be done.
type Plan struct {
	Apply  []Apply  // by key
	Delete []Delete // by key
	// Denied are objects that are not written, and why.
	Denied []desired.Refusal
	// Waiting are objects that are being deleted, and cannot be written before that is over.
	Waiting []types.NamespacedName
	// Inventory is to be stored before anything is written: all that is there of the one before, and what is written.
	Inventory []types.NamespacedName
	// Missing are the objects of the inventory that Git lacks, and since when: the first good fetch of a whole commit without them.
	Missing map[types.NamespacedName]time.Time
	// Held says why Missing, or a part of it, is not deleted; empty: it is, or nothing is missing.
	Held string
}

// TakenBySync is the reason of a Refusal: another SecretSync applies the object.
const TakenBySync = "TakenBySync"

// Decide makes the plan.
func Decide(in Input) Plan {
	p := Plan{Missing: map[types.NamespacedName]time.Time{}}
	wanted := make(map[types.NamespacedName]bool, len(in.Set.Objects))
	for _, o := range in.Set.Objects {
		wanted[o.Key] = true
		p.object(in, o)
	}
	var gone []Delete
	// What is not whole tells nothing of what is missing.
	whole := len(in.Set.Objects) > 0 && !in.Set.Unknown()
	for _, key := range in.Inventory {
		live, there := in.Cluster.Live(key)
		if wanted[key] || !there || live.Sync != in.Sync {
			continue
		}
		p.Inventory = append(p.Inventory, key)
		if live.Deleting {
			continue
		}
		switch since, known := in.Missing[key]; {
		case known && !since.After(in.Now):
			p.Missing[key] = since
		case whole:
			p.Missing[key] = in.Now
		}
		gone = append(gone, Delete{key, live})
	}
	p.prune(in, gone)
	slices.SortFunc(p.Inventory, compareKeys)
	p.Inventory = slices.Compact(p.Inventory)
	return p
}

// object decides about one object that Git has.
func (p *Plan) object(in Input, o desired.Object) {
	live, there := in.Cluster.Live(o.Key)
	switch {
	case there && live.Sync != "" && live.Sync != in.Sync:
		p.Denied = append(p.Denied, desired.Refusal{
			Path: o.Path, Document: o.Document, Reason: TakenBySync, Known: true,
			Message: fmt.Sprintf("%s is applied by SecretSync %s: one of the two has to leave it out; to hand it over, take annotation %s off the object", o.Key, live.Sync, v1alpha1.AnnotationSync),
		})
		return
	case there && live.Deleting:
		p.Waiting = append(p.Waiting, o.Key)
	case !there:
		p.Apply = append(p.Apply, Apply{o, New})
	case live.Sync == "":
		p.Apply = append(p.Apply, Apply{o, Adopted})
	case live.Digest != o.Digest:
		p.Apply = append(p.Apply, Apply{o, Changed})
	}
	p.Inventory = append(p.Inventory, o.Key)
}

// prune decides which of those that Git lacks are deleted now.
func (p *Plan) prune(in Input, gone []Delete) {
	if len(gone) == 0 {
		return
	}
	if p.Held = heldBack(in, len(gone)); p.Held != "" {
		return
	}
	for _, d := range gone {
		if in.Now.Sub(p.Missing[d.Key]) >= Settle {
			p.Delete = append(p.Delete, d)
		}
	}
	slices.SortFunc(p.Delete, func(a, b Delete) int { return compareKeys(a.Key, b.Key) })
	if len(p.Delete) < len(gone) {
		p.Held = fmt.Sprintf("a second fetch, at least %s later, has to lack them too", Settle)
	}
}

// heldBack says why nothing is deleted, whatever the time; empty: nothing is in the way.
func heldBack(in Input, count int) string {
	if in.Prune == nil {
		return "spec.prune is not set: what is not in Git any more stays"
	}
	percent := int32(20)
	if in.Prune.MaxPercent != nil {
		percent = *in.Prune.MaxPercent
	}
	switch {
	case in.Prune.Mode == v1alpha1.PruneDryRun:
		return "spec.prune.mode is DryRun"
	case in.Set.Unknown():
		return "a file was refused that may hold them: see status.refused"
	case len(in.Set.Objects) == 0:
		return "Git has no GitSecret there at all, which is never taken for a wish to delete all: look at spec.source.path, or delete the SecretSync with deletionPolicy: Delete"
	case count > 1 && int64(count)*100 > int64(percent)*int64(len(in.Inventory)):
		return fmt.Sprintf("%d of %d objects is more than spec.prune.maxPercent, %d %%: raise it if that is meant", count, len(in.Inventory), percent)
	}
	return ""
}

func compareKeys(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}
