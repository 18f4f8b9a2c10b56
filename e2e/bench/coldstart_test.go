package bench_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

const (
	coldWorkers = 8
	coldRounds  = 3
	home        = harness.WaxwingNamespace
	account     = "waxwing-controller"
)

// objects is the size of the cold start: 200, or WAXWING_BENCH_OBJECTS.
func objects() int {
	if n, err := strconv.Atoi(os.Getenv("WAXWING_BENCH_OBJECTS")); err == nil && n > 0 {
		return n
	}
	return 200
}

// BenchmarkColdStart starts the controller where sealed objects of 5 keys wait for it, and measures from the start of the process until all are Ready. Beside it stands a
// client that knows the values, runs as the same ServiceAccount with as many workers, and makes the same writes with the same verbs: one server-side apply of the Secret
// and one merge patch of the status an object.
func BenchmarkColdStart(b *testing.B) {
	c := harness.Start(b)
	c.InstallWaxwing(b)
	kube := c.Client(b, v1alpha1.AddToScheme)
	binary := harness.BuildBinary(b, "./cmd/waxwing-controller")
	watcher, err := client.NewWithWatch(c.Config(), client.Options{Scheme: kube.Scheme()})
	if err != nil {
		b.Fatal(err)
	}

	run := startController(b, c, binary)
	holder := defaultHolder(b, kube)
	run.Kill()

	var ours, theirs []time.Duration
	for range coldRounds {
		ns, plain := c.Namespace(b), c.Namespace(b)
		sealedObjects(b, kube, ns, holder)
		sealedObjects(b, kube, plain, holder)
		theirs = append(theirs, plainClient(b, c.ServiceAccountConfig(b, home, account), kube, plain))
		// The controller must find only its own share.
		removeAll(b, kube, plain)

		start := time.Now()
		run := startController(b, c, binary)
		allReady(b, watcher, ns)
		ours = append(ours, time.Since(start))
		run.Kill()
		removeAll(b, kube, ns)
	}
	report(b, fmt.Sprintf("%d GitSecrets of 5 keys, from the start of the process to all Ready", objects()),
		row{what: "waxwing-controller", ours: median(ours), baseline: "plain client, same writes, verbs and workers", theirs: median(theirs)})
}

func startController(b *testing.B, c *harness.Cluster, binary string) *harness.Process {
	b.Helper()
	return harness.StartProcess(b, harness.Command{Path: binary, Args: []string{
		"--kubeconfig", c.ServiceAccountKubeconfig(b, home, account), "--namespace", home, "--audit-log", b.TempDir() + "/audit.jsonl",
		"--workers", strconv.Itoa(coldWorkers), "--leader-elect=false",
		"--metrics-bind-address", "127.0.0.1:0", "--health-bind-address", "127.0.0.1:0", "--recipients-bind-address", "127.0.0.1:0",
	}})
}

func defaultHolder(b *testing.B, kube client.Client) seal.Holder {
	b.Helper()
	var set statement.Recipients
	harness.Eventually(b.Context(), b, "the default keyring has recipients", func(ctx context.Context) error {
		var k v1alpha1.Keyring
		if err := kube.Get(ctx, client.ObjectKey{Name: "default"}, &k); err != nil {
			return err
		}
		var err error
		set, err = statement.OpenRecipients([]byte(k.Status.Recipients), k.Status.StatementKey)
		return err
	})
	return set.SealHolder()
}

func sealedObjects(b *testing.B, kube client.Client, ns string, h seal.Holder) {
	b.Helper()
	parallel(b, func(ctx context.Context, i int) error {
		name := fmt.Sprintf("s%04d", i)
		spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: ns, Name: name}, fiveValues(), []seal.Holder{h})
		if err != nil {
			return err
		}
		return kube.Create(ctx, &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: *spec})
	})
}

// plainClient makes the controller's writes with values that it knows.
func plainClient(b *testing.B, cfg *rest.Config, admin client.Client, ns string) time.Duration {
	b.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(corev1.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		b.Fatal(err)
	}
	kube, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		b.Fatal(err)
	}
	var list v1alpha1.GitSecretList
	if err := admin.List(b.Context(), &list, client.InNamespace(ns)); err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	parallel(b, func(ctx context.Context, i int) error { return plainWrites(ctx, kube, &list.Items[i]) })
	return time.Since(start)
}

func plainWrites(ctx context.Context, kube client.Client, o *v1alpha1.GitSecret) error {
	yes := true
	secret := &corev1.Secret{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: map[string]string{"app.kubernetes.io/managed-by": "waxwing"},
			OwnerReferences: []metav1.OwnerReference{{APIVersion: seal.APIVersion, Kind: seal.Kind, Name: o.Name, UID: o.UID, Controller: &yes}}},
		Type: corev1.SecretTypeOpaque,
		Data: map[string][]byte{},
	}
	for name, v := range fiveValues() {
		secret.Data[name] = v.Bytes()
	}
	body, err := json.Marshal(secret)
	if err != nil {
		return err
	}
	if err := kube.Patch(ctx, secret, client.RawPatch("application/apply-patch+yaml", body), client.FieldOwner("bench-plain"), client.ForceOwnership); err != nil {
		return err
	}
	status := v1alpha1.GitSecretStatus{ObservedGeneration: o.Generation,
		Secret: &v1alpha1.SecretRef{Name: secret.Name, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion}}
	meta.SetStatusCondition(&status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Unsealed", Message: "5 keys", ObservedGeneration: o.Generation})
	body, err = json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	return kube.Status().Patch(ctx, o, client.RawPatch("application/merge-patch+json", body))
}

// allReady counts by a watch, because listing sealed objects again and again would take the API server's time from what is measured.
func allReady(b *testing.B, watcher client.WithWatch, ns string) {
	b.Helper()
	ctx, cancel := context.WithTimeout(b.Context(), 10*time.Minute)
	defer cancel()
	events, err := watcher.Watch(ctx, &v1alpha1.GitSecretList{}, client.InNamespace(ns))
	if err != nil {
		b.Fatal(err)
	}
	defer events.Stop()
	ready := map[string]bool{}
	for e := range events.ResultChan() {
		if o, ok := e.Object.(*v1alpha1.GitSecret); ok && meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReady) {
			ready[o.Name] = true
		}
		if len(ready) == objects() {
			return
		}
	}
	b.Fatalf("the watch ended with %d of %d objects Ready", len(ready), objects())
}

func removeAll(b *testing.B, kube client.Client, ns string) {
	b.Helper()
	if err := kube.DeleteAllOf(b.Context(), &v1alpha1.GitSecret{}, client.InNamespace(ns)); err != nil && !apierrors.IsNotFound(err) {
		b.Fatal(err)
	}
}

// parallel calls f for every object with coldWorkers workers.
func parallel(b *testing.B, f func(ctx context.Context, i int) error) {
	b.Helper()
	next, errs := make(chan int), make(chan error, coldWorkers)
	for range coldWorkers {
		go func() {
			var err error
			for i := range next {
				err = errors.Join(err, f(b.Context(), i))
			}
			errs <- err
		}()
	}
	for i := range objects() {
		next <- i
	}
	close(next)
	for range coldWorkers {
		if err := <-errs; err != nil {
			b.Fatal(err)
		}
	}
}
