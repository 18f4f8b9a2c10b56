package e2e_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// more seals one more item into the object.
func (w *world) more(t *testing.T, o *v1alpha1.GitSecret, item string) {
	t.Helper()
	if err := sealer().Put(&o.Spec, values(item), []seal.Holder{w.holder(t)}); err != nil {
		t.Fatal(err)
	}
}

// said waits for an event about the object, and gives what kubectl shows of all of them.
func (w *world) said(t *testing.T, object string, parts ...string) string {
	t.Helper()
	var shown string
	until(w.ctx, t, fmt.Sprintf("there is an event with %q", parts), func() bool {
		shown = w.run(t, "events", "--for", object)
		return has(shown, parts...)
	})
	return shown
}

// TestImmutableSecretsAreMadeAnewOnRequest holds spec.onImmutable: Recreate, for each kind of change that an immutable Secret does not take.
func TestImmutableSecretsAreMadeAnewOnRequest(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	yes := true
	for name, c := range map[string]struct {
		change func(*v1alpha1.GitSecret)
		items  []string
		anew   bool
	}{
		"more":    {func(o *v1alpha1.GitSecret) { w.more(t, o, "more") }, []string{"user", "more"}, true},
		"type":    {func(o *v1alpha1.GitSecret) { o.Spec.Type = "example.com/other" }, []string{"user"}, true},
		"mutable": {func(o *v1alpha1.GitSecret) { o.Spec.Immutable = nil }, []string{"user"}, true},
		"label": {func(o *v1alpha1.GitSecret) {
			o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"a": "b"}}}
		}, []string{"user"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.sealed(t, name, "user")
			o.Spec.Immutable, o.Spec.OnImmutable = &yes, seal.OnImmutableRecreate
			w.create(t, o)
			w.eventually(t, name, unseal.Unsealed)
			before := w.holds(t, name, "user")
			w.update(t, o, func() { c.change(o) })
			o = w.eventually(t, name, unseal.Unsealed)
			after := w.holds(t, name, c.items...)
			if (after.UID != before.UID) != c.anew {
				t.Errorf("made anew: %t", after.UID != before.UID)
			}
			if frozen := after.Immutable != nil && *after.Immutable; frozen != (o.Spec.Immutable != nil) {
				t.Errorf("immutable: %t", frozen)
			}
			if c.anew {
				w.said(t, "gitsecret/"+name, "Normal", "SecretRecreated", "spec.onImmutable: Recreate")
			}
		})
	}
}

// TestRecreateNeverTakesASecretOfOthers holds that neither the option nor the annotation that gives a Secret away lets one that is not ours be deleted.
func TestRecreateNeverTakesASecretOfOthers(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	yes := true
	for name, annotations := range map[string]map[string]string{"foreign": nil, "given": {v1alpha1.AnnotationAdopt: "true"}} {
		foreign := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Annotations: annotations},
			Immutable:  &yes, Data: map[string][]byte{"theirs": []byte("x")},
		}
		w.create(t, foreign)
		o := w.sealed(t, name, "user")
		o.Spec.Immutable, o.Spec.OnImmutable = &yes, seal.OnImmutableRecreate
		w.create(t, o)
		want := unseal.TargetConflict
		if annotations != nil {
			want = unseal.ImmutableConflict
		}
		w.eventually(t, name, want)
		s := &corev1.Secret{}
		if err := w.Get(w.ctx, w.key(name), s); err != nil || s.ResourceVersion != foreign.ResourceVersion {
			t.Errorf("%s was touched (%v)", name, err)
		}
		// Once it is out of the way the object has its Secret at once.
		if err := w.Delete(w.ctx, foreign); err != nil {
			t.Fatal(err)
		}
		w.eventually(t, name, unseal.Unsealed)
		w.holds(t, name, "user")
	}
}

// TestForeignKeysGoBeforeASecretBecomesImmutable holds that a Secret into which somebody has put a key meanwhile does not become immutable with it.
func TestForeignKeysGoBeforeASecretBecomesImmutable(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	w.holds(t, "db", "user")
	w.eventually(t, "db", unseal.Unsealed)
	ctl.Kill()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}
	if err := w.Patch(w.ctx, s, client.RawPatch(types.MergePatchType, []byte(`{"data":{"theirs":"eA=="}}`))); err != nil {
		t.Fatal(err)
	}
	yes := true
	w.update(t, o, func() { o.Spec.Immutable = &yes })
	w.controller(t)
	w.eventually(t, "db", unseal.Unsealed)
	if s := w.holds(t, "db", "user"); s.Immutable == nil || !*s.Immutable {
		t.Error("it is not immutable in the end")
	}
}

// TestASecretThatSomebodyElseMadeImmutable holds that it counts as written until it has to change, and what happens then.
func TestASecretThatSomebodyElseMadeImmutable(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	w.seen(t, "db")
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}
	if err := w.Patch(w.ctx, s, client.RawPatch(types.MergePatchType, []byte(`{"immutable":true}`))); err != nil {
		t.Fatal(err)
	}
	w.seen(t, "db")
	w.eventually(t, "db", unseal.Unsealed)
	w.update(t, o, func() { w.more(t, o, "more") })
	if msg := readyOf(w.eventually(t, "db", unseal.ImmutableConflict)).Message; !strings.Contains(msg, "spec.onImmutable: Recreate") {
		t.Errorf("it says %q", msg)
	}
	w.update(t, o, func() { o.Spec.OnImmutable = seal.OnImmutableRecreate })
	w.eventually(t, "db", unseal.Unsealed)
	if s := w.holds(t, "db", "user", "more"); s.Immutable != nil && *s.Immutable {
		t.Error("the new one is immutable, too")
	}
}

// TestTheDeletionPolicyMayChange holds that a change of it takes effect without anything else of the Secret changing.
func TestTheDeletionPolicyMayChange(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	before := w.holds(t, "db", "user")
	w.update(t, o, func() { o.Spec.DeletionPolicy = seal.DeletionRetain })
	w.eventually(t, "db", unseal.Unsealed)
	if s := w.holds(t, "db", "user"); s.UID != before.UID || len(s.OwnerReferences) != 0 {
		t.Errorf("owners %+v, the same Secret: %t", s.OwnerReferences, s.UID == before.UID)
	}
	w.update(t, o, func() { o.Spec.DeletionPolicy = seal.DeletionDelete })
	w.eventually(t, "db", unseal.Unsealed)
	if s := w.holds(t, "db", "user"); s.UID != before.UID || metav1.GetControllerOf(s) == nil {
		t.Errorf("owners %+v, the same Secret: %t", s.OwnerReferences, s.UID == before.UID)
	}
}

// hasNoRoom waits until a quota of so many Secrets refuses one more: admission learns of it by a watch of its own, later than what reads its status.
func (w *world) hasNoRoom(t *testing.T, limit int) {
	t.Helper()
	harness.Eventually(w.ctx, t, fmt.Sprintf("the quota of %d Secrets is in force, and full", limit), func(ctx context.Context) error {
		err := w.Create(ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "one-more"}}, client.DryRunAll)
		if err == nil || !strings.HasSuffix(err.Error(), fmt.Sprintf("limited: count/secrets=%d", limit)) {
			return fmt.Errorf("the answer is: %v", err)
		}
		return nil
	})
}

// TestAFullQuotaDoesNotStopAReplacement holds that a Secret is made anew in a namespace that has room for no further one, and that nothing is deleted where the
// new one would have no room either.
func TestAFullQuotaDoesNotStopAReplacement(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	yes := true
	frozen, plain := w.sealed(t, "frozen", "user"), w.sealed(t, "plain", "user")
	frozen.Spec.Immutable, frozen.Spec.OnImmutable = &yes, seal.OnImmutableRecreate
	w.create(t, frozen)
	w.create(t, plain)
	w.eventually(t, "frozen", unseal.Unsealed)
	w.eventually(t, "plain", unseal.Unsealed)
	count := 0
	var all corev1.SecretList
	if err := w.List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	count = len(all.Items)
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "secrets"}}
	limit := func(n int) {
		t.Helper()
		quota.Spec.Hard = corev1.ResourceList{"count/secrets": *resource.NewQuantity(int64(n), resource.DecimalSI)}
	}
	counted := func() {
		t.Helper()
		harness.Eventually(w.ctx, t, "the quota has counted", func(ctx context.Context) error {
			q := &corev1.ResourceQuota{}
			if err := w.Get(ctx, client.ObjectKeyFromObject(quota), q); err != nil {
				return err
			}
			hard, used := q.Status.Hard["count/secrets"], q.Status.Used["count/secrets"]
			want := quota.Spec.Hard["count/secrets"]
			if hard.Cmp(want) != 0 || used.Value() != int64(count) {
				return fmt.Errorf("%s of %s", used.String(), hard.String())
			}
			return nil
		})
	}
	limit(count)
	w.create(t, quota)
	counted()
	w.hasNoRoom(t, count)
	w.update(t, frozen, func() { w.more(t, frozen, "more") })
	w.update(t, plain, func() { plain.Spec.Type = "example.com/other" })
	w.holds(t, "frozen", "user", "more")
	harness.Eventually(w.ctx, t, "the Secret is of the new type", func(ctx context.Context) error {
		s := &corev1.Secret{}
		if err := w.Get(ctx, w.key("plain"), s); err != nil || s.Type != "example.com/other" {
			return errors.Join(errors.New("it is not"), err)
		}
		return nil
	})
	w.eventually(t, "frozen", unseal.Unsealed)
	w.eventually(t, "plain", unseal.Unsealed)
	if shown := w.said(t, "gitsecret/frozen", "SecretRecreated"); strings.Contains(shown, "Warning") {
		t.Errorf("there was a warning: %s", shown)
	}

	counted()
	w.update(t, quota, func() { limit(count - 1) })
	counted()
	w.hasNoRoom(t, count-1)
	before := w.holds(t, "frozen", "user", "more")
	w.update(t, frozen, func() { w.more(t, frozen, "yet-more") })
	if msg := readyOf(w.eventually(t, "frozen", unseal.ApplyFailed)).Message; !strings.Contains(msg, "quota") {
		t.Errorf("it says %q", msg)
	}
	if after := w.holds(t, "frozen", "user", "more"); after.UID != before.UID {
		t.Error("a Secret was deleted that could not be made anew")
	}
}
