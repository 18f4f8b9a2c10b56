package sync

import (
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
)

// Observation is how the cluster stands to what a commit has, where something else applies it.
type Observation struct {
	// Same is how many objects the cluster has as the commit has them, by their specs; Other and Absent are those that it has differently, and not.
	Same          int
	Other, Absent []types.NamespacedName
}

// All says whether the cluster has all of the commit.
func (o Observation) All() bool { return o.Same > 0 && len(o.Other)+len(o.Absent) == 0 }

// Observe compares. Labels and annotations do not count: whoever applies adds some.
func Observe(set *desired.Set, c Cluster) Observation {
	var out Observation
	for _, o := range set.Objects {
		live, there := c.Live(o.Key)
		switch {
		case !there || live.Deleting:
			out.Absent = append(out.Absent, o.Key)
		case live.Spec != o.SpecDigest:
			out.Other = append(out.Other, o.Key)
		default:
			out.Same++
		}
	}
	return out
}

// Retire gives the objects to delete when a SecretSync with deletionPolicy Delete goes: all of its inventory that is still its own, by key. left are those of them that are being
// deleted already, unseen those of which nothing is known.
func Retire(sync string, inventory []types.NamespacedName, c Cluster) (now []Delete, left, unseen []types.NamespacedName) {
	for _, key := range inventory {
		live, there := c.Live(key)
		switch {
		case !c.Sees(key.Namespace):
			unseen = append(unseen, key)
		case there && live.Sync == sync && live.Deleting:
			left = append(left, key)
		case there && live.Sync == sync:
			now = append(now, Delete{key, live})
		}
	}
	slices.SortFunc(now, func(a, b Delete) int { return desired.CompareKeys(a.Key, b.Key) })
	return now, left, unseen
}

// Strays are, of the objects that carry the mark of a SecretSync, those that its inventory does not have, by key: of one of the same name that was deleted and has left them
// behind, or of a status that was lost. Nothing says that this SecretSync has applied them, so they are not its own to delete. inventory is sorted.
func Strays(sync string, marked, inventory []types.NamespacedName, c Cluster) []types.NamespacedName {
	var out []types.NamespacedName
	for _, key := range marked {
		live, there := c.Live(key)
		if _, ours := slices.BinarySearchFunc(inventory, key, desired.CompareKeys); !ours && there && live.Sync == sync && !live.Deleting {
			out = append(out, key)
		}
	}
	slices.SortFunc(out, desired.CompareKeys)
	return out
}
