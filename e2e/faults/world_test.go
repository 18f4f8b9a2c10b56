package faults_test

import (
	"context"
	crand "crypto/rand"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	home    = "waxwing-system"
	account = "waxwing-controller"
	// canary begins every value that these tests seal. It must turn up nowhere but in Secrets.
	canary = "canary-not-a-secret-51f3"
	// versionItem holds the number of the version that a GitSecret is of, so that the history of its Secret can be put in order.
	versionItem = "version"
)

// world is a cluster with what ships in it, and the namespace of one test.
type world struct {
	*harness.Cluster
	client.Client
	ctx        context.Context
	t          *testing.T
	namespace  string
	kubeconfig string // of the controller's ServiceAccount
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	c.InstallWaxwing(t)
	w := &world{
		Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), ctx: t.Context(), t: t, namespace: c.Namespace(t),
		kubeconfig: c.ServiceAccountKubeconfig(t, home, account),
	}
	t.Cleanup(func() { w.NoCanary(t, canary) })
	return w
}

// proxy is a fault proxy that goes with the test.
func (w *world) proxy() (p *faultproxy.Proxy, kubeconfig string) {
	w.t.Helper()
	return faultproxy.Start(w.t, w.Config(), w.kubeconfig)
}

// holder is the default keyring with its present recipients, as its signed note says.
func (w *world) holder() seal.Holder {
	w.t.Helper()
	return w.recipients().SealHolder()
}

// set is the number of the default keyring's recipient set.
func (w *world) set() uint64 {
	w.t.Helper()
	return w.recipients().Set
}

func (w *world) recipients() statement.Recipients {
	w.t.Helper()
	var set statement.Recipients
	harness.Eventually(w.ctx, w.t, "the default keyring has published its recipients", func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
			return err
		}
		var err error
		set, err = statement.OpenRecipients([]byte(kr.Status.Recipients), kr.Status.StatementKey)
		return err
	})
	return set
}

func sealer() seal.Sealer { return seal.Sealer{Rand: crand.Reader, Now: time.Now} }

// versionValue is the value of versionItem.
func versionValue(n int) string { return fmt.Sprintf("%s-%06d", canary, n) }

func valueOf(item string) string { return canary + "-" + item }

// sealed is a GitSecret at a version, with these items besides the version's own.
func (w *world) sealed(holder seal.Holder, name string, version int, items ...string) *v1alpha1.GitSecret {
	w.t.Helper()
	values := seal.Values{versionItem: seal.NewValue([]byte(versionValue(version)))}
	for _, item := range items {
		values[item] = seal.NewValue([]byte(valueOf(item)))
	}
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name}, values, []seal.Holder{holder})
	if err != nil {
		w.t.Fatal(err)
	}
	return &v1alpha1.GitSecret{
		TypeMeta:   metav1.TypeMeta{APIVersion: seal.APIVersion, Kind: seal.Kind},
		ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name},
		Spec:       *spec,
	}
}

// create creates an object; apply makes what is there, if anything, what o says, as a sync from Git does.
func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.Create(w.ctx, o); err != nil {
		w.t.Fatalf("creating %s: %v", o.GetName(), err)
	}
}

func (w *world) apply(o *v1alpha1.GitSecret) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, "applying "+o.Name, func(ctx context.Context) error {
		there := &v1alpha1.GitSecret{}
		err := w.Get(ctx, client.ObjectKeyFromObject(o), there)
		if apierrors.IsNotFound(err) {
			fresh := o.DeepCopy()
			fresh.ResourceVersion, fresh.UID = "", ""
			return w.Create(ctx, fresh)
		}
		if err != nil {
			return err
		}
		there.Spec, there.Annotations = o.Spec, o.Annotations
		return w.Update(ctx, there)
	})
}

// update changes a GitSecret as it is in the cluster.
func (w *world) update(name string, change func(*v1alpha1.GitSecret)) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, "updating "+name, func(ctx context.Context) error {
		o := &v1alpha1.GitSecret{}
		if err := w.Get(ctx, w.key(name), o); err != nil {
			return harness.Permanent(err)
		}
		change(o)
		err := w.Update(ctx, o)
		if apierrors.IsConflict(err) {
			return err
		}
		return harness.Permanent(err)
	})
}

// patchSecret changes a Secret as somebody else would.
func (w *world) patchSecret(name, body string) {
	w.t.Helper()
	if err := w.tryPatch(name, body); err != nil {
		w.t.Fatalf("patching Secret %s: %v", name, err)
	}
}

func (w *world) tryPatch(name, body string) error {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}}
	return w.Patch(w.ctx, s, client.RawPatch(types.MergePatchType, []byte(body)), client.FieldOwner("somebody"))
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.namespace, Name: name}
}

// want is what an object has to come to.
type want struct {
	reason  unseal.Reason
	version int      // of the Secret; 0 with a refusal: there is none
	items   []string // besides the version's
	kind    corev1.SecretType
}

func unsealed(version int, items ...string) want {
	return want{unseal.Unsealed, version, items, corev1.SecretTypeOpaque}
}

// converged says what is missing until the object's present generation has been seen to, and its Secret has exactly the sealed data and is the one that the
// status knows. It never quotes a value.
func (w *world) converged(ctx context.Context, name string, want want) error {
	o := &v1alpha1.GitSecret{}
	if err := w.Get(ctx, w.key(name), o); err != nil {
		return err
	}
	if o.Status.ObservedGeneration != o.Generation || unseal.ReasonOf(o.Status) != want.reason {
		return fmt.Errorf("%s: generation %d: the status of generation %d says %+v", name, o.Generation, o.Status.ObservedGeneration, o.Status.Conditions)
	}
	s := &corev1.Secret{}
	err := w.Get(ctx, w.key(name), s)
	if want.version == 0 {
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("there is a Secret %s (%v)", name, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	ref := o.Status.Secret
	if ref == nil || ref.UID != string(s.UID) || ref.ResourceVersion != s.ResourceVersion || (want.reason == unseal.Unsealed && ref.Generation != o.Generation) {
		return fmt.Errorf("%s: the status speaks of another Secret than there is: %+v", name, ref)
	}
	if s.Type != want.kind {
		return fmt.Errorf("%s is of type %s", name, s.Type)
	}
	return holdsExactly(s, want.version, want.items)
}

func holdsExactly(s *corev1.Secret, version int, items []string) error {
	expected := []string{versionItem}
	for _, item := range items {
		expected = append(expected, item)
		if string(s.Data[item]) != valueOf(item) {
			return fmt.Errorf("%s has another value of %s", s.Name, item)
		}
	}
	slices.Sort(expected)
	var have []string
	for key := range s.Data {
		have = append(have, key)
	}
	slices.Sort(have)
	if !slices.Equal(have, expected) {
		return fmt.Errorf("%s has the keys %s, not %s", s.Name, have, expected)
	}
	if got, err := versionOf(s); err != nil || got != version {
		return fmt.Errorf("%s is at version %d, not %d (%w)", s.Name, got, version, err)
	}
	return nil
}

// versionOf reads the version that was written into a Secret.
func versionOf(s *corev1.Secret) (int, error) {
	digits, ours := strings.CutPrefix(string(s.Data[versionItem]), canary+"-")
	if !ours {
		return 0, fmt.Errorf("no version that these tests have sealed")
	}
	return strconv.Atoi(digits)
}

// settles waits until all objects have converged.
func (w *world) settles(objects map[string]want) {
	w.t.Helper()
	w.settlesIn(w.ctx, objects)
}

// settlesLate is settles where so much was refused that the next try may be a minute away, for watches as for objects.
func (w *world) settlesLate(objects map[string]want) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 3*time.Minute)
	defer cancel()
	w.settlesIn(ctx, objects)
}

func (w *world) settlesIn(ctx context.Context, objects map[string]want) {
	w.t.Helper()
	for name, want := range objects {
		harness.Eventually(ctx, w.t, name+" has converged", func(ctx context.Context) error { return w.converged(ctx, name, want) })
	}
}

// settle is settles for one object.
func (w *world) settle(name string, expected want) {
	w.t.Helper()
	w.settles(map[string]want{name: expected})
}

// onlySecrets holds that the namespace has these Secrets and no other.
func (w *world) onlySecrets(names ...string) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, "there are the Secrets of the GitSecrets and no other", func(ctx context.Context) error {
		var all corev1.SecretList
		if err := w.List(ctx, &all, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		var have []string
		for _, s := range all.Items {
			have = append(have, s.Name)
		}
		slices.Sort(have)
		if expected := slices.Sorted(slices.Values(names)); !slices.Equal(have, expected) {
			return fmt.Errorf("there are %s, not %s", have, expected)
		}
		return nil
	})
}

// said counts the events about each object of the namespace, those in series with their number.
func (w *world) said() map[string]int {
	w.t.Helper()
	var all eventsv1.EventList
	if err := w.List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		w.t.Fatal(err)
	}
	said := map[string]int{}
	for _, e := range all.Items {
		n := 1
		if e.Series != nil {
			n = int(e.Series.Count)
		}
		said[e.Regarding.Name] += n
	}
	return said
}
