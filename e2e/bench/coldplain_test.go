package bench_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// plainClient makes the controller's writes for all objects of a namespace, with values that it knows, and gives the time that it took.
func (w *coldWorld) plainClient(b *testing.B, ns string) time.Duration {
	b.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		b.Fatal(err)
	}
	kube, err := client.New(w.ServiceAccountConfig(b, home, account), client.Options{Scheme: scheme})
	if err != nil {
		b.Fatal(err)
	}
	var list v1alpha1.GitSecretList
	if err := w.kube.List(b.Context(), &list, client.InNamespace(ns)); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	parallel(b, len(list.Items), func(ctx context.Context, i int) error { return plainWrites(ctx, kube, &list.Items[i]) })
	return time.Since(start)
}

// plainWrites makes the Secret and the status of one object, as the controller does: the same verbs and bodies of the same form, answered alike.
func plainWrites(ctx context.Context, kube client.Client, o *v1alpha1.GitSecret) error {
	yes := true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy},
			Annotations:     map[string]string{v1alpha1.AnnotationOrigin: o.Namespace + "/" + o.Name},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: seal.APIVersion, Kind: seal.Kind, Name: o.Name, UID: o.UID, Controller: &yes}}},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{},
	}
	for name, v := range fiveValues() {
		secret.Data[name] = v.Bytes()
	}
	if err := kube.Create(ctx, secret, client.FieldOwner("bench-plain")); err != nil {
		return err
	}
	was := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, ResourceVersion: o.ResourceVersion}, Status: o.Status}
	is := was.DeepCopy()
	id := o.Spec.Envelopes[o.Spec.Referenced()[0]].Wraps["default"].Keys[0]
	is.Status = v1alpha1.GitSecretStatus{ObservedGeneration: o.Generation, OpenedWith: "default/" + id[:seal.KeyIDDisplay],
		Keys:   []v1alpha1.KeyUse{{Keyring: "default", ID: id, Envelope: o.Spec.Referenced()[0]}},
		Secret: &v1alpha1.SecretRef{Name: secret.Name, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion, Generation: o.Generation}}
	meta.SetStatusCondition(&is.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Unsealed",
		Message: "Secret " + o.Name + " holds 5 sealed items", ObservedGeneration: o.Generation})
	body, err := client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}).Data(is)
	if err != nil {
		return err
	}
	answer := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name}}
	answer.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind(seal.Kind))
	return kube.Status().Patch(ctx, answer, client.RawPatch(types.MergePatchType, body), client.FieldOwner("bench-plain"))
}

// parallel calls f for every number below n with coldWorkers workers.
func parallel(b *testing.B, n int, f func(ctx context.Context, i int) error) {
	b.Helper()
	next, errs := make(chan int), make([]error, coldWorkers)
	var workers sync.WaitGroup
	for k := range coldWorkers {
		workers.Go(func() {
			for i := range next {
				errs[k] = errors.Join(errs[k], f(b.Context(), i))
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	workers.Wait()
	if err := errors.Join(errs...); err != nil {
		b.Fatal(err)
	}
}
