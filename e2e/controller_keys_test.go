package e2e_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// lateKey is a key that no keyring has yet: its identity, and the Secret that would bring it into a keyring.
func lateKey(t *testing.T, holder string) (seal.Holder, *corev1.Secret) {
	t.Helper()
	private, err := age.GenerateHybridIdentity()
	if err != nil {
		t.Fatal(err)
	}
	id, err := seal.ParseIdentity(private.String())
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	yes := true
	return seal.Holder{Name: holder, Recipients: []seal.Recipient{r}}, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: home, Name: secretsource.KeySecretName(holder, id.KeyID()),
			Labels: map[string]string{secretsource.LabelKeyring: holder, secretsource.LabelKeyID: id.KeyID()},
			Annotations: map[string]string{
				secretsource.AnnotationState:   string(keyring.Deactivated),
				secretsource.AnnotationCreated: time.Now().UTC().Format(time.RFC3339),
			},
		},
		Type:      secretsource.KeyType,
		Immutable: &yes,
		Data: map[string][]byte{
			secretsource.DataIdentity: []byte(private.String() + "\n"), secretsource.DataRecipient: []byte(id.Recipient() + "\n"),
		},
	}
}

// keyringOf makes a Keyring that goes with the test, and its keys with it.
func (w *world) keyringOf(t *testing.T, name string, namespaces ...string) *v1alpha1.Keyring {
	t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: name}}
	kr.Spec.Source.Secret = &v1alpha1.SecretSource{}
	kr.Spec.Namespaces = namespaces
	w.create(t, kr)
	return kr
}

func (w *world) sealedFor(t *testing.T, name string, f seal.For, holders ...seal.Holder) *v1alpha1.GitSecret {
	t.Helper()
	spec, err := sealer().Seal(f, values("user"), holders)
	if err != nil {
		t.Fatal(err)
	}
	return w.object(name, spec)
}

func (w *world) strict(name string) seal.For {
	return seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name}
}

func TestObjectsWaitForTheirKeyAndWakeWhenItComes(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	holder, secret := lateKey(t, "late")
	w.create(t, w.sealedFor(t, "db", w.strict("db"), holder))
	if msg := readyOf(w.eventually(t, "db", unseal.NoMatchingKey)).Message; !strings.Contains(msg, "late/"+holder.Recipients[0].KeyID()[:16]) {
		t.Errorf("it says %q", msg)
	}
	w.create(t, secret)
	w.keyringOf(t, "late", "*")
	o := w.eventually(t, "db", unseal.Unsealed)
	w.holds(t, "db", "user")
	if got := o.Status.Keys[0]; got.Keyring != "late" || got.ID != holder.Recipients[0].KeyID() {
		t.Errorf("opened with %+v", got)
	}
	if n := ctl.intents(t, "db"); n != 1 {
		t.Errorf("%d intents: one was enough", n)
	}
	t.Run("a key in another state changes what is said, and the Secret stays", func(t *testing.T) {
		back := w.destroy(t, secret)
		touch(t, w, o)
		w.eventually(t, "db", unseal.KeyDestroyed)
		w.holds(t, "db", "user")
		back()
		w.eventually(t, "db", unseal.Unsealed)
		if n := ctl.intents(t, "db"); n != 1 {
			t.Errorf("%d intents: the Secret had not changed", n)
		}
	})
}

// destroy has the controller destroy a key, whoever needs it. back takes the request out again, and puts the key back as from a backup of Secrets.
func (w *world) destroy(t *testing.T, key *corev1.Secret) (back func()) {
	t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: key.Labels[secretsource.LabelKeyring]}}
	id, copied := key.Labels[secretsource.LabelKeyID], key.DeepCopy()
	w.update(t, kr, func() {
		kr.Spec.Requests = []v1alpha1.KeyRequest{{Key: id, Do: v1alpha1.RequestDestroy, Despite: v1alpha1.DespiteAny}}
	})
	w.knows(t, kr.Name, id, keyring.Destroyed)
	return func() {
		t.Helper()
		w.update(t, kr, func() { kr.Spec.Requests = nil })
		until(w.ctx, t, "the request is forgotten", func() bool { // who still goes by it would destroy the key once more
			return w.Get(w.ctx, client.ObjectKeyFromObject(kr), kr) == nil && kr.Status.ObservedGeneration == kr.Generation && len(kr.Status.Requests) == 0
		})
		copied.ResourceVersion, copied.UID, copied.OwnerReferences = "", "", nil
		w.create(t, copied)
		w.knows(t, kr.Name, id, keyring.Deactivated)
	}
}

// knows waits until the controller has a key in this state in memory.
func (w *world) knows(t *testing.T, holder, id string, state keyring.State) {
	t.Helper()
	until(w.ctx, t, "the keyring knows of the key as "+string(state), func() bool {
		kr := &v1alpha1.Keyring{}
		return w.Get(w.ctx, client.ObjectKey{Name: holder}, kr) == nil &&
			slices.ContainsFunc(kr.Status.Keys, func(k v1alpha1.KeyStatus) bool { return k.ID == id && k.State == string(state) })
	})
}

// touch has the controller look at an object, by an annotation that it may have to go by, whose outcome does not depend on its keys.
func touch(t *testing.T, w *world, o *v1alpha1.GitSecret) {
	t.Helper()
	w.update(t, o, func() { o.Annotations = map[string]string{"waxwing.io/touched": time.Now().String()} })
}

func TestKeyringsOpenOnlyWhatTheyAllow(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	holder, secret := lateKey(t, "narrow")
	w.create(t, secret)
	kr := w.keyringOf(t, "narrow", "elsewhere-*")
	w.create(t, w.sealedFor(t, "db", w.strict("db"), holder))
	w.create(t, w.sealedFor(t, "wide", seal.For{Scope: seal.ScopeCluster}, holder))
	w.create(t, w.sealedFor(t, "both", w.strict("both"), holder, w.holder(t)))
	w.eventually(t, "db", unseal.NamespaceNotAllowed)
	w.eventually(t, "both", unseal.Unsealed)
	w.holds(t, "both", "user")
	w.update(t, kr, func() { kr.Spec.Namespaces = []string{w.namespace} })
	w.eventually(t, "db", unseal.Unsealed)
	if msg := readyOf(w.eventually(t, "wide", unseal.PolicyDenied)).Message; !strings.Contains(msg, "scope cluster") {
		t.Errorf("it says %q", msg)
	}
	w.absent(t, "wide")
	w.update(t, kr, func() { kr.Spec.Scopes = []string{"strict", "cluster"} })
	w.eventually(t, "wide", unseal.Unsealed)
	w.holds(t, "wide", "user")
	if err := w.Delete(w.ctx, kr, client.PropagationPolicy(metav1.DeletePropagationBackground)); err != nil {
		t.Fatal(err)
	}
}
