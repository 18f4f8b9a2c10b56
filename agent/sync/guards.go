package sync

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// missing notes that Git lacks an object, as far as the commit tells anything of what is missing: it has to be whole.
func (p *Plan) missing(in Input, key types.NamespacedName) {
	switch since, known := in.Missing[key]; {
	case known && !since.After(in.Fetched):
		p.Missing[key] = since
	case len(in.Set.Objects) > 0 && !in.Set.Unknown() && in.Doubt == "":
		p.Missing[key] = in.Fetched
	}
}

// prune decides which of those that Git lacks are deleted now. ours is how many objects of the inventory are in the cluster.
func (p *Plan) prune(in Input, gone []Delete, ours int) {
	slices.SortFunc(gone, func(a, b Delete) int { return desired.CompareKeys(a.Key, b.Key) })
	gone = slices.CompactFunc(gone, func(a, b Delete) bool { return a.Key == b.Key })
	for _, d := range gone {
		p.Gone = append(p.Gone, d.Key)
	}
	if len(gone) == 0 {
		return
	}
	if p.Held = heldBack(in, len(gone), ours); p.Held != "" {
		return
	}
	for _, d := range gone {
		if since, known := p.Missing[d.Key]; known && in.Fetched.Sub(since) >= Settle {
			p.Delete = append(p.Delete, d)
		}
	}
	if len(p.Delete) < len(gone) {
		p.Held = fmt.Sprintf("a second fetch, at least %s later, has to lack them too", Settle)
	}
}

// heldBack says why nothing is deleted, whatever the time; empty: nothing is in the way.
func heldBack(in Input, count, ours int) string {
	if in.Prune == nil {
		return "spec.prune is not set: what is not in Git any more stays"
	}
	percent := int32(maxPercent)
	if in.Prune.MaxPercent != nil {
		percent = *in.Prune.MaxPercent
	}
	switch {
	case in.Prune.Mode == v1alpha1.PruneDryRun:
		return "spec.prune.mode is DryRun"
	case in.Doubt != "":
		return "what Git has now is not known: " + in.Doubt
	case in.Set.Unknown():
		return "a file was refused that may hold them: see status.refused"
	case len(in.Set.Objects) == 0:
		return "Git has no GitSecret there at all, which is never taken for a wish to delete all: look at spec.source.path, or delete the SecretSync with deletionPolicy: Delete"
	case count > 1 && int64(count)*100 > int64(percent)*int64(ours):
		return fmt.Sprintf("%d of %d objects is more than spec.prune.maxPercent, %d %%: raise it if that is meant", count, ours, percent)
	}
	return ""
}
