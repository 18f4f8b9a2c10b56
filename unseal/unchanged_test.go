package unseal_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// asApplied are the managed fields after the object of sealed was applied.
const asApplied = `{
	"f:data": {"f:password": {}, "f:user": {}},
	"f:metadata": {
		"f:annotations": {"f:waxwing.io/origin": {}}, "f:labels": {"f:app.kubernetes.io/managed-by": {}},
		"f:ownerReferences": {"k:{\"uid\":\"uid-of-db\"}": {}}
	},
	"f:type": {}
}`

// asCreated are the managed fields after the Secret was created, as the API server writes them.
const asCreated = `{
	"f:data": {".": {}, "f:password": {}, "f:user": {}},
	"f:metadata": {
		"f:annotations": {".": {}, "f:waxwing.io/origin": {}}, "f:labels": {".": {}, "f:app.kubernetes.io/managed-by": {}},
		"f:ownerReferences": {".": {}, "k:{\"uid\":\"uid-of-db\"}": {}}
	},
	"f:type": {}
}`

func entry(manager string, op metav1.ManagedFieldsOperationType, fields string) metav1.ManagedFieldsEntry {
	return metav1.ManagedFieldsEntry{Manager: manager, Operation: op, FieldsType: "FieldsV1", FieldsV1: metav1.NewFieldsV1(fields)}
}

// written is an object with the status of a Secret that was written from it, and that Secret.
func written(t *testing.T, k key) (*v1alpha1.GitSecret, *metav1.ObjectMeta) {
	t.Helper()
	o := sealed(t, strict(), k)
	d := unseal.Decide(input(o, ringOf(k.part(keyring.Active))))
	contents, err := d.Plan.Open(target(o))
	if err != nil {
		t.Fatal(err)
	}
	s := ours(o)
	o.Status = d.Plan.Written(contents, o, *s).Status(o.Status, o.Generation, now())
	s.ManagedFields = []metav1.ManagedFieldsEntry{entry(unseal.FieldManager, metav1.ManagedFieldsOperationApply, asApplied)}
	return o, s
}

func TestDecideKeepsWhatIsUnchanged(t *testing.T) {
	mine, next := newKey(t, "prod-eu"), newKey(t, "prod-eu")
	touched := func(entries ...metav1.ManagedFieldsEntry) func(*unseal.Input) {
		return func(in *unseal.Input) {
			in.Secret.ResourceVersion = "78"
			in.Secret.ManagedFields = append(in.Secret.ManagedFields, entries...)
		}
	}
	left := func(fields string) func(*unseal.Input) {
		return func(in *unseal.Input) {
			in.Secret.ResourceVersion = "78"
			in.Secret.ManagedFields[0].FieldsV1 = metav1.NewFieldsV1(fields)
		}
	}
	update := metav1.ManagedFieldsOperationUpdate
	// created has the managed fields of a Secret that was created from the object, by a request of so long after the Secret's own time.
	created := func(after time.Duration, fields string, more ...metav1.ManagedFieldsEntry) func(*unseal.Input) {
		return func(in *unseal.Input) {
			e := entry(unseal.FieldManager, update, fields)
			in.Secret.CreationTimestamp = metav1.NewTime(now())
			e.Time = &metav1.Time{Time: now().Add(after)}
			for i := range more {
				more[i].Time = e.Time
			}
			in.Secret.ResourceVersion, in.Secret.ManagedFields = "78", append(more, e)
		}
	}
	for name, c := range map[string]struct {
		change func(*unseal.Input)
		want   unseal.Action
	}{
		"a Secret as it was written is kept": {func(*unseal.Input) {}, unseal.Report},
		"it is kept after a time in which the key's source was away": {func(in *unseal.Input) {
			in.Object.Status = unseal.Outcome{Reason: unseal.KeySourceUnavailable}.Status(in.Object.Status, 3, now())
		}, unseal.Report},
		"it is kept where somebody has added an annotation": {
			touched(entry("someone", update, `{"f:metadata":{"f:annotations":{"f:note":{}}}}`)), unseal.Report},
		"a new generation is opened":      {func(in *unseal.Input) { in.Object.Generation++ }, unseal.Open},
		"a Secret made anew is opened":    {func(in *unseal.Input) { in.Secret.UID = "another" }, unseal.Open},
		"a Secret that is gone is opened": {func(in *unseal.Input) { in.Secret = nil }, unseal.Open},
		"an object without status opens":  {func(in *unseal.Input) { in.Object.Status = v1alpha1.GitSecretStatus{} }, unseal.Open},
		"a value that somebody has changed is repaired": {
			touched(entry("someone", update, `{"f:data":{"f:user":{}}}`)), unseal.Open},
		"a key that somebody has added is repaired": {
			touched(entry("someone", update, `{"f:data":{"f:extra":{}}}`)), unseal.Open},
		"a value that somebody has applied as stringData is repaired": {
			touched(entry("someone", metav1.ManagedFieldsOperationApply, `{"f:stringData":{"f:user":{}}}`)), unseal.Open},
		"a Secret that somebody has made immutable is looked at": {
			touched(entry("someone", update, `{"f:immutable":{}}`)), unseal.Open},
		"a value that somebody has taken out is repaired": {
			left(`{"f:data":{"f:user":{}},"f:type":{},"f:metadata":{"f:annotations":{"f:waxwing.io/origin":{}},"f:labels":{"f:app.kubernetes.io/managed-by":{}},"f:ownerReferences":{"k:{\"uid\":\"uid-of-db\"}":{}}}}`), unseal.Open},
		"a label that somebody has taken out is repaired": {
			left(`{"f:data":{"f:password":{},"f:user":{}},"f:type":{},"f:metadata":{"f:annotations":{"f:waxwing.io/origin":{}},"f:ownerReferences":{"k:{\"uid\":\"uid-of-db\"}":{}}}}`), unseal.Open},
		"an owner that somebody has taken out is repaired": {
			left(`{"f:data":{"f:password":{},"f:user":{}},"f:type":{},"f:metadata":{"f:annotations":{"f:waxwing.io/origin":{}},"f:labels":{"f:app.kubernetes.io/managed-by":{}}}}`), unseal.Open},
		"a Secret that was created from it is kept": {created(0, asCreated, entry("someone", update, `{"f:metadata":{"f:labels":{"f:a":{}}}}`)), unseal.Report},
		"a value that somebody has taken out of a created Secret is repaired": {
			created(0, strings.Replace(asCreated, `, "f:user": {}`, "", 1)), unseal.Open},
		"a label that somebody has taken out of a created Secret is repaired": {
			created(0, strings.Replace(asCreated, `"f:app.kubernetes.io/managed-by": {}`, "", 1)), unseal.Open},
		"a created Secret that somebody has changed in our name is repaired": {created(time.Second, asCreated), unseal.Open},
		"a created Secret whose fields were not made an apply's yet is repaired": {
			created(0, asCreated, entry(unseal.FieldManager, metav1.ManagedFieldsOperationApply, asApplied)), unseal.Open},
		"a Secret that somebody has applied in our name is repaired": {func(in *unseal.Input) {
			note := entry("someone", update, `{"f:metadata":{"f:annotations":{"f:note":{}}}}`)
			note.Time = &metav1.Time{Time: now()}
			in.Secret.ManagedFields[0].Time = &metav1.Time{Time: now().Add(time.Second)}
			touched(note)(in)
		}, unseal.Open},
		"a Secret whose managed fields were emptied is repaired": {
			func(in *unseal.Input) { in.Secret.ResourceVersion, in.Secret.ManagedFields = "78", nil }, unseal.Open},
	} {
		t.Run(name, func(t *testing.T) {
			o, s := written(t, mine)
			in := input(o, ringOf(mine.part(keyring.Active)))
			in.Secret = s
			c.change(&in)
			d := unseal.Decide(in)
			if d.Action != c.want {
				t.Fatalf("got %s %s, want %s", d.Action, d.Outcome.Message, c.want)
			}
			if d.Action == unseal.Report && (d.Outcome.Reason != unseal.Unsealed || d.Outcome.Secret.ResourceVersion != in.Secret.ResourceVersion) {
				t.Errorf("kept as %s %+v", d.Outcome.Reason, d.Outcome.Secret)
			}
		})
	}
	t.Run("an object is opened with the next key once the one that opened it may not", func(t *testing.T) {
		o := sealed(t, strict(), mine, next)
		o.Status.Keys = []v1alpha1.KeyUse{{Keyring: "prod-eu", ID: mine.KeyID(), Envelope: o.Spec.Referenced()[0]}}
		s := ours(o)
		o.Status.Secret = &v1alpha1.SecretRef{Name: "db", UID: string(s.UID), ResourceVersion: s.ResourceVersion, Generation: o.Generation}
		for state, want := range map[keyring.State]unseal.Action{keyring.Active: unseal.Report, keyring.Destroyed: unseal.Open} {
			part := next.part(keyring.Active)
			part.Keys = append(part.Keys, mine.in(state))
			in := input(o, ringOf(part))
			in.Secret = s
			if d := unseal.Decide(in); d.Action != want {
				t.Errorf("with the key %s: %s %s", state, d.Action, d.Outcome.Message)
			}
		}
	})
}

func TestUnchangedStatusStaysAsItIs(t *testing.T) {
	k := newKey(t, "prod-eu")
	o, s := written(t, k)
	in := input(o, ringOf(k.part(keyring.Active)))
	in.Secret = s
	again := unseal.Decide(in).Outcome.Status(o.Status, o.Generation, now().AddDate(0, 0, 1))
	if diff := cmp.Diff(o.Status, again); diff != "" {
		t.Errorf("a second look would write the status: %s", diff)
	}
	if want := fmt.Sprintf("prod-eu/%s", k.KeyID()[:16]); o.Status.OpenedWith != want {
		t.Errorf("openedWith %q, want %q", o.Status.OpenedWith, want)
	}
}
