// Package sync decides what is written to the cluster so that it has what Git has, and writes it.
//
// It guarantees that only what differs is written, that an object which another SecretSync applies is left alone, and that nothing is deleted but what this SecretSync has
// applied and two good fetches, half a minute apart, both lack; never by an empty commit, by one of which a file could not be read, while the newest fetch is in doubt, nor more
// at a time than the policy lets. Every write has the version that it was decided for as a precondition. The plan is a pure function; clients, clock and what is in the cluster
// are passed in.
package sync

import (
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// Settle is how long after a first good fetch without it, at least, an object is deleted by another one.
	Settle = 30 * time.Second
	// firstPace is how long an object is left alone, at least, after it was applied, when somebody else has changed it since, or it could not be; twice as long each time that it
	// comes to that again, up to lastPace, or lastRest.
	firstPace = 5 * time.Second
	lastPace  = 5 * time.Minute
	lastRest  = time.Minute
	// maxPercent is v1alpha1.SyncPrune's where it has none.
	maxPercent = 20
)

// Live is an object of the cluster, as far as it matters for what is written. Package live keeps them, and Seen makes them.
type Live struct {
	UID             types.UID
	ResourceVersion string
	Digest, Spec    string // of all that is applied, and of the spec alone: as desired.Object has Digest and SpecDigest
	Sync            string // annotation v1alpha1.AnnotationSync
	Deleting        bool
	// Rival is the field manager that has changed the object after us; empty: none has. Whoever writes chooses it.
	Rival string
}

// Cluster is what is in the cluster.
type Cluster interface {
	// Live gives an object; ok is false where it is not there.
	Live(key types.NamespacedName) (live Live, ok bool)
	// Sees says whether the objects of a namespace are looked at. Of others nothing is known.
	Sees(namespace string) bool
}

// Input is what a plan is made from.
type Input struct {
	// Sync is the SecretSync, NAMESPACE/NAME.
	Sync string
	// Set is what the newest commit that was taken has: well fetched, verified, and not one that a rewritten branch keeps from being taken.
	Set *desired.Set
	// Fetched is when that fetch was done, also where the plan is made anew later. It should have a monotonic reading, so that a clock that is set does not count.
	Fetched time.Time
	// Doubt says why Set may not be what Git has now: the newest fetch has failed, or brought what is not taken. While it says anything nothing is deleted.
	Doubt string
	// Inventory are the objects that this SecretSync has applied, or was about to.
	Inventory []types.NamespacedName
	Cluster   Cluster
	// Prune is spec.prune; nil: nothing is deleted.
	Prune *v1alpha1.SyncPrune
	// Missing is Plan.Missing of the plan before; nil after a start: then all begins anew.
	Missing map[types.NamespacedName]time.Time
	// Applied is what was applied by this process.
	Applied map[types.NamespacedName]Applied
	// Now is the time of the plan.
	Now time.Time
	// Asked says that somebody has asked for it: nothing is left alone.
	Asked bool
}

// Applied says how an object was applied last.
type Applied struct {
	Digest  string // of what Git had
	At      time.Time
	Pace    time.Duration // how long it is left alone after that, whatever becomes of it
	Failure *Failure      // why it could not be; nil: it was
}

// Why an object is applied.
const (
	New     = "new"     // it was not in the cluster
	Changed = "changed" // Git has something else than the cluster
	Adopted = "adopted" // it was in the cluster, and nobody's
	Drifted = "drifted" // somebody has changed or deleted it since it was applied
)

// Apply is an object to be written.
type Apply struct {
	Object desired.Object
	Why    string
	// Live is the object as it was seen; nil: there was none.
	Live *Live
}

// Delete is an object to be deleted, as it was seen.
type Delete struct {
	Key  types.NamespacedName
	Live Live
}

// Fight is an object that is not applied for now, because somebody has changed it just after it was.
type Fight struct {
	Key   types.NamespacedName
	Rival string // field manager; empty: not known
	// Again says that it has come to that before, a short while ago: somebody changes it again and again.
	Again bool
}

// Plan is what is to be done.
type Plan struct {
	Apply  []Apply  // by key
	Delete []Delete // by key
	// Denied are objects that are not written, and why.
	Denied []desired.Refusal
	// Waiting are objects that are being deleted, and cannot be written before that is over.
	Waiting []types.NamespacedName
	// Fights are objects that somebody has changed a moment after they were applied, and Failing those that could not be written last time; they are left alone until Again, at least one of them.
	Fights  []Fight
	Failing []Result
	Again   time.Time
	// Inventory is to be stored before anything is written: all that is there of the one before, and what is written.
	Inventory []types.NamespacedName
	// Missing are the objects of the inventory that Git lacks, and since when: the first good fetch of a whole commit without them.
	Missing map[types.NamespacedName]time.Time
	// Gone are all objects of the inventory that Git lacks, by key; Held says why they, or a part of them, are not deleted; empty: they are, or there are none.
	Gone []types.NamespacedName
	Held string
}

// Reasons of a Refusal that have to do with the cluster.
const (
	TakenBySync         = "TakenBySync"         // another SecretSync applies the object
	NamespaceNotWatched = "NamespaceNotWatched" // the agent was told not to look there
)

// Decide makes the plan.
func Decide(in Input) Plan {
	p := Plan{Missing: map[types.NamespacedName]time.Time{}}
	wanted := make(map[types.NamespacedName]bool, len(in.Set.Objects))
	for _, o := range in.Set.Objects {
		wanted[o.Key] = true
		p.object(in, o)
	}
	var gone []Delete
	ours := 0
	for _, key := range in.Inventory {
		if !in.Cluster.Sees(key.Namespace) {
			p.Inventory = append(p.Inventory, key) // what becomes of it there is not known
			continue
		}
		live, there := in.Cluster.Live(key)
		if !there || live.Sync != in.Sync {
			continue
		}
		p.Inventory = append(p.Inventory, key)
		if live.Deleting {
			continue
		}
		ours++
		if !wanted[key] {
			p.missing(in, key)
			gone = append(gone, Delete{key, live})
		}
	}
	p.prune(in, gone, ours)
	slices.SortFunc(p.Inventory, desired.CompareKeys)
	p.Inventory = slices.Compact(p.Inventory)
	return p
}

// object decides about one object that Git has.
func (p *Plan) object(in Input, o desired.Object) {
	if !in.Cluster.Sees(o.Key.Namespace) {
		p.deny(o, NamespaceNotWatched, fmt.Sprintf("the agent does not look into namespace %s: name it in --namespaces", o.Key.Namespace))
		return
	}
	live, there := in.Cluster.Live(o.Key)
	switch {
	case there && live.Sync != "" && live.Sync != in.Sync:
		p.deny(o, TakenBySync, fmt.Sprintf("%s is applied by SecretSync %s: one of the two has to leave it out; to hand it over, take annotation %s off the object",
			o.Key, live.Sync, v1alpha1.AnnotationSync))
		return
	case there && live.Deleting:
		p.Waiting = append(p.Waiting, o.Key)
	case !there:
		p.apply(in, Apply{Object: o, Why: New})
	case live.Sync == "":
		p.apply(in, Apply{o, Adopted, &live})
	case live.Digest != o.Digest:
		p.apply(in, Apply{o, Changed, &live})
	}
	p.Inventory = append(p.Inventory, o.Key)
}

// apply has an object applied, unless that was tried a moment ago and did not last.
func (p *Plan) apply(in Input, a Apply) {
	before, known := in.Applied[a.Object.Key]
	if !known || before.Digest != a.Object.Digest {
		p.Apply = append(p.Apply, a)
		return
	}
	if before.Failure == nil {
		a.Why = Drifted
	}
	until := before.At.Add(before.Pace)
	switch {
	case in.Asked || !in.Now.Before(until):
		p.Apply = append(p.Apply, a)
		return
	case before.Failure != nil:
		p.Failing = append(p.Failing, Result{Key: a.Object.Key, Why: a.Why, Failure: before.Failure})
	case a.Live != nil:
		p.Fights = append(p.Fights, Fight{a.Object.Key, a.Live.Rival, before.Pace > firstPace})
	default:
		p.Fights = append(p.Fights, Fight{Key: a.Object.Key, Again: before.Pace > firstPace})
	}
	if p.Again.IsZero() || until.Before(p.Again) {
		p.Again = until
	}
}

func (p *Plan) deny(o desired.Object, reason, message string) {
	p.Denied = append(p.Denied, desired.Refusal{Path: o.Path, Document: o.Document, Reason: reason, Message: message, Known: true})
}
