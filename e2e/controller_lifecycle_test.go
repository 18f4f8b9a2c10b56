package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestSecretFollowsItsItems(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "user", "password")
	w.create(t, o)
	before := w.holds(t, "db", "user", "password")
	w.update(t, o, func() {
		if err := sealer().Put(&o.Spec, values("token"), []seal.Holder{w.holder(t)}); err != nil {
			t.Fatal(err)
		}
	})
	w.holds(t, "db", "user", "password", "token")
	w.update(t, o, func() {
		if err := sealer().Put(&o.Spec, seal.Values{"user": seal.NewValue([]byte(canary + "-replaced"))}, []seal.Holder{w.holder(t)}); err != nil {
			t.Fatal(err)
		}
	})
	until(w.ctx, t, "the replaced value is there", func() bool {
		s := &corev1.Secret{}
		return w.Get(w.ctx, w.key("db"), s) == nil && string(s.Data["user"]) == canary+"-replaced"
	})
	w.update(t, o, func() {
		if err := seal.Remove(&o.Spec, "user", "password"); err != nil {
			t.Fatal(err)
		}
		o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"team": "a"}}}
	})
	if s := w.holds(t, "db", "token"); s.UID != before.UID || s.Labels["team"] != "a" {
		t.Errorf("uid %s, labels %v", s.UID, s.Labels)
	}
	w.update(t, o, func() {
		if err := seal.Remove(&o.Spec, "token"); err != nil {
			t.Fatal(err)
		}
		o.Spec.Template = nil
	})
	if s := w.holds(t, "db"); s.Labels["team"] != "" {
		t.Errorf("a label that the template has no more: %v", s.Labels)
	}
	if o := w.eventually(t, "db", unseal.Unsealed); len(o.Status.Keys) != 0 {
		t.Errorf("keys of an object without items: %+v", o.Status.Keys)
	}
}

func TestDriftIsRepaired(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	w.create(t, w.sealed(t, "db", "user", "password"))
	w.holds(t, "db", "user", "password")
	w.seen(t, "db")
	patch := func(kind types.PatchType, body string, opts ...client.PatchOption) error {
		s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}
		return w.Patch(w.ctx, s, client.RawPatch(kind, []byte(body)), append(opts, client.FieldOwner("somebody"))...)
	}
	for name, drift := range map[string]func() error{
		"a value is changed":   func() error { return patch(types.MergePatchType, `{"data":{"user":"ZHJpZnQ="}}`) },
		"a key is added":       func() error { return patch(types.MergePatchType, `{"data":{"extra":"ZHJpZnQ="}}`) },
		"a key is removed":     func() error { return patch(types.MergePatchType, `{"data":{"user":null}}`) },
		"all data is removed":  func() error { return patch(types.MergePatchType, `{"data":null}`) },
		"the owner is removed": func() error { return patch(types.MergePatchType, `{"metadata":{"ownerReferences":null}}`) },
		"the label is changed": func() error {
			return patch(types.MergePatchType, `{"metadata":{"labels":{"app.kubernetes.io/managed-by":"x"}}}`)
		},
		"it is taken over by SSA": func() error {
			return patch(types.ApplyPatchType, `{"apiVersion":"v1","kind":"Secret","data":{"user":"ZHJpZnQ="}}`, client.ForceOwnership)
		},
		"stringData is applied": func() error {
			return patch(types.ApplyPatchType, `{"apiVersion":"v1","kind":"Secret","stringData":{"user":"drift","more":"drift"}}`, client.ForceOwnership)
		},
		"it is deleted": func() error {
			return w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := drift(); err != nil {
				t.Fatal(err)
			}
			harness.Eventually(w.ctx, t, "it is repaired", func(ctx context.Context) error {
				o, s := &v1alpha1.GitSecret{}, &corev1.Secret{}
				if err := errors.Join(w.Get(ctx, w.key("db"), o), w.Get(ctx, w.key("db"), s)); err != nil {
					return err
				}
				if err := holdsExactly(s, []string{"user", "password"}); err != nil {
					return err
				}
				if owner := metav1.GetControllerOf(s); owner == nil || owner.UID != o.UID || s.Labels[v1alpha1.LabelManagedBy] != v1alpha1.ManagedBy {
					return fmt.Errorf("labels %v, owners %v", s.Labels, s.OwnerReferences)
				}
				if o.Status.Secret == nil || o.Status.Secret.ResourceVersion != s.ResourceVersion {
					return fmt.Errorf("the status knows %+v, the Secret is at %s", o.Status.Secret, s.ResourceVersion)
				}
				return nil
			})
		})
	}
	t.Run("what others add beside is theirs, and nothing is opened for it", func(t *testing.T) {
		// The Secret is made anew, because a Secret with data of others is always looked at.
		if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}); err != nil {
			t.Fatal(err)
		}
		w.seen(t, "db")
		before := ctl.intents(t, "db")
		if err := patch(types.MergePatchType, `{"metadata":{"annotations":{"somebody/note":"x"},"labels":{"somebody/label":"y"}}}`); err != nil {
			t.Fatal(err)
		}
		s := w.seen(t, "db")
		if s.Annotations["somebody/note"] != "x" || s.Labels["somebody/label"] != "y" {
			t.Error("what others had added is gone")
		}
		if after := ctl.intents(t, "db"); after != before {
			t.Errorf("%d intents, before %d", after, before)
		}
	})
}

// seen waits until the status knows the present version of the Secret.
func (w *world) seen(t *testing.T, name string) *corev1.Secret {
	t.Helper()
	s := &corev1.Secret{}
	harness.Eventually(w.ctx, t, "the status knows the present Secret", func(ctx context.Context) error {
		o := &v1alpha1.GitSecret{}
		*s = corev1.Secret{}
		if err := errors.Join(w.Get(ctx, w.key(name), s), w.Get(ctx, w.key(name), o)); err != nil {
			return err
		}
		if o.Status.Secret == nil || o.Status.Secret.ResourceVersion != s.ResourceVersion {
			return fmt.Errorf("the status knows %+v, the Secret is at %s", o.Status.Secret, s.ResourceVersion)
		}
		return nil
	})
	return s
}

func TestDeletedObjectsTakeTheirSecretsAlongOrLeaveThem(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	gone, kept := w.sealed(t, "gone", "user"), w.sealed(t, "kept", "user")
	kept.Spec.DeletionPolicy = seal.DeletionRetain
	w.create(t, gone)
	w.create(t, kept)
	w.holds(t, "gone", "user")
	if s := w.holds(t, "kept", "user"); len(s.OwnerReferences) != 0 {
		t.Errorf("owners of a Secret that is to be kept: %+v", s.OwnerReferences)
	}
	for _, o := range []*v1alpha1.GitSecret{gone, kept} {
		if err := w.Delete(w.ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	harness.Eventually(w.ctx, t, "the garbage collector has taken the Secret", func(ctx context.Context) error {
		if err := w.Get(ctx, w.key("gone"), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is still there"), err)
		}
		return nil
	})
	before := w.holds(t, "kept", "user")
	w.create(t, w.sealed(t, "kept", "user", "password"))
	if after := w.holds(t, "kept", "user", "password"); after.UID != before.UID || metav1.GetControllerOf(after) == nil {
		t.Error("an object that came back did not take up the Secret that it had left")
	}
	// An object that is deleted and made again at once finds the Secret of its predecessor, which is about to go.
	again := w.sealed(t, "gone", "user")
	w.create(t, again)
	w.holds(t, "gone", "user")
	if err := w.Delete(w.ctx, again); err != nil {
		t.Fatal(err)
	}
	again = w.sealed(t, "gone", "password")
	w.create(t, again)
	s := w.holds(t, "gone", "password")
	if owner := metav1.GetControllerOf(s); owner == nil || owner.UID != again.UID {
		t.Errorf("owners %+v", s.OwnerReferences)
	}
}

func TestSecretsOfOthersAreLeftAloneUntilGiven(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db", Labels: map[string]string{"theirs": "yes"}},
		Data:       map[string][]byte{"user": []byte("theirs"), "other": []byte("theirs")},
	}
	w.create(t, foreign)
	o := w.sealed(t, "db", "user", "password")
	yes := true
	o.Spec.Immutable = &yes
	w.create(t, o)
	o = w.eventually(t, "db", unseal.TargetConflict)
	if msg := readyOf(o).Message; !strings.Contains(msg, "kubectl annotate secret db waxwing.io/adopt=true") {
		t.Errorf("it says %q", msg)
	}
	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.key("db"), s); err != nil || s.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the Secret was touched (%v)", err)
	}
	w.run(t, "annotate", "secret", "db", "waxwing.io/adopt=true")
	if s := w.holds(t, "db", "user", "password"); s.UID != foreign.UID || s.Labels["theirs"] != "yes" {
		t.Error("the Secret was not taken over as it was")
	}
	w.eventually(t, "db", unseal.Unsealed)
	if s := w.seen(t, "db"); s.Immutable == nil || !*s.Immutable {
		t.Error("it is not immutable in the end")
	}
	controlled := foreign.DeepCopy()
	controlled.ObjectMeta = metav1.ObjectMeta{
		Namespace: w.namespace, Name: "tls", Annotations: map[string]string{v1alpha1.AnnotationAdopt: "true"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "kube-root-ca.crt", UID: w.uidOfRootCA(t), Controller: &yes}},
	}
	w.create(t, controlled)
	w.create(t, w.sealed(t, "tls", "user"))
	if msg := readyOf(w.eventually(t, "tls", unseal.TargetConflict)).Message; !strings.Contains(msg, "ConfigMap kube-root-ca.crt") {
		t.Errorf("it says %q", msg)
	}
}

func TestSecretsOfAnotherTypeAreNotTakenOver(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	foreign := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db", Annotations: map[string]string{v1alpha1.AnnotationAdopt: "true"}},
		Type:       "example.com/theirs",
	}
	w.create(t, foreign)
	w.create(t, w.sealed(t, "db", "user"))
	if msg := readyOf(w.eventually(t, "db", unseal.TargetConflict)).Message; !strings.Contains(msg, "another type") {
		t.Errorf("it says %q", msg)
	}
	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.key("db"), s); err != nil || s.ResourceVersion != foreign.ResourceVersion {
		t.Errorf("the Secret was touched (%v)", err)
	}
}

// uidOfRootCA is the UID of an object that every namespace has, to own something.
func (w *world) uidOfRootCA(t *testing.T) types.UID {
	t.Helper()
	cm := &corev1.ConfigMap{}
	harness.Eventually(w.ctx, t, "the namespace has its root CA", func(ctx context.Context) error {
		return w.Get(ctx, w.key("kube-root-ca.crt"), cm)
	})
	return cm.UID
}

func TestSuspendedObjectsKeepTheirSecret(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	w.eventually(t, "db", unseal.Unsealed) // a change before the status is written would keep it from being so
	w.holds(t, "db", "user")
	w.update(t, o, func() {
		o.Spec.Suspend = true
		if err := sealer().Put(&o.Spec, values("later"), []seal.Holder{w.holder(t)}); err != nil {
			t.Fatal(err)
		}
	})
	o = w.eventually(t, "db", unseal.Suspended)
	if o.Status.Secret == nil || o.Status.OpenedWith == "" {
		t.Error("the status has forgotten the Secret")
	}
	w.holds(t, "db", "user")
	w.update(t, o, func() { o.Spec.Suspend = false })
	w.holds(t, "db", "user", "later")
}

func TestTypesChangeByMakingTheSecretAnew(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "username", "password")
	w.create(t, o)
	before := w.holds(t, "db", "username", "password")
	w.update(t, o, func() { o.Spec.Type = string(corev1.SecretTypeBasicAuth) })
	w.eventually(t, "db", unseal.Unsealed)
	if after := w.holds(t, "db", "username", "password"); after.UID == before.UID || after.Type != corev1.SecretTypeBasicAuth {
		t.Errorf("type %s, the same Secret: %t", after.Type, after.UID == before.UID)
	}
}

func TestImmutableSecretsStayAsTheyAre(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	yes := true
	for name, change := range map[string]func(*v1alpha1.GitSecret){
		"more": func(o *v1alpha1.GitSecret) {
			if err := sealer().Put(&o.Spec, values("more"), []seal.Holder{w.holder(t)}); err != nil {
				t.Fatal(err)
			}
		},
		"type":    func(o *v1alpha1.GitSecret) { o.Spec.Type = "example.com/other" },
		"mutable": func(o *v1alpha1.GitSecret) { o.Spec.Immutable = nil },
	} {
		t.Run(name, func(t *testing.T) {
			o := w.sealed(t, name, "user")
			o.Spec.Immutable = &yes
			w.create(t, o)
			w.eventually(t, name, unseal.Unsealed)
			before := w.holds(t, name, "user")
			w.update(t, o, func() { change(o) })
			o = w.eventually(t, name, unseal.ImmutableConflict)
			if after := w.holds(t, name, "user"); after.ResourceVersion != before.ResourceVersion {
				t.Error("it was changed")
			}
			if err := w.Delete(w.ctx, before); err != nil {
				t.Fatal(err)
			}
			w.eventually(t, name, unseal.Unsealed)
			w.holds(t, name, slices.Collect(maps.Keys(o.Spec.Items))...)
		})
	}
}

// TestNamespacesThatGoAreLeftAlone holds that the deletion of a namespace is not held up, and nothing is written into it.
func TestNamespacesThatGoAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "user")
	o.Finalizers = []string{"example.com/held"} // so that the object is still there when its Secret is not
	w.create(t, o)
	w.holds(t, "db", "user")
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.namespace}}
	if err := w.Delete(w.ctx, ns); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(w.ctx, t, "the namespace controller has deleted the Secret", func(ctx context.Context) error {
		if err := w.Get(ctx, w.key("db"), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is still there"), err)
		}
		return nil
	})
	w.update(t, o, func() { o.Finalizers = nil })
	harness.Eventually(w.ctx, t, "the namespace is gone", func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKeyFromObject(ns), ns); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is still there"), err)
		}
		return nil
	})
}
