package e2e_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestObjectsThatAreWellNoticeWhenTheirKeyringChanges holds that nobody has to touch an object for it to say what a changed keyring means for it, that its
// Secret stays, that nothing is opened for it, and that objects of other keyrings are left alone.
func TestObjectsThatAreWellNoticeWhenTheirKeyringChanges(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	holder, secret := lateKey(t, "changing")
	w.create(t, secret)
	kr := w.keyringOf(t, "changing", "*")
	w.create(t, w.sealedFor(t, "db", w.strict("db"), holder))
	w.create(t, w.sealed(t, "other", "user"))
	w.eventually(t, "db", unseal.Unsealed)
	w.eventually(t, "other", unseal.Unsealed)
	before := w.holds(t, "db", "user")
	versions := w.versions(t)

	w.update(t, kr, func() { kr.Spec.Namespaces = []string{"elsewhere"} })
	w.eventually(t, "db", unseal.NamespaceNotAllowed)
	w.update(t, kr, func() { kr.Spec.Namespaces, kr.Spec.Scopes = []string{"*"}, []string{"cluster"} })
	w.eventually(t, "db", unseal.PolicyDenied)
	w.update(t, kr, func() { kr.Spec.Scopes = []string{"strict"} })
	w.eventually(t, "db", unseal.Unsealed)
	back := w.destroy(t, secret)
	w.eventually(t, "db", unseal.KeyDestroyed)
	back()
	w.eventually(t, "db", unseal.Unsealed)
	if err := w.Delete(w.ctx, kr, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
	w.eventually(t, "db", unseal.NoMatchingKey)
	w.keyringOf(t, "changing", "*")
	w.eventually(t, "db", unseal.Unsealed)

	if after := w.holds(t, "db", "user"); after.UID != before.UID || after.ResourceVersion != before.ResourceVersion {
		t.Error("the Secret was touched")
	}
	if n := ctl.intents(t, "db"); n != 1 {
		t.Errorf("%d intents: one was enough", n)
	}
	if after := w.versions(t); after["other"] != versions["other"] {
		t.Error("an object of another keyring was written")
	}
}

// TestADamagedKeySaysWhoseItIs damages the Secret with the key that an object needs.
func TestADamagedKeySaysWhoseItIs(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	holder, secret := lateKey(t, "damaged")
	whole := secret.DeepCopy()
	secret.Data[secretsource.DataIdentity] = bytes.Repeat([]byte("x"), 20)
	w.create(t, secret)
	w.keyringOf(t, "damaged", "*")
	w.create(t, w.sealedFor(t, "db", w.strict("db"), holder))
	// While the first key of the keyring is still being looked for, the reason is the same and the words are not.
	until(w.ctx, t, "the object names the keyring", func() bool {
		o := &v1alpha1.GitSecret{}
		if err := w.Get(w.ctx, w.key("db"), o); err != nil {
			return false
		}
		ready := readyOf(o)
		return ready.Reason == string(unseal.KeySourceUnavailable) && has(ready.Message, "keyring damaged has the key damaged/"+holder.Recipients[0].KeyID()[:16], "kubectl describe keyring damaged")
	})
	// The keyring's status has another writer than the object's, and may come after it.
	until(w.ctx, t, "the keyring names the Secret", func() bool {
		return strings.Contains(w.run(t, "describe", "keyring", "damaged"), secret.Name)
	})
	if err := w.Delete(w.ctx, secret); err != nil {
		t.Fatal(err)
	}
	w.create(t, whole)
	w.eventually(t, "db", unseal.Unsealed)
}

// TestObjectsOfNearlyTheStoresLimit holds that an object which leaves no room for its status is not opened, and says so if that much room is there.
func TestObjectsOfNearlyTheStoresLimit(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	object := func(name string, padding int) *v1alpha1.GitSecret {
		t.Helper()
		spec, err := sealer().Seal(w.strict(name), seal.Values{"large": seal.NewValue(bytes.Repeat([]byte("x"), 980<<10))}, []seal.Holder{w.holder(t)})
		if err != nil {
			t.Fatal(err)
		}
		o := w.object(name, spec)
		o.Annotations = map[string]string{"example.com/padding": strings.Repeat("p", padding)}
		return o
	}
	// The most padding that the API server takes, of an object that is not opened.
	bare, err := json.Marshal(object("probe", 0))
	if err != nil {
		t.Fatal(err)
	}
	most, tooMuch := seal.MaxDocument-len(bare)-2048, seal.MaxDocument-len(bare)
	for tooMuch-most > 16 {
		mid := (most + tooMuch) / 2
		o := object("probe", mid)
		o.Spec.Suspend = true
		if err := w.Create(w.ctx, o); err != nil {
			if !strings.Contains(err.Error(), "too large") {
				t.Fatal(err)
			}
			tooMuch = mid
			continue
		}
		most = mid
		if err := w.Delete(w.ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	// padded makes an object, with a name as long as the probe's, that leaves so many bytes.
	padded := func(name string, left int) *v1alpha1.GitSecret {
		t.Helper()
		o := object(name, most-left)
		w.create(t, o)
		return o
	}
	tight := padded("tight", 2400)
	o := w.eventually(t, "tight", unseal.TooLarge)
	if len(o.Status.Conditions) != 2 {
		t.Errorf("%+v", o.Status.Conditions)
	}
	exact := padded("exact", 100)
	w.said(t, "gitsecret/exact", "Warning", "TooLarge", "not even its status can be stored")
	// A restart knows nothing of what was refused.
	ctl.Kill()
	before := ctl
	ctl = w.controller(t)
	for _, o := range []*v1alpha1.GitSecret{tight, exact} {
		until(w.ctx, t, o.Name+" is refused again", func() bool { return ctl.recorded(t, o, unseal.TooLarge) })
		w.absent(t, o.Name)
	}
	padded("roomy", 8000)
	w.eventually(t, "roomy", unseal.Unsealed)
	for _, name := range []string{"tight", "exact"} {
		if n := before.intents(t, name) + ctl.intents(t, name); n != 0 {
			t.Errorf("%s was to be opened %d times", name, n)
		}
	}
	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.key("roomy"), s); err != nil || !slices.Equal([]int{len(s.Data["large"])}, []int{980 << 10}) {
		t.Errorf("the Secret: %v", err)
	}
}
