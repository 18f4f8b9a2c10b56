package e2e_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestTwoSourcesOfOneName holds that a GitSecret and something else that makes the Secret of its name never fight: whoever came first has it, in both orders,
// and when the other Secret goes the object has its own at once.
func TestTwoSourcesOfOneName(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	yes := true
	owned := []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "kube-root-ca.crt", UID: w.uidOfRootCA(t), Controller: &yes}}
	for name, foreign := range map[string]*corev1.Secret{
		"plain":     {Type: corev1.SecretTypeOpaque},
		"helm":      {ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"}, Annotations: map[string]string{"meta.helm.sh/release-name": "x"}}},
		"owned":     {ObjectMeta: metav1.ObjectMeta{OwnerReferences: owned}},
		"given":     {ObjectMeta: metav1.ObjectMeta{OwnerReferences: owned, Annotations: map[string]string{v1alpha1.AnnotationAdopt: "true"}}},
		"immutable": {Immutable: &yes},
		"typed":     {Type: "example.com/theirs"},
		"renamed":   {ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationOrigin: w.namespace + "/another"}}},
		"half":      {ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{v1alpha1.AnnotationAdopt: "yes"}}},
	} {
		t.Run("the other is first: "+name, func(t *testing.T) {
			foreign.Namespace, foreign.Name, foreign.Data = w.namespace, name, map[string][]byte{"theirs": []byte("x")}
			w.create(t, foreign)
			w.create(t, w.sealed(t, name, "user"))
			w.eventually(t, name, unseal.TargetConflict)
			s := &corev1.Secret{}
			if err := w.Get(w.ctx, w.key(name), s); err != nil || s.ResourceVersion != foreign.ResourceVersion {
				t.Errorf("the Secret was touched (%v)", err)
			}
			if err := w.Delete(w.ctx, foreign); err != nil {
				t.Fatal(err)
			}
			w.eventually(t, name, unseal.Unsealed)
			w.holds(t, name, "user")
		})
	}
	t.Run("the object is first", func(t *testing.T) {
		w.create(t, w.sealed(t, "first", "user"))
		w.holds(t, "first", "user")
		theirs := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "first"}, Data: map[string][]byte{"theirs": []byte("x")}}
		if err := w.Create(w.ctx, theirs); !apierrors.IsAlreadyExists(err) {
			t.Fatalf("the other could make it: %v", err)
		}
		// Another controller that takes the Secret as its own has it from then on.
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "first"}}
		taken := fmt.Sprintf(`{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"kube-root-ca.crt","uid":%q,"controller":true}]},"data":{"user":"eA=="}}`, owned[0].UID)
		if err := w.Patch(w.ctx, s, client.RawPatch(types.MergePatchType, []byte(taken))); err != nil {
			t.Fatal(err)
		}
		if msg := readyOf(w.eventually(t, "first", unseal.TargetConflict)).Message; !strings.Contains(msg, "ConfigMap kube-root-ca.crt") {
			t.Errorf("it says %q", msg)
		}
		now := &corev1.Secret{}
		if err := w.Get(w.ctx, w.key("first"), now); err != nil || now.ResourceVersion != s.ResourceVersion {
			t.Errorf("the Secret was touched (%v)", err)
		}
	})
}

// TestNobodyWinsAFightByWritingFaster has somebody take the Secret over by force as soon as it was set right, and holds that the controller slows down, says
// with whom it fights, and does what the object newly asks for at once.
func TestNobodyWinsAFightByWritingFaster(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	w.seen(t, "db")
	rival := func() {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}
		body := `{"apiVersion":"v1","kind":"Secret","data":{"user":"ZHJpZnQ="}}`
		if err := w.Patch(w.ctx, s, client.RawPatch(types.ApplyPatchType, []byte(body)), client.ForceOwnership, client.FieldOwner("insists")); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(w.ctx, 3*time.Minute) // it repairs some twenty times before, once for each time it is asked
	defer cancel()
	until(ctx, t, "the controller holds back", func() bool {
		rival()
		body, err := get("http://" + ctl.metrics + "/metrics")
		return err == nil && strings.Contains(string(body), "waxwing_openings_held_back_total ") && !strings.Contains(string(body), "waxwing_openings_held_back_total 0")
	})
	before := ctl.intents(t, "db")
	w.said(t, "gitsecret/db", "Warning", "SecretContested", `field manager "insists"`)
	for range 50 {
		rival()
	}
	if after := ctl.intents(t, "db"); after > before+10 {
		t.Errorf("%d intents, and %d more while it should hold back", before, after-before)
	}
	w.update(t, o, func() { w.more(t, o, "more") })
	w.holds(t, "db", "user", "more")
}
