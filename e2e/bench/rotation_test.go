package bench_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

const (
	// takers is how many rewrapped objects are applied at a time.
	takers = 4
	// sampleEvery is how often memory and store are looked at.
	sampleEvery = time.Second
)

// BenchmarkRotation rotates the key of a keyring under objects of 5 keys and 2 holders, with somebody who takes every offer at once and applies the object with it, until all of them are sealed
// for the new key. It compares the controller and the API server's store with how they were before: resident memory, CPU time, requests, and the size of etcd's file, which grows with every
// version until it is compacted.
func BenchmarkRotation(b *testing.B) {
	w := newColdWorld(b)
	b.ReportMetric(0, "ns/op") // the time of a whole comparison says nothing
	all := sizes()
	w.rotation(b, all[len(all)-1])
}

func (w *coldWorld) rotation(b *testing.B, n int) {
	b.Helper()
	ns := w.Namespace(b)
	w.sealedObjects(b, ns, n)
	run := w.start(b)
	run.until(b, "all are Ready", func(m metrics) bool { return m.sum("waxwing_gitsecrets", `ready="True"`) >= float64(n) })
	versions := w.secretVersions(b, ns)
	time.Sleep(steadyAfter)
	before := w.sample(b, run)
	stop := w.sampling(b, run)
	taken := w.take(b, ns)
	w.turn(b)
	began := time.Now()
	run.until(b, "all are sealed for the new key", func(m metrics) bool {
		return m.sum("waxwing_offers_made_total") >= float64(n) && m.sum("waxwing_offers_outstanding") == 0
	})
	took, most, after := time.Since(began), stop(), w.sample(b, run)
	done := taken()
	changed := 0
	for name, version := range w.secretVersions(b, ns) {
		if versions[name] != version {
			changed++
		}
	}
	run.Kill()
	per := func(f float64) float64 { return f / float64(n) }
	fmt.Printf("\nA rotation of %d GitSecrets of 5 keys and 2 holders, every offer taken and applied at once by %d clients\n", n, takers)
	fmt.Printf("  %-44s %8s (%.0f objects/s); %d taken, %d Secrets have another version\n", "until all are sealed for the new key", round(took), float64(n)/took.Seconds(), done, changed)
	fmt.Printf("  %-44s %8.0f MiB   before %.0f MiB   after %.0f MiB\n", "resident memory of the controller, the most", most.memory, before.memory, after.memory)
	fmt.Printf("  %-44s %8.0f MiB   before %.0f MiB\n", "etcd's file, the most", most.store, before.store)
	fmt.Printf("  %-44s %8.0f of at most 500\n", "objects with offers, the most", most.outstanding)
	fmt.Printf("  %-44s %8s + control plane %s, with the clients' own requests\n", "CPU time an object", ((after.cpu - before.cpu) / time.Duration(n)).Round(10*time.Microsecond), ((after.cluster - before.cluster) / time.Duration(n)).Round(10*time.Microsecond))
	fmt.Printf("  %-44s %8.2f (%s)\n", "requests of the controller, an object", per(after.requests.sum("rest_client_requests_total")-before.requests.sum("rest_client_requests_total")), after.since(before))
}

// gauges are what is sampled.
type gauges struct {
	memory, store, outstanding float64
	cpu, cluster               time.Duration
	requests                   metrics
}

func (g gauges) since(before gauges) (text string) {
	for _, method := range []string{"POST", "PATCH", "GET", "PUT", "DELETE"} {
		label := `method="` + method + `"`
		if n := g.requests.sum("rest_client_requests_total", label) - before.requests.sum("rest_client_requests_total", label); n > 0 {
			text += fmt.Sprintf("%.0f %s, ", n, method)
		}
	}
	return text + "all of them"
}

func (w *coldWorld) sample(b *testing.B, run *controller) (g gauges) {
	b.Helper()
	g.memory, g.requests, g.cluster = run.memory(b, "VmRSS"), run.metrics(b), clusterCPU(b)
	g.cpu, _, _ = cpu(run.PID())
	g.outstanding = g.requests.sum("waxwing_offers_outstanding")
	store, err := w.store(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	g.store = store
	return g
}

// store is the size of etcd's file in MiB, as the API server has it from etcd.
func (w *coldWorld) store(ctx context.Context) (float64, error) {
	kube, err := kubernetes.NewForConfig(w.Config())
	if err != nil {
		return 0, err
	}
	body, err := kube.RESTClient().Get().AbsPath("/metrics").DoRaw(ctx)
	if err != nil {
		return 0, err
	}
	size := metrics(body).sum("apiserver_storage_size_bytes")
	if size == 0 {
		return 0, errors.New("the API server does not say how large its store is")
	}
	return size / (1 << 20), nil
}

// sampling looks again and again; the function that it gives ends that and gives the most of each.
func (w *coldWorld) sampling(b *testing.B, run *controller) func() gauges {
	ctx, cancel := context.WithCancel(b.Context())
	most := make(chan gauges, 1)
	go func() {
		var g gauges
		for tick := time.Tick(sampleEvery); ctx.Err() == nil; {
			g.memory = max(g.memory, run.memory(b, "VmRSS"))
			if m, err := run.scrape(ctx); err == nil {
				g.outstanding = max(g.outstanding, m.sum("waxwing_offers_outstanding"))
			}
			if size, err := w.store(ctx); err == nil {
				g.store = max(g.store, size)
			}
			select {
			case <-ctx.Done():
			case <-tick:
			}
		}
		most <- g
	}()
	return func() gauges {
		cancel()
		return <-most
	}
}

// secretVersions are the versions of the Secrets of a namespace.
func (w *coldWorld) secretVersions(b *testing.B, ns string) map[string]string {
	b.Helper()
	all := &metav1.PartialObjectMetadataList{}
	all.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := w.kube.List(b.Context(), all, client.InNamespace(ns)); err != nil {
		b.Fatal(err)
	}
	versions := map[string]string{}
	for _, s := range all.Items {
		versions[s.Name] = s.ResourceVersion
	}
	return versions
}

// turn has another key take the place of the default keyring's.
func (w *coldWorld) turn(b *testing.B) {
	b.Helper()
	ctx, kr := b.Context(), &v1alpha1.Keyring{}
	if err := w.kube.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
		b.Fatal(err)
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		b.Fatal(err)
	}
	recipient := id.Recipient().String()
	name := secretsource.KeySecretName("default", seal.KeyID(recipient))
	next := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: home, Name: name, Labels: map[string]string{secretsource.LabelKeyring: "default", secretsource.LabelKeyID: seal.KeyID(recipient)},
			Annotations: map[string]string{secretsource.AnnotationState: string(keyring.PreActive), secretsource.AnnotationCreated: time.Now().UTC().Format(time.RFC3339)},
		},
		Type: secretsource.KeyType, Immutable: new(true),
		Data: map[string][]byte{secretsource.DataIdentity: []byte(id.String() + "\n"), secretsource.DataRecipient: []byte(recipient + "\n")},
	}
	if err := w.kube.Create(ctx, next); err != nil {
		b.Fatal(err)
	}
	active := slices.IndexFunc(kr.Status.Keys, func(k v1alpha1.KeyStatus) bool { return k.State == string(keyring.Active) })
	old := &corev1.Secret{}
	if err := w.kube.Get(ctx, client.ObjectKey{Namespace: home, Name: secretsource.KeySecretName("default", kr.Status.Keys[active].ID)}, old); err != nil {
		b.Fatal(err)
	}
	was := old.DeepCopy()
	old.Annotations[secretsource.AnnotationState] = string(keyring.Deactivated)
	if err := w.kube.Patch(ctx, old, client.MergeFrom(was)); err != nil {
		b.Fatal(err)
	}
}

// take puts what is offered in a namespace into the objects, and applies them, until the function that it gives is called, which tells how often that was.
func (w *coldWorld) take(b *testing.B, ns string) func() int64 {
	b.Helper()
	kr := &v1alpha1.Keyring{}
	if err := w.kube.Get(b.Context(), client.ObjectKey{Name: "default"}, kr); err != nil {
		b.Fatal(err)
	}
	watcher, err := client.NewWithWatch(w.Config(), client.Options{Scheme: w.kube.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	objects := make(chan *v1alpha1.GitSecret)
	go func() {
		defer close(objects)
		for ctx.Err() == nil {
			follow(ctx, watcher, ns, objects)
		}
	}()
	var taken atomic.Int64
	var workers sync.WaitGroup
	for range takers {
		workers.Go(func() {
			for o := range objects {
				if w.takeOne(ctx, o, kr.Status.StatementKey) {
					taken.Add(1)
				}
			}
		})
	}
	return func() int64 {
		cancel()
		workers.Wait()
		return taken.Load()
	}
}

// follow gives on what is there and what changes, until the server ends the watch, as it does with one that is slower than what it is to see.
func follow(ctx context.Context, from client.WithWatch, ns string, to chan<- *v1alpha1.GitSecret) {
	events, err := from.Watch(ctx, &v1alpha1.GitSecretList{}, client.InNamespace(ns))
	if err != nil {
		time.Sleep(time.Second)
		return
	}
	defer events.Stop()
	for e := range events.ResultChan() {
		o, ok := e.Object.(*v1alpha1.GitSecret)
		if !ok || e.Type == watch.Deleted {
			continue
		}
		select {
		case to <- o:
		case <-ctx.Done():
			return
		}
	}
}

// takeOne applies an object with what it is offered; a version that is not the newest any more comes again.
func (w *coldWorld) takeOne(ctx context.Context, o *v1alpha1.GitSecret, statementKey string) bool {
	changed := false
	for _, r := range o.Status.Rewrap {
		offer, err := statement.OpenOffer([]byte(r.Note), statementKey)
		if err != nil {
			return false
		}
		for _, wrap := range offer.Wraps {
			if e := o.Spec.Envelopes[wrap.Envelope]; e.Commit == wrap.Commit && !slices.Equal(e.Wraps[offer.Holder].Keys, wrap.Wrap.Keys) {
				e.Wraps[offer.Holder], changed = wrap.Wrap, true
			}
		}
	}
	return changed && w.kube.Update(ctx, o) == nil
}
