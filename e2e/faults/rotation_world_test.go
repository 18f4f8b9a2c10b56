package faults_test

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// turning is a keyring whose key is replaced under objects that are there, and the one who keeps these in Git: who takes offers, and applies what has become of the objects.
type turning struct {
	*world
	ctx     context.Context // ends later than a wait's own bound
	names   []string
	secrets map[string]string // of each object, its UID and version before the rotation
	old     string            // the id of the key that is replaced
	sets    *sets
}

// turning begins with a keyring that nobody has used, and n objects that are sealed to its first key. end ends it, when no controller runs, so that other tests find no second key.
func (w *world) turning(p *pod, n int) (r *turning, end func()) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 25*time.Minute)
	r = &turning{world: w, ctx: ctx, secrets: map[string]string{}}
	end = func() { cancel(); w.wipeKeyrings() }
	w.wipeKeyrings()
	p.most = 9 // four objects that are offered wraps, besides the usual
	r.sets = w.recordSets()
	p.ready()
	holder := w.holder()
	r.old = holder.Recipients[0].KeyID()
	for i := range n {
		name := fmt.Sprintf("db-%03d", i)
		w.create(w.sealed(holder, name, 1, "user"))
		r.names = append(r.names, name)
	}
	for _, name := range r.names {
		w.settle(name, unsealed(1, "user"))
		r.secrets[name] = r.secret(name)
	}
	return r, end
}

func (r *turning) secret(name string) string {
	r.t.Helper()
	s := &corev1.Secret{}
	if err := r.Get(r.ctx, r.key(name), s); err != nil {
		r.t.Fatal(err)
	}
	return string(s.UID) + " " + s.ResourceVersion
}

// change changes the keyring's spec.
func (r *turning) change(change func(*v1alpha1.KeyringSpec)) {
	r.t.Helper()
	harness.Eventually(r.ctx, r.t, "changing the keyring", func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := r.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
			return err
		}
		change(&kr.Spec)
		return r.Update(ctx, kr)
	})
}

// turn asks for another key.
func (r *turning) turn() {
	r.t.Helper()
	// A key is replaced that became active before; dates have no less than seconds.
	time.Sleep(time.Until(r.activated().Add(2 * time.Second)))
	now := metav1.NewTime(time.Now().Truncate(time.Second))
	r.change(func(s *v1alpha1.KeyringSpec) { s.Rotation = &v1alpha1.Rotation{RenewBefore: &now} })
}

func (r *turning) activated() time.Time {
	r.t.Helper()
	kr := r.status()
	for _, k := range kr.Keys {
		if k.ID == r.old && k.Activated != nil {
			return k.Activated.Time
		}
	}
	r.t.Fatalf("the keyring does not show when key %s became active: %+v", r.old, kr.Keys)
	return time.Time{}
}

func (r *turning) status() v1alpha1.KeyringStatus {
	r.t.Helper()
	kr := &v1alpha1.Keyring{}
	if err := r.Get(r.ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
		r.t.Fatal(err)
	}
	return kr.Status
}

// take takes what is offered for at most n objects into Git and has it applied. An offer for a set that is not the newest any more would be one that comes too late.
func (r *turning) take(n int) (taken int) {
	r.t.Helper()
	status := r.status()
	set, err := statement.OpenRecipients([]byte(status.Recipients), status.StatementKey)
	if err != nil {
		r.t.Fatal(err)
	}
	all := &v1alpha1.GitSecretList{}
	if err := r.List(r.ctx, all, client.InNamespace(r.namespace)); err != nil {
		r.t.Fatal(err)
	}
	for i := range all.Items {
		o := &all.Items[i]
		if len(o.Status.Rewrap) == 0 || len(o.Spec.Stale(set.SealHolder())) == 0 || taken == n {
			continue
		}
		offer, err := statement.OpenOffer([]byte(o.Status.Rewrap[0].Note), status.StatementKey)
		if err != nil || offer.Namespace != o.Namespace || offer.Name != o.Name || offer.Set > set.Set {
			r.t.Fatalf("%s: offered is %+v, %v", o.Name, offer, err)
		}
		for _, w := range offer.Wraps {
			e := o.Spec.Envelopes[w.Envelope]
			if e.Commit != w.Commit {
				r.t.Fatalf("%s: wraps of another envelope are offered", o.Name)
			}
			e.Wraps[offer.Holder] = w.Wrap
		}
		if err := r.Update(r.ctx, o); err == nil {
			taken++
		} else if !apierrors.IsConflict(err) { // then it is taken the next time
			r.t.Fatal(err)
		}
	}
	return taken
}

// offers is for how many objects wraps are offered.
func (r *turning) offers() (n int) {
	r.t.Helper()
	all := &v1alpha1.GitSecretList{}
	if err := r.List(r.ctx, all, client.InNamespace(r.namespace)); err != nil {
		r.t.Fatal(err)
	}
	for _, o := range all.Items {
		if len(o.Status.Rewrap) > 0 {
			n++
		}
	}
	return n
}

// rests says what is missing until the rotation is over: one key is active and published, every object was opened with it, and nothing is offered any more.
func (r *turning) rests() error {
	status := r.status()
	if !apimeta.IsStatusConditionTrue(status.Conditions, v1alpha1.ConditionReady) {
		return fmt.Errorf("the keyring says %+v", status.Conditions)
	}
	var active []string
	for _, k := range status.Keys {
		if k.State == string(keyring.Active) {
			active = append(active, k.ID)
		}
	}
	set, err := statement.OpenRecipients([]byte(status.Recipients), status.StatementKey)
	if err != nil {
		return err
	}
	if len(active) != 1 || active[0] == r.old || len(set.Recipients) != 1 || set.Recipients[0].KeyID() != active[0] {
		return fmt.Errorf("active are %q, published is set %d", active, set.Set)
	}
	all := &v1alpha1.GitSecretList{}
	if err := r.List(r.ctx, all, client.InNamespace(r.namespace)); err != nil {
		return err
	}
	for _, o := range all.Items {
		switch {
		case o.Status.ObservedGeneration != o.Generation || unseal.ReasonOf(o.Status) != unseal.Unsealed:
			return fmt.Errorf("%s says %+v", o.Name, o.Status.Conditions)
		case len(o.Status.Rewrap) > 0 || len(o.Spec.Stale(set.SealHolder())) > 0:
			return fmt.Errorf("%s waits for its wraps; %d are offered", o.Name, len(o.Status.Rewrap))
		case slices.ContainsFunc(o.Status.Keys, func(k v1alpha1.KeyUse) bool { return k.ID != active[0] }):
			return fmt.Errorf("%s was opened with %+v", o.Name, o.Status.Keys)
		}
	}
	if len(all.Items) != len(r.names) {
		return harness.Permanent(fmt.Errorf("there are %d objects", len(all.Items)))
	}
	return nil
}

// ends waits until the rotation is over, and holds what has to be so then.
func (r *turning) ends() {
	r.t.Helper()
	harness.Eventually(r.ctx, r.t, "the rotation is over", func(context.Context) error {
		r.take(len(r.names))
		return r.rests()
	})
	for _, k := range r.status().Keys {
		if k.ID == r.old && k.State != string(keyring.Deactivated) {
			r.t.Errorf("the key before is %s", k.State)
		}
	}
	r.holds()
	r.sourceHas(keyring.Active, 1)
}

// holds holds that no Secret was written, and that each is what it was sealed to be.
func (r *turning) holds() {
	r.t.Helper()
	for _, name := range r.names {
		r.settle(name, unsealed(1, "user"))
		if now := r.secret(name); now != r.secrets[name] {
			r.t.Errorf("Secret %s was written: %s was %s", name, now, r.secrets[name])
		}
	}
}

// sourceHas holds that so many keys of the source are in a state: the status is not all that there is.
func (r *turning) sourceHas(state keyring.State, n int) {
	r.t.Helper()
	var secrets corev1.SecretList
	if err := r.List(r.ctx, &secrets, client.InNamespace(home), client.MatchingLabels{secretsource.LabelKeyring: "default"}); err != nil {
		r.t.Fatal(err)
	}
	var have []string
	for _, s := range secrets.Items {
		if s.Type == secretsource.KeyType && s.Annotations[secretsource.AnnotationState] == string(state) {
			have = append(have, s.Name)
		}
	}
	if len(have) != n {
		r.t.Errorf("%s are %q", state, have)
	}
}

// destroy asks for the destruction of the key before, which nobody needs any more.
func (r *turning) destroy() {
	r.t.Helper()
	r.change(func(s *v1alpha1.KeyringSpec) {
		s.Requests = []v1alpha1.KeyRequest{{Key: r.old, Do: v1alpha1.RequestDestroy, Reason: "the test is over"}}
	})
}

// asksAgain asks again where the destruction was refused: a use that a mark still has may be in the way of it after a start, until the look at its object shows that it has ended.
func (r *turning) asksAgain() {
	r.t.Helper()
	for _, q := range r.status().Requests {
		if q.Outcome == v1alpha1.RequestRefused {
			r.change(func(s *v1alpha1.KeyringSpec) { s.Requests[0].Reason += " again" })
		}
	}
}

// destroyed waits for the destruction.
func (r *turning) destroyed() {
	r.t.Helper()
	harness.Eventually(r.ctx, r.t, "the key before is destroyed", func(context.Context) error {
		status := r.status()
		for _, k := range status.Keys {
			if k.ID == r.old && k.State == string(keyring.Destroyed) {
				return nil
			}
		}
		r.asksAgain()
		return fmt.Errorf("the keyring says %+v", status.Requests)
	})
	r.holds()
}
