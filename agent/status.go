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
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// maxRefused is how many refusals a status lists, maxPruned how many names of what is to be deleted, maxStrays of what nobody looks after.
	maxRefused, maxPruned, maxStrays = 50, 20, 20
	// maxShown bounds a text of a status, in bytes.
	maxShown = 1024
)

// report is what came of a look at a SecretSync, all that its status is made from.
type report struct {
	outcome
	findings
	// taken is the commit that the cluster is to have; nil: none was taken since the start.
	taken *taken
	// applied is the commit that the cluster has now; nil: as before.
	applied *v1alpha1.SyncRevision
	// refused are all refusals of the commit; unknown says that what was refused may hold objects.
	refused []desired.Refusal
	plan    *sync.Plan
	// strays are objects with the SecretSync's mark that are not in the plan's inventory, sorted.
	strays []types.NamespacedName
	// unread says why it is not known what the repository has now, so that its files may need other keys than those of taken; empty: it is known.
	unread string
	// asked is the value of annotation waxwing.io/sync-at that was carried out.
	asked string
	// askedNow says that it is carried out just now.
	askedNow bool
}

// findings are what one look has found and the next will not find again, so they are kept until a status tells of them.
type findings struct {
	// fetched is what the repository had; nil: it was not asked, or did not answer.
	fetched *v1alpha1.SyncRevision
	// writeBack is nil where spec.writeBack is not set, or nothing was tried.
	writeBack *v1alpha1.WriteBackStatus
	written   *metav1.Condition
	// anchored says that the audit logs' checkpoints were looked at, notGrown what is wrong with those that do not extend what Git has.
	anchored bool
	notGrown []string
}

// status is what a SecretSync's status becomes. old is not changed.
func (r *report) status(o *v1alpha1.SecretSync, now time.Time) v1alpha1.SecretSyncStatus {
	next := *o.Status.DeepCopy()
	if r.taken == nil && next.ObservedGeneration != o.Generation {
		next.Fetched = nil // what was fetched may be of another place than the one that is followed now
	}
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
		next.Strays = strays(r.strays)
	}
	if o.Spec.Mode == v1alpha1.SyncObserve {
		next.Pruning = nil
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
	if o.Spec.WriteBack == nil || o.Spec.WriteBack.Checkpoints == "" {
		apimeta.RemoveStatusCondition(&next.Conditions, v1alpha1.ConditionCheckpointsRefused)
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
	if r.anchored {
		set(v1alpha1.ConditionCheckpointsRefused, len(r.notGrown) > 0, metav1.ConditionTrue, NotGrown, strings.Join(r.notGrown, "; "))
	}
	reason, message := r.incomplete()
	set(v1alpha1.ConditionKeysIncomplete, reason != "", metav1.ConditionTrue, reason, message)
	if r.taken != nil {
		set(v1alpha1.ConditionRefused, len(r.refused) > 0, metav1.ConditionTrue, NotTaken, refusedMessage(r.refused))
	}
	switch {
	case r.reason == string(source.HistoryRewritten):
		set(v1alpha1.ConditionRewritten, true, metav1.ConditionTrue, NoDescendant, r.message)
	case r.taken != nil:
		set(v1alpha1.ConditionRewritten, r.taken.rewritten != "", metav1.ConditionTrue, NoDescendant, r.taken.rewritten)
	}
}

// incomplete says why status.keys may lack some; an empty reason: it does not. The keys that are there stay, whatever they are of: a use that is not one any more does no harm.
func (r *report) incomplete() (reason, message string) {
	switch {
	case r.taken == nil:
		return NotRead, "which keys the files need that are followed now is not known, and status.keys may be of others: " + r.message
	case r.unread != "":
		return NotRead, "which keys the files need that the repository has now is not known, and status.keys are those of the commit before: " + r.unread
	case r.taken.set.MoreKeys:
		return TooManyKeys, fmt.Sprintf("files may be wrapped for more keys than the %d that status.keys has room for", desired.MaxKeys)
	case r.taken.set.Unknown():
		return FilesRefused, "files were refused that may hold objects: which keys they need is not known"
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

// sorted are refusals, the worst first, because only the first of many are shown; those that are as bad by path and document.
func sorted(all ...[]desired.Refusal) []desired.Refusal {
	out := slices.Concat(all...)
	slices.SortStableFunc(out, func(a, b desired.Refusal) int {
		return cmp.Or(cmp.Compare(harm(a), harm(b)), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Document, b.Document))
	})
	return out
}

// harm is 0 for what may hold objects, which holds up deletions, 1 for what somebody misses or has to do something about, and 2 for manifests that are no matter of the agent's.
func harm(r desired.Refusal) int {
	switch {
	case !r.Known:
		return 0
	case r.Reason != desired.OtherKind:
		return 1
	}
	return 2
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
		out.Revision = t.name()
	}
	return out
}

// strays tells of objects that nobody looks after.
func strays(all []types.NamespacedName) *v1alpha1.SyncStrays {
	if len(all) == 0 {
		return nil
	}
	out := &v1alpha1.SyncStrays{Count: int64(len(all))}
	for _, key := range all[:min(len(all), maxStrays)] {
		out.Names = append(out.Names, key.String())
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
