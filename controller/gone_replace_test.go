package controller

import (
	"context"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// frozenSecrets is an API server with an immutable Secret, and answers as told once it was asked to delete that.
type frozenSecrets struct {
	client.Writer
	deletes error // what deleting gives
	then    error // and applying after it
	deleted bool
}

func (f *frozenSecrets) Create(context.Context, client.Object, ...client.CreateOption) error {
	return nil
}

func (f *frozenSecrets) Delete(context.Context, client.Object, ...client.DeleteOption) error {
	f.deleted = true
	return f.deletes
}

func (f *frozenSecrets) Patch(_ context.Context, o client.Object, _ client.Patch, _ ...client.PatchOption) error {
	if f.deleted {
		o.SetUID("new")
		return f.then
	}
	err := apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, o.GetName(), nil)
	err.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: metav1.CauseTypeForbidden, Field: "data"}}
	return err
}

// recreated is prod/db, whose Secret is immutable and may be made anew, and the plan to do so.
func recreated(t *testing.T) (*unseal.Input, *unseal.Plan) {
	t.Helper()
	raw, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	id, err := seal.ParseIdentity(raw.String())
	if err != nil {
		t.Fatal(err)
	}
	recipient, err := seal.ParseRecipient(id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	scope := seal.For{Scope: seal.ScopeStrict, Namespace: "prod", Name: "db"}
	now := time.Now()
	spec, err := (&seal.Sealer{Rand: rand.Reader, Now: func() time.Time { return now }}).Seal(scope, seal.Values{"user": seal.NewValue([]byte("example"))},
		[]seal.Holder{{Name: "team", Recipients: []seal.Recipient{recipient}}})
	if err != nil {
		t.Fatal(err)
	}
	spec.Immutable, spec.OnImmutable = new(true), seal.OnImmutableRecreate
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: "u", Generation: 2}, Spec: *spec}
	secret := &metav1.ObjectMeta{
		Namespace: "prod", Name: "db", UID: "old", ResourceVersion: "7", Annotations: map[string]string{v1alpha1.AnnotationOrigin: "prod/db"},
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "waxwing.io/v1alpha1", Kind: "GitSecret", Name: "db", UID: "u", Controller: new(true)}},
	}
	in := &unseal.Input{
		Object: o, Secret: secret, Now: now, Home: "home", Marks: unseal.Marks{Loaded: true},
		Ring: keyring.NewRing([]keyring.Part{{
			Keyring: "team", Keys: []keyring.Key{keyring.NewKey("team", id, keyring.Active, now, now)},
			Policy: keyring.Policy{Namespaces: []string{"*"}, Scopes: []string{"strict"}},
		}}, nil),
	}
	d := unseal.Decide(*in)
	if d.Action != unseal.Open {
		t.Fatalf("%s: %+v", d.Action, d.Outcome)
	}
	return in, d.Plan
}

// TestADeletionIsNotedUnlessTheOutcomeTellsOfIt has an immutable Secret made anew: what was deleted and could not be made again is a deletion like any other, and so is what
// somebody else has deleted first.
func TestADeletionIsNotedUnlessTheOutcomeTellsOfIt(t *testing.T) {
	notFound := apierrors.NewNotFound(corev1.Resource("secrets"), "db")
	conflict := apierrors.NewConflict(corev1.Resource("secrets"), "db", errors.New("it is there"))
	for name, c := range map[string]struct {
		api   frozenSecrets
		noted int
	}{
		"made anew":                             {frozenSecrets{}, 0},
		"deleted, and the API server goes away": {frozenSecrets{then: errors.New("away")}, 1},
		"deleted, and somebody else is faster":  {frozenSecrets{then: conflict}, 1},
		"somebody else has deleted it":          {frozenSecrets{deletes: notFound}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			r := newReporting(t, nil)
			in, p := recreated(t)
			r.marks, r.gone, r.writer = &kept{}, newGone(), secretWriter{&c.api}
			r.gone.lead()
			r.unseal(t.Context(), in, p)
			gone := bareMetadata(corev1.SchemeGroupVersion.WithKind("Secret"), keyOf(in.Object))
			gone.UID, gone.Annotations = in.Secret.UID, in.Secret.Annotations
			r.gone.observe(gone)
			if all := r.gone.take(keyOf(in.Object)); !c.api.deleted || len(all) != c.noted {
				t.Errorf("deleted: %t; to be noted: %v", c.api.deleted, all)
			}
		})
	}
}

// TestAQuotaHasTimeToNoticeADeletion has an immutable Secret made anew under a quota that counts the old one for longer than one look: that is no failure, until it has had its time.
func TestAQuotaHasTimeToNoticeADeletion(t *testing.T) {
	full := func(used string) error {
		return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db", errors.New("exceeded quota: q, requested: count/secrets=1, used: count/secrets="+used+", limited: count/secrets=5"))
	}
	r := newReporting(t, nil)
	in, p := recreated(t)
	api, now := &frozenSecrets{then: full("5")}, time.Unix(1_000_000, 0)
	r.marks, r.gone, r.writer, r.gather.now = &kept{}, newGone(), secretWriter{api}, func() time.Time { return now }
	look := func(after time.Duration, want unseal.Reason) {
		t.Helper()
		now = now.Add(after)
		out, conflict := r.unseal(t.Context(), in, p)
		if conflict || out.Reason != want {
			t.Errorf("%s: %s (%t)", out.Reason, out.Message, conflict)
		}
		in.Secret = nil // as the cache has it from now on
		p = unseal.Decide(*in).Plan
	}
	look(0, unseal.Pending)
	look(time.Second, unseal.Pending)
	api.then = full("6")
	look(time.Second, unseal.ApplyFailed) // the deletion does not make room in it
	api.then = full("5")
	look(recount-3*time.Second, unseal.Pending)
	look(time.Second, unseal.ApplyFailed)
	api.then = nil
	look(0, unseal.Unsealed)
	if now = now.Add(-recount); r.gather.seen.uncounted(in.Object, now) {
		t.Error("the deletion of a Secret that was made anew is still waited for")
	}
}
