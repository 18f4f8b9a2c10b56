package agent

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// maxRefused is how many refusals a status lists, maxPruned how many names of what is to be deleted.
	maxRefused, maxPruned = 50, 20
	// maxShown bounds a text of a status, in bytes.
	maxShown = 1024
)

// report is what came of a look at a SecretSync, all that its status is made from.
type report struct {
	outcome
	// fetched is what the repository had; nil: it was not asked, or did not answer.
	fetched *v1alpha1.SyncRevision
	// taken is the commit that the cluster is to have; nil: none was taken since the start.
	taken *taken
	// applied is the commit that the cluster has now; nil: as before.
	applied *v1alpha1.SyncRevision
	// refused are all refusals of the commit; unknown says that what was refused may hold objects.
	refused []desired.Refusal
	plan    *sync.Plan
	// asked is the value of annotation waxwing.io/sync-at that was carried out.
	asked string
	// askedNow says that it is carried out just now.
	askedNow bool
	// writeBack is nil where spec.writeBack is not set, or nothing was tried.
	writeBack *v1alpha1.WriteBackStatus
	written   *metav1.Condition
}

// status is what a SecretSync's status becomes. old is not changed.
func (r *report) status(o *v1alpha1.SecretSync, now time.Time) v1alpha1.SecretSyncStatus {
	next := *o.Status.DeepCopy()
	next.ObservedGeneration = o.Generation
	if r.fetched != nil && (next.Fetched == nil || next.Fetched.Revision != r.fetched.Revision || next.Fetched.Signer != r.fetched.Signer) {
		next.Fetched = r.fetched
	}
	if r.asked != "" {
		next.LastHandledSyncAt = r.asked
	}
	if r.applied != nil && (next.Applied == nil || next.Applied.Revision != r.applied.Revision || next.Applied.Signer != r.applied.Signer) {
		next.Applied = r.applied
	}
	if r.plan != nil {
		next.Inventory = inventory(r.plan.Inventory)
		next.Pruning = pruning(r.plan, r.taken)
	}
	if r.taken != nil {
		next.Objects, next.Refusals, next.Refused = int64(len(r.taken.set.Objects)), int64(len(r.refused)), refusals(r.refused)
		next.Keys = r.taken.set.Keys
	}
	if r.writeBack != nil {
		next.WriteBack = r.writeBack
	}
	if o.Spec.WriteBack == nil {
		next.WriteBack = nil
		apimeta.RemoveStatusCondition(&next.Conditions, v1alpha1.ConditionWrittenBack)
	}
	r.conditions(&next, o.Generation, now)
	return next
}

func (r *report) conditions(next *v1alpha1.SecretSyncStatus, generation int64, now time.Time) {
	set := func(kind string, on bool, status metav1.ConditionStatus, reason, message string) {
		if !on {
			apimeta.RemoveStatusCondition(&next.Conditions, kind)
			return
		}
		apimeta.SetStatusCondition(&next.Conditions, metav1.Condition{
			Type: kind, Status: status, Reason: reason, Message: cut(message), ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now),
		})
	}
	set(v1alpha1.ConditionReady, true, r.ready(), r.reason, r.message)
	set(v1alpha1.ConditionReconciling, r.then() == retrying, metav1.ConditionTrue, r.reason, r.message)
	set(v1alpha1.ConditionStalled, r.then() == stalled, metav1.ConditionTrue, r.reason, r.message)
	if r.written != nil {
		set(v1alpha1.ConditionWrittenBack, true, r.written.Status, r.written.Reason, r.written.Message)
	}
	if r.taken == nil {
		return
	}
	set(v1alpha1.ConditionRefused, len(r.refused) > 0, metav1.ConditionTrue, "NotTaken", refusedMessage(r.refused))
	set(v1alpha1.ConditionRewritten, r.taken.rewritten != "", metav1.ConditionTrue, "NoDescendant", r.taken.rewritten)
	reason, message := incomplete(r.taken.set)
	set(v1alpha1.ConditionKeysIncomplete, reason != "", metav1.ConditionTrue, reason, message)
}

// incomplete says why status.keys may lack some; an empty reason: it does not.
func incomplete(set *desired.Set) (reason, message string) {
	switch {
	case set.MoreKeys:
		return "TooManyKeys", fmt.Sprintf("files may be wrapped for more keys than the %d that status.keys has room for", desired.MaxKeys)
	case set.Unknown():
		return "FilesRefused", "files were refused that may hold objects: which keys they need is not known"
	}
	return "", ""
}

// counted is a number with the word for one, or for more.
func counted(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + more
}

func refusedMessage(all []desired.Refusal) string {
	if len(all) == 0 {
		return ""
	}
	first := fmt.Sprintf("%s: %s: %s", showPath(all[0]), all[0].Reason, all[0].Message)
	if len(all) == 1 {
		return first
	}
	return fmt.Sprintf("%d are not taken, see status.refused; the first: %s", len(all), first)
}

// sorted are refusals by path and document.
func sorted(all ...[]desired.Refusal) []desired.Refusal {
	out := slices.Concat(all...)
	slices.SortStableFunc(out, func(a, b desired.Refusal) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Document, b.Document))
	})
	return out
}

func refusals(all []desired.Refusal) []v1alpha1.SyncRefusal {
	var out []v1alpha1.SyncRefusal
	for _, f := range all[:min(len(all), maxRefused)] {
		out = append(out, v1alpha1.SyncRefusal{Path: cut(f.Path), Document: int32(f.Document), Reason: f.Reason, Message: cut(f.Message)})
	}
	return out
}

// inventory is a list of objects by namespace.
func inventory(all []types.NamespacedName) []v1alpha1.SyncInventory {
	var out []v1alpha1.SyncInventory
	for _, key := range all { // they are sorted
		if len(out) == 0 || out[len(out)-1].Namespace != key.Namespace {
			out = append(out, v1alpha1.SyncInventory{Namespace: key.Namespace})
		}
		last := &out[len(out)-1]
		last.Names = append(last.Names, key.Name)
	}
	return out
}

// inventoried is what inventory has made, as a list again.
func inventoried(all []v1alpha1.SyncInventory) []types.NamespacedName {
	var out []types.NamespacedName
	for _, ns := range all {
		for _, name := range ns.Names {
			out = append(out, types.NamespacedName{Namespace: ns.Namespace, Name: name})
		}
	}
	return out
}

// pruning tells of what Git lacks.
func pruning(p *sync.Plan, t *taken) *v1alpha1.SyncPruning {
	if len(p.Gone) == 0 {
		return nil
	}
	out := &v1alpha1.SyncPruning{Count: int64(len(p.Gone)), Held: cut(p.Held)}
	var since time.Time
	for i, key := range p.Gone {
		if i < maxPruned {
			out.Names = append(out.Names, key.String())
		}
		if at, ok := p.Missing[key]; ok && (since.IsZero() || at.Before(since)) {
			since = at
		}
	}
	if !since.IsZero() {
		at := metav1.NewTime(since).Rfc3339Copy()
		out.Since = &at
	}
	if t != nil {
		out.Revision = placeName(t.place) + "@sha1:" + t.commit.ID
	}
	return out
}

// quoted is a path as it is, or in quotes where it has what is not plain.
func quoted(path string) string {
	plain := func(c rune) bool {
		return c == ' ' || unicode.IsGraphic(c) && !unicode.IsSpace(c) && c != unicode.ReplacementChar && c != '"'
	}
	if strings.IndexFunc(path, func(c rune) bool { return !plain(c) }) >= 0 {
		path = strconv.QuoteToASCII(path)
	}
	return cut(path)
}

// cut bounds a text.
func cut(text string) string {
	if len(text) <= maxShown {
		return text
	}
	return strings.ToValidUTF8(text[:maxShown-3], "") + "…"
}
