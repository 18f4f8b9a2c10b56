package bench_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

const (
	coldWorkers = 16 // of both sides; the controller's default
	home        = harness.WaxwingNamespace
	account     = "waxwing-controller"
	probes      = 50
	steadyAfter = 30 * time.Second
)

// sizes are the numbers of objects: 2,000 and 10,000, or WAXWING_BENCH_OBJECTS alone.
func sizes() []int {
	if n, err := strconv.Atoi(os.Getenv("WAXWING_BENCH_OBJECTS")); err == nil && n > 0 {
		return []int{n}
	}
	return []int{2000, 10000}
}

// BenchmarkColdStart starts the controller where sealed objects of 5 keys and 2 holders wait for it, and measures from the start of the process until all are Ready. Beside it
// stands a client that knows the values, runs as the same ServiceAccount with as many workers, and makes the same writes with the same verbs and answers: a POST of the
// Secret and one merge patch of the status an object. The audit log is on. While the controller is at it, new objects are made: they must not wait for the others.
// Then it is started once more where everything is done.
func BenchmarkColdStart(b *testing.B) {
	w := newColdWorld(b)
	b.ReportMetric(0, "ns/op") // the time of a whole comparison says nothing
	for i, n := range sizes() {
		if i > 0 {
			w.removeAll(b, w.used...)
		}
		w.measure(b, n)
	}
}

// measure prints the figures for n objects.
func (w *coldWorld) measure(b *testing.B, n int) {
	b.Helper()
	ours, young, plain := w.Namespace(b), w.Namespace(b), w.Namespace(b)
	w.used = []string{ours, young, plain}
	w.sealedObjects(b, ours, n)

	start, before := time.Now(), clusterCPU(b)
	run := w.start(b)
	late := w.probe(b, young, run, n)
	run.until(b, "all are Ready", func(m metrics) bool { return m.sum("waxwing_gitsecrets", `ready="True"`) >= float64(n+probes) })
	mine := time.Since(start)
	spent, _, _ := cpu(run.PID())
	myCluster := clusterCPU(b) - before
	latencies := late()
	cold, peak := run.metrics(b), run.memory(b, "VmHWM")
	w.checkReady(b, ours, n)
	time.Sleep(steadyAfter)
	steady := run.memory(b, "VmRSS")
	run.Kill()
	again := w.restart(b, ours, n)

	w.sealedObjects(b, plain, n)
	before = clusterCPU(b)
	began, _, _ := cpu(os.Getpid())
	theirs := w.plainClient(b, plain)
	plainSpent, _, _ := cpu(os.Getpid())
	plainSpent -= began
	theirCluster := clusterCPU(b) - before

	all := n + probes // that the controller had to do
	rate := func(n int, d time.Duration) float64 { return float64(n) / d.Seconds() }
	fmt.Printf("\n%d GitSecrets of 5 keys and 2 holders, from the start of the process to all Ready; %d workers, audit log on\n", n, coldWorkers)
	fmt.Printf("  %-44s %8.1f objects/s   plain client, same writes, verbs and workers %8.1f/s   ratio %.2f\n", "rate", rate(all, mine), rate(n, theirs), rate(all, mine)/rate(n, theirs))
	each := func(n int, d time.Duration) time.Duration { return (d / time.Duration(n)).Round(10 * time.Microsecond) }
	fmt.Printf("  %-44s %8s + control plane %s   plain client %s + control plane %s   ratio %.2f\n", "CPU time an object",
		each(all, spent), each(all, myCluster), each(n, plainSpent), each(n, theirCluster), float64(each(n, plainSpent+theirCluster))/float64(each(all, spent+myCluster)))
	fmt.Printf("  %-44s %8.3f (all that the process sent: %s)\n", "requests an object", cold.sum("rest_client_requests_total")/float64(all), cold.requests())
	fmt.Printf("  %-44s %8.3f\n", "looks at an object", cold.sum("controller_runtime_reconcile_total", `controller="gitsecret"`)/float64(all))
	fmt.Printf("  %-44s %8.0f MiB   %.0f MiB %s later\n", "peak resident memory", peak, steady, steadyAfter)
	fmt.Printf("  %-44s p50 %s, p99 %s of %d\n", "a new object during the backlog is Ready after", round(quantile(latencies, 0.5)), round(quantile(latencies, 0.99)), len(latencies))
	fmt.Printf("  %-44s %8.0f opened, all looked at after %s, %.0f MiB at the peak; an object changed meanwhile was Ready after %s\n",
		"restart with all present", again.opened, round(again.looked), again.peak, round(again.changed))
}

// probe makes objects in a namespace of their own, evenly over the time in which the controller works at n others, from the first that it has opened. The function that it gives waits for them, and
// gives the times from each one's making until it was Ready.
func (w *coldWorld) probe(b *testing.B, ns string, run *controller, n int) func() []time.Duration {
	b.Helper()
	var objects []*v1alpha1.GitSecret
	for i := range probes {
		o, err := w.sealed(ns, fmt.Sprintf("new%02d", i))
		if err != nil {
			b.Fatal(err)
		}
		objects = append(objects, o)
	}
	result, errs := make(chan []time.Duration, 1), make(chan error, 1)
	go func() {
		var all []time.Duration
		for i, o := range objects {
			done := func(m metrics) bool {
				return m.sum("waxwing_unseal_total", `reason="Unsealed"`) >= float64(n*(i+1))/(probes+1)
			}
			took, err := w.probeOne(b.Context(), o, func(ctx context.Context) error { return run.poll(ctx, done) })
			if err != nil {
				errs <- err
				return
			}
			all = append(all, took)
		}
		result <- all
	}()
	return func() []time.Duration {
		select {
		case err := <-errs:
			b.Fatal(err)
		case all := <-result:
			return all
		}
		return nil
	}
}

// probeOne makes the object when it is its turn and gives the time until it was Ready.
func (w *coldWorld) probeOne(ctx context.Context, o *v1alpha1.GitSecret, turn func(context.Context) error) (time.Duration, error) {
	if err := turn(ctx); err != nil {
		return 0, err
	}
	ready, stop, err := w.ready(ctx, o.Namespace, o.Name, 0)
	if err != nil {
		return 0, err
	}
	defer stop()
	start := time.Now()
	if err := w.kube.Create(ctx, o); err != nil {
		return 0, err
	}
	if _, ok := <-ready; !ok {
		return 0, errors.New("the watch of a new object ended")
	}
	return time.Since(start), nil
}

// restarted is what a start costs where all is done.
type restarted struct {
	opened, peak    float64
	looked, changed time.Duration
}

// restart changes one object while no controller runs, and starts one.
func (w *coldWorld) restart(b *testing.B, ns string, n int) restarted {
	b.Helper()
	o := &v1alpha1.GitSecret{}
	key := client.ObjectKey{Namespace: ns, Name: objectName(n / 2)}
	if err := w.kube.Get(b.Context(), key, o); err != nil {
		b.Fatal(err)
	}
	changed, err := w.sealed(ns, key.Name)
	if err != nil {
		b.Fatal(err)
	}
	o.Spec = changed.Spec
	if err := w.kube.Update(b.Context(), o); err != nil {
		b.Fatal(err)
	}
	ready, stop, err := w.ready(b.Context(), ns, key.Name, o.Generation)
	if err != nil {
		b.Fatal(err)
	}
	defer stop()
	var r restarted
	start := time.Now()
	run := w.start(b)
	if _, ok := <-ready; !ok {
		b.Fatal("the watch of the changed object ended")
	}
	r.changed = time.Since(start)
	run.until(b, "all have been looked at", func(m metrics) bool {
		return m.sum("controller_runtime_reconcile_total", `controller="gitsecret"`) >= float64(n)
	})
	r.looked = time.Since(start)
	r.opened = run.metrics(b).sum("waxwing_unseal_total") - 1 // the changed one
	r.peak = run.memory(b, "VmHWM")
	run.Kill()
	return r
}

// checkReady holds that what the controller's cache says is so.
func (w *coldWorld) checkReady(b *testing.B, ns string, n int) {
	b.Helper()
	secrets := &metav1.PartialObjectMetadataList{}
	secrets.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("SecretList"))
	if err := w.kube.List(b.Context(), secrets, client.InNamespace(ns)); err != nil {
		b.Fatal(err)
	}
	if len(secrets.Items) != n {
		b.Fatalf("%d objects are Ready, and there are %d Secrets", n, len(secrets.Items))
	}
}

func quantile(d []time.Duration, q float64) time.Duration {
	slices.Sort(d)
	return d[min(len(d)-1, int(q*float64(len(d))))]
}
