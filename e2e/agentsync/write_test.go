package agentsync_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// byHand changes an object of the cluster as a person does.
func (w *world) byHand(t *testing.T, name, patch string) {
	t.Helper()
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.prod, Name: name}}
	if err := w.Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(patch)), client.FieldOwner("kubectl-edit")); err != nil {
		t.Fatal(err)
	}
}

// withStatus gives an object a status, as the controller does.
func (w *world) withStatus(t *testing.T, name string) {
	t.Helper()
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.prod, Name: name}}
	if err := w.Status().Patch(t.Context(), o, client.RawPatch(types.MergePatchType, []byte(`{"status": {"openedWith": "`+name+`"}}`)), client.FieldOwner("waxwing-controller")); err != nil {
		t.Fatal(err)
	}
}

func TestAnObjectIsMadeAndChanged(t *testing.T) {
	w := newWorld(t)
	o := w.manifest(t, "db")
	made := w.applied(t, o, nil)
	is, _ := w.live(t, "db")
	if is.Annotations[v1alpha1.AnnotationSync] != w.team+"/infra" || len(is.ManagedFields) != 1 || is.ManagedFields[0].Manager != sync.FieldManager || is.ManagedFields[0].Operation != "Apply" {
		t.Errorf("annotations %v, managed by %v", is.Annotations, is.ManagedFields)
	}
	// Git drops a label, an annotation and a field, and changes a value.
	renewed := w.manifest(t, "db", func(o *v1alpha1.GitSecret) {
		o.Labels, o.Annotations = nil, nil
		o.Spec.DeletionPolicy = seal.DeletionRetain
	})
	w.withStatus(t, "db") // the version that was seen is not the newest any more
	changed := w.applied(t, renewed, &made)
	is, _ = w.live(t, "db")
	if len(is.Labels) != 0 || len(is.Annotations) != 1 || changed.UID != made.UID || is.Status.OpenedWith != "db" {
		t.Errorf("labels %v, annotations %v, status %+v", is.Labels, is.Annotations, is.Status)
	}
	again := w.applied(t, renewed, &changed)
	if again.ResourceVersion != changed.ResourceVersion {
		t.Error("applying what is there makes a new version")
	}
}

func TestWhatOthersHaveAddedGoes(t *testing.T) {
	w := newWorld(t)
	o := w.manifest(t, "db")
	seen := w.applied(t, o, nil)
	for name, patch := range map[string]string{
		"a field":               `{"spec": {"suspend": true}}`,
		"a template":            `{"spec": {"template": {"data": {"a": "b"}}}}`,
		"a value of ours":       `{"spec": {"type": "example.com/theirs"}}`,
		"an item":               `{"spec": {"items": {"user": null}}}`,
		"a label of ours":       `{"metadata": {"labels": {"app": "theirs"}}}`,
		"a signed annotation":   `{"metadata": {"annotations": {"waxwing.io/rollback-from": "01kb0000000000000000000000"}}}`,
		"all of it at once":     `{"metadata": {"labels": null, "annotations": {"waxwing.io/a": "b", "example.com/note": null}}, "spec": {"suspend": true, "immutable": true, "template": {"data": {"a": "b"}}}}`,
		"our mark is taken off": `{"metadata": {"annotations": {"agent.waxwing.io/sync": null}}}`,
	} {
		w.byHand(t, "db", patch)
		_, drifted := w.live(t, "db")
		if drifted.Digest == seen.Digest && drifted.Sync == seen.Sync {
			t.Errorf("%s: nothing is seen of it", name)
		}
		// Who only takes something away owns nothing afterwards.
		if onlyTakes := name == "our mark is taken off"; (drifted.Rival == "kubectl-edit") == onlyTakes {
			t.Errorf("%s: the rival is %q", name, drifted.Rival)
		}
		seen = w.applied(t, o, drifted)
	}
	// What has nothing to do with us stays.
	w.byHand(t, "db", `{"metadata": {"labels": {"their": "label"}, "annotations": {"example.com/theirs": "x"}}}`)
	_, is := w.live(t, "db")
	if is.Digest != seen.Digest {
		t.Error("a label of somebody else counts as drift")
	}
	w.byHand(t, "db", `{"spec": {"suspend": true}}`)
	_, is = w.live(t, "db")
	w.applied(t, o, is)
	if got, _ := w.live(t, "db"); got.Labels["their"] != "label" || got.Annotations["example.com/theirs"] != "x" || got.Spec.Suspend {
		t.Errorf("labels %v, annotations %v", got.Labels, got.Annotations)
	}
}

func TestAnObjectThatKubectlHasAppliedIsAdopted(t *testing.T) {
	w := newWorld(t)
	o := w.manifest(t, "db")
	theirs := o.DeepCopy()
	theirs.Spec.Suspend = true
	theirs.Labels["old"] = "label"
	if err := w.Create(t.Context(), theirs, client.FieldOwner("kubectl-create")); err != nil {
		t.Fatal(err)
	}
	_, seen := w.live(t, "db")
	w.applied(t, o, seen)
	if got, _ := w.live(t, "db"); got.Spec.Suspend {
		t.Error("what kubectl had there and Git has not is still there")
	}
}

func TestAnObjectOfAnotherSecretSyncIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	other := sync.Writer{Sync: w.team + "/other", Account: w.account}
	theirs := w.manifest(t, "db")
	if _, err := other.Apply(t.Context(), sync.Apply{Object: object(theirs)}, theirs); err != nil {
		t.Fatal(err)
	}
	before, _ := w.live(t, "db")
	ours := w.manifest(t, "db")
	// The cache has nothing of it yet.
	_, err := w.writer.Apply(t.Context(), sync.Apply{Object: object(ours)}, ours)
	fails(t, err, sync.TakenBySync)
	// The cache has it as it was before it was taken.
	_, err = w.writer.Apply(t.Context(), sync.Apply{Object: object(ours), Live: &sync.Live{UID: before.UID, ResourceVersion: "2"}}, ours)
	fails(t, err, sync.TakenBySync)
	fails(t, w.writer.Delete(t.Context(), sync.Delete{Key: w.key("db"), Live: sync.Seen(before)}), sync.ChangedMeanwhile)
	seenAsOurs := sync.Seen(before)
	seenAsOurs.Sync, seenAsOurs.ResourceVersion = w.writer.Sync, "2"
	fails(t, w.writer.Delete(t.Context(), sync.Delete{Key: w.key("db"), Live: seenAsOurs}), sync.ChangedMeanwhile)
	if after, _ := w.live(t, "db"); after.ResourceVersion != before.ResourceVersion {
		t.Error("it was written")
	}
}

func TestAnObjectIsDeletedAsItWasSeenOnly(t *testing.T) {
	w := newWorld(t)
	o := w.manifest(t, "db")
	seen := w.applied(t, o, nil)
	w.byHand(t, "db", `{"spec": {"suspend": true}}`)
	fails(t, w.writer.Delete(t.Context(), sync.Delete{Key: w.key("db"), Live: seen}), sync.ChangedMeanwhile)
	_, is := w.live(t, "db")
	seen = w.applied(t, o, is)
	w.withStatus(t, "db")
	if err := w.writer.Delete(t.Context(), sync.Delete{Key: w.key("db"), Live: seen}); err != nil {
		t.Errorf("only its status has changed: %v", err)
	}
	if err := w.writer.Delete(t.Context(), sync.Delete{Key: w.key("db"), Live: seen}); err != nil {
		t.Errorf("it is gone already: %v", err)
	}
	// One that was made anew meanwhile is another.
	w.applied(t, o, nil)
	fails(t, w.writer.Delete(t.Context(), sync.Delete{Key: w.key("db"), Live: seen}), sync.ChangedMeanwhile)
}

func TestTheAccountsRightsAreTheLimit(t *testing.T) {
	w := newWorld(t)
	log := w.APILog(t)
	o := w.manifest(t, "db")
	w.applied(t, o, nil)
	elsewhere := o.DeepCopy()
	elsewhere.Namespace = w.Namespace(t)
	_, err := w.writer.Apply(t.Context(), sync.Apply{Object: object(elsewhere)}, elsewhere)
	fails(t, err, sync.Forbidden)
	if !strings.Contains(err.Error(), w.team) || !strings.Contains(err.Error(), "waxwing-sync") {
		t.Errorf("it does not say who may not: %v", err)
	}
	// The agent itself may write nothing, nor be anybody else.
	agent := w.ServiceAccountConfig(t, "waxwing-system", "test-agent")
	own, err := client.New(agent, client.Options{Scheme: w.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Create(t.Context(), w.manifest(t, "own")); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("the agent has made an object as itself: %v", err)
	}
	stranger, err := w.accounts.Of(types.NamespacedName{Namespace: w.prod, Name: "default"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = sync.Writer{Sync: w.writer.Sync, Account: stranger}.Apply(t.Context(), sync.Apply{Object: object(o)}, o)
	fails(t, err, sync.Forbidden)
	if _, err := w.accounts.Of(types.NamespacedName{Namespace: w.team}); err == nil {
		t.Error("a client for nobody")
	}
	if _, err := sync.NewAccounts(&rest.Config{Impersonate: rest.ImpersonationConfig{UserName: "x"}}); err == nil {
		t.Error("an agent that is somebody else already")
	}
	requests, err := log.Next()
	if err != nil {
		t.Fatal(err)
	}
	verbs := map[string]bool{}
	for _, r := range requests {
		if strings.HasSuffix(r.User, ":test-agent") && r.Resource != "" {
			verbs[r.Verb+" "+r.Resource] = true
		}
	}
	if got := slices.Sorted(maps.Keys(verbs)); !slices.Equal(got, []string{"create gitsecrets", "patch gitsecrets"}) {
		t.Errorf("the agent has asked for %v", got)
	}
}

func TestWhatTheAPIServerDoesNotTake(t *testing.T) {
	w := newWorld(t)
	bad := w.manifest(t, "db", func(o *v1alpha1.GitSecret) {
		o.Spec.Items["user"] = seal.Item{Envelope: "01kb0000000000000000000000", Value: "YQ=="}
	})
	_, err := w.writer.Apply(t.Context(), sync.Apply{Object: object(bad)}, bad)
	fails(t, err, sync.Invalid)
	if !strings.Contains(err.Error(), "every item must name an envelope") {
		t.Errorf("it does not say why: %v", err)
	}
	gone := w.manifest(t, "db")
	gone.Name = "other"
	_, err = w.writer.Apply(t.Context(), sync.Apply{Object: object(w.manifest(t, "db"))}, gone)
	fails(t, err, sync.ApplyFailed)
}
