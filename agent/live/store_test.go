package live_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

const ours = "team/infra"

var (
	begin = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	key   = types.NamespacedName{Namespace: "prod", Name: "db"}
)

// object is a GitSecret as the API server gives it: of type typ, applied by the agent with a label and an annotation, at a version.
func object(version int, typ string, change ...func(*v1alpha1.GitSecret)) *v1alpha1.GitSecret {
	o := &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: key.Namespace, Name: key.Name, UID: "u", ResourceVersion: fmt.Sprint(version), Generation: 1,
			Labels:      map[string]string{"app": "db", "their": "label"},
			Annotations: map[string]string{v1alpha1.AnnotationSync: ours, "note": "of Git", "their": "annotation", v1alpha1.AnnotationAppliedBy: "somebody"},
			ManagedFields: []metav1.ManagedFieldsEntry{
				{Manager: sync.FieldManager, Operation: metav1.ManagedFieldsOperationApply, Time: &metav1.Time{Time: begin},
					FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{".":{},"f:agent.waxwing.io/sync":{},"f:note":{}},"f:labels":{"f:app":{}}},"f:spec":{"f:format":{}}}`)},
				{Manager: "waxwing-controller", Operation: metav1.ManagedFieldsOperationUpdate, Subresource: "status", Time: &metav1.Time{Time: begin.Add(time.Hour)}},
			},
		},
		Spec: seal.Spec{Format: 1, Type: typ, Items: map[string]seal.Item{"a": {Envelope: "e", Value: "ciphertext"}}},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

// wanted is the digest that Git has for object(…, typ).
func wanted(typ string) string {
	spec := &seal.Spec{Format: 1, Type: typ, Items: map[string]seal.Item{"a": {Envelope: "e", Value: "ciphertext"}}}
	digest, _ := sync.Digests(map[string]string{"app": "db"}, map[string]string{"note": "of Git"}, spec)
	return digest
}

// watched is a store, what it has told, and its clock.
type watched struct {
	*live.Store
	told []live.Change
	now  time.Time
}

func newWatched() *watched {
	w := &watched{now: begin}
	w.Store = live.NewStore(nil, func(c live.Change) { w.told = append(w.told, c) }, func() time.Time { return w.now })
	return w
}

func (w *watched) shows(t *testing.T, o *v1alpha1.GitSecret) {
	t.Helper()
	w.OnAdd(through(t, o), false)
}

// through is the object as the cache has it.
func through(t *testing.T, o *v1alpha1.GitSecret) *v1alpha1.GitSecret {
	t.Helper()
	for range 2 { // informers give an object to their transform more than once
		if _, err := live.Transform(o); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (w *watched) digest() string {
	l, there := w.Live(key)
	if !there {
		return "absent"
	}
	return l.Digest
}

func TestWhatCounts(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*v1alpha1.GitSecret)
		same   bool
	}{
		"nothing":                      {func(*v1alpha1.GitSecret) {}, true},
		"a status":                     {func(o *v1alpha1.GitSecret) { o.Status.OpenedWith = "x" }, true},
		"another label of theirs":      {func(o *v1alpha1.GitSecret) { o.Labels["their"] = "other" }, true},
		"our label":                    {func(o *v1alpha1.GitSecret) { o.Labels["app"] = "other" }, false},
		"our label is gone":            {func(o *v1alpha1.GitSecret) { delete(o.Labels, "app") }, false},
		"our annotation":               {func(o *v1alpha1.GitSecret) { o.Annotations["note"] = "other" }, false},
		"the mark":                     {func(o *v1alpha1.GitSecret) { o.Annotations[v1alpha1.AnnotationSync] = "team/other" }, true},
		"an annotation that is signed": {func(o *v1alpha1.GitSecret) { o.Annotations[v1alpha1.AnnotationRollbackFrom] = "x" }, false},
		"the spec":                     {func(o *v1alpha1.GitSecret) { o.Spec.Suspend = true }, false},
		"a value":                      {func(o *v1alpha1.GitSecret) { o.Spec.Items["a"] = seal.Item{Envelope: "e", Value: "other"} }, false},
		"somebody owns the label now": {func(o *v1alpha1.GitSecret) {
			o.ManagedFields[0].FieldsV1 = metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:note":{}}}}`)
		}, false},
	} {
		w := newWatched()
		w.shows(t, object(1, "Opaque", c.change))
		if (w.digest() == wanted("Opaque")) != c.same {
			t.Errorf("%s: same: %v", name, !c.same)
		}
	}
}

func TestTheCacheKeepsNoSealedPart(t *testing.T) {
	o := through(t, object(1, "Opaque", func(o *v1alpha1.GitSecret) {
		o.Status.Conditions = []metav1.Condition{{Type: "Exposed", Status: "True"}, {Type: "Ready", Status: "True", Reason: "Unsealed", Message: "long"}}
		o.Status.Rewrap = []v1alpha1.RewrapOffer{{Holder: "prod", Set: 3, Note: "note"}}
		o.ManagedFields = append(o.ManagedFields, metav1.ManagedFieldsEntry{Manager: "kubectl-edit", Operation: "Update", Time: &metav1.Time{Time: begin.Add(time.Second)}})
	}))
	if o.Spec.Items != nil || o.ManagedFields != nil || o.Labels != nil || len(o.Status.Conditions) != 1 || o.Status.Conditions[0].Message != "" {
		t.Errorf("kept: %+v", o)
	}
	w := newWatched()
	w.OnAdd(o, true)
	if l, _ := w.Live(key); l.Rival != "kubectl-edit" || l.Sync != ours || l.UID != "u" || l.ResourceVersion != "1" || l.Deleting {
		t.Errorf("%+v", l)
	}
	if st, ok := w.Status(key); !ok || !st.Ready || st.Reason != "Unsealed" || st.Current || len(w.Offers(key)) != 1 {
		t.Errorf("%+v", st)
	}
}

func TestWhoHasWrittenLast(t *testing.T) {
	at := func(manager string, seconds int) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &metav1.Time{Time: begin.Add(time.Duration(seconds) * time.Second)}}
	}
	for _, c := range []struct {
		managers []metav1.ManagedFieldsEntry
		want     string
	}{
		{[]metav1.ManagedFieldsEntry{at("a", 1), at(sync.FieldManager, 1)}, "a"},
		{[]metav1.ManagedFieldsEntry{at(sync.FieldManager, 1), at("a", 1)}, "a"},
		{[]metav1.ManagedFieldsEntry{at("b", 2), at("a", 1), at(sync.FieldManager, 1)}, "b"},
		{[]metav1.ManagedFieldsEntry{at("a", 1), at(sync.FieldManager, 2)}, ""},
		{[]metav1.ManagedFieldsEntry{at(strings.Repeat("é", 100), 1)}, strings.Repeat("é", 32)},
		{nil, ""},
	} {
		if got := sync.Seen(&v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{ManagedFields: c.managers}}).Rival; got != c.want {
			t.Errorf("%v: %q", c.managers, got)
		}
	}
}

func TestWhatWasWrittenCountsUntilTheWatchHasIt(t *testing.T) {
	w := newWatched()
	w.shows(t, object(1, "old"))
	w.told = nil
	w.Wrote(key, sync.Seen(object(5, "new")))
	if w.digest() != wanted("new") {
		t.Error("the answer to a write does not count")
	}
	w.shows(t, object(3, "old")) // the watch is behind
	if w.digest() != wanted("new") {
		t.Error("the watch is behind, and was believed")
	}
	w.shows(t, object(5, "new"))
	if w.digest() != wanted("new") || len(w.told) != 0 {
		t.Errorf("told of our own write: %+v", w.told)
	}
	w.shows(t, object(6, "theirs"))
	if w.digest() != wanted("theirs") || len(w.told) != 1 || !w.told[0].Content || !slices.Equal(w.told[0].Syncs, []string{ours}) {
		t.Errorf("told: %+v", w.told)
	}
	w.Wrote(key, sync.Seen(object(5, "new"))) // an answer that comes late
	if w.digest() != wanted("theirs") {
		t.Error("an answer that came late was believed")
	}
}

func TestARestoredClusterIsBelieved(t *testing.T) {
	w := newWatched()
	w.shows(t, object(10, "old"))
	w.Wrote(key, sync.Seen(object(20, "new")))
	w.shows(t, object(7, "older")) // etcd was restored
	if w.digest() != wanted("older") {
		t.Error("what was written before the restore still counts")
	}
}

func TestWhatWasMadeAndDeleted(t *testing.T) {
	w := newWatched()
	w.Wrote(key, sync.Seen(object(5, "new")))
	if w.digest() != wanted("new") {
		t.Error("what was made does not count")
	}
	w.now = begin.Add(time.Hour)
	if w.digest() != "absent" {
		t.Error("what no watch has shown for an hour still counts")
	}
	w.shows(t, object(5, "new"))
	w.Deleted(key, "u")
	if l, there := w.Live(key); !there || !l.Deleting {
		t.Errorf("deleted by us: %+v", l)
	}
	w.told = nil
	w.OnDelete(toolscache.DeletedFinalStateUnknown{Key: key.String(), Obj: through(t, object(5, "new"))})
	if w.digest() != "absent" || len(w.told) != 1 || len(w.Marked(ours)) != 0 {
		t.Errorf("told: %+v, marked: %v", w.told, w.Marked(ours))
	}
	// Somebody deletes it, and the agent makes it anew before the watch tells.
	w.shows(t, object(8, "new"))
	w.Wrote(key, sync.Seen(object(12, "new", func(o *v1alpha1.GitSecret) { o.UID = "v" })))
	w.OnDelete(through(t, object(11, "new")))
	if l, there := w.Live(key); !there || l.UID != "v" {
		t.Errorf("made anew: %v %+v", there, l)
	}
}

func TestWhoIsTold(t *testing.T) {
	w := newWatched()
	w.shows(t, object(1, "a"))
	w.shows(t, object(2, "a", func(o *v1alpha1.GitSecret) { o.Annotations[v1alpha1.AnnotationSync] = "team/other" }))
	w.shows(t, object(3, "a", func(o *v1alpha1.GitSecret) { delete(o.Annotations, v1alpha1.AnnotationSync) }))
	w.shows(t, object(4, "a", func(o *v1alpha1.GitSecret) {
		delete(o.Annotations, v1alpha1.AnnotationSync)
		o.Status.Rewrap = []v1alpha1.RewrapOffer{{Holder: "prod", Set: 3, Note: "note"}}
	}))
	w.shows(t, object(5, "a", func(o *v1alpha1.GitSecret) {
		delete(o.Annotations, v1alpha1.AnnotationSync)
		o.Status.Rewrap = []v1alpha1.RewrapOffer{{Holder: "prod", Set: 3, Note: "note"}}
		o.Status.OpenedWith = "x"
	}))
	want := []live.Change{
		{Key: key, Syncs: []string{ours}, Content: true},
		{Key: key, Syncs: []string{ours, "team/other"}, Content: true},
		{Key: key, Syncs: []string{"team/other"}, Content: true},
		{Key: key, Offers: true},
	}
	if !slices.EqualFunc(w.told, want, func(a, b live.Change) bool {
		return a.Key == b.Key && slices.Equal(a.Syncs, b.Syncs) && a.Content == b.Content && a.Offers == b.Offers
	}) {
		t.Errorf("told: %+v", w.told)
	}
}

// TestAnObjectThatTookThePlaceOfOursIsSeen holds that an answer which comes late does not hide what somebody has made after deleting what it speaks of.
func TestAnObjectThatTookThePlaceOfOursIsSeen(t *testing.T) {
	w := newWatched()
	w.shows(t, object(9, "theirs", func(o *v1alpha1.GitSecret) { o.UID, o.Annotations = "other", nil }))
	w.Wrote(key, sync.Live{UID: "u", ResourceVersion: "7", Digest: wanted("Opaque"), Sync: ours})
	if l, there := w.Live(key); !there || l.UID != "other" || l.Sync != "" || l.Digest == wanted("Opaque") {
		t.Errorf("%+v, %v", l, there)
	}
	w.Wrote(key, sync.Live{UID: "again", ResourceVersion: "11", Digest: wanted("Opaque"), Sync: ours})
	if l, _ := w.Live(key); l.UID != "again" {
		t.Errorf("what was written after that: %+v", l)
	}
}
