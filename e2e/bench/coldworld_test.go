package bench_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// coldWorld is a cluster with Waxwing's kinds and rights in it.
type coldWorld struct {
	*harness.Cluster
	kube          client.Client
	binary, audit string
	holders       []seal.Holder
	used          []string // namespaces of the last size
}

func newColdWorld(b *testing.B) *coldWorld {
	b.Helper()
	c := harness.Start(b)
	c.InstallWaxwing(b)
	w := &coldWorld{Cluster: c, kube: c.Client(b, v1alpha1.AddToScheme), binary: harness.BuildBinary(b, "./cmd/waxwing-controller"), audit: b.TempDir() + "/audit"}
	run := w.start(b)
	w.holders = []seal.Holder{w.keyring(b), breakGlass(b)}
	run.Kill()
	return w
}

// controller is a running controller.
type controller struct {
	*harness.Process
	address string // of its metrics
}

func (w *coldWorld) start(b *testing.B) *controller {
	b.Helper()
	return w.run(b, w.binary, "--audit-log", w.audit, "--leader-elect=false", "--log-level", "WARN", "--health-bind-address", "127.0.0.1:0",
		"--recipients-bind-address", "0", "--audit-bind-address", "0", "--replica", harness.ReplicaOf(w.audit))
}

// run starts a program that is a controller, with these flags behind those that all take.
func (w *coldWorld) run(b *testing.B, binary string, args ...string) *controller {
	b.Helper()
	address := harness.FreeAddress(b)
	return &controller{address: address, Process: harness.StartProcess(b, harness.Command{Path: binary, Args: append([]string{
		"--kubeconfig", w.ServiceAccountKubeconfig(b, home, account), "--namespace", home, "--workers", strconv.Itoa(coldWorkers), "--metrics-bind-address", address,
	}, args...)})}
}

// metrics are the lines of a scrape.
type metrics []byte

// sum adds up the values of a metric in all lines that have the labels.
func (m metrics) sum(name string, labels ...string) float64 {
	total := 0.0
	for line := range bytes.Lines(m) {
		text := strings.TrimSpace(string(line))
		rest, ok := strings.CutPrefix(text, name)
		if !ok || (rest[0] != '{' && rest[0] != ' ') || slices.ContainsFunc(labels, func(l string) bool { return !strings.Contains(rest, l) }) {
			continue
		}
		if v, err := strconv.ParseFloat(text[strings.LastIndexByte(text, ' ')+1:], 64); err == nil {
			total += v
		}
	}
	return total
}

// requests lists the numbers of requests by method.
func (m metrics) requests() string {
	var parts []string
	for _, method := range []string{"POST", "PATCH", "GET", "PUT", "DELETE"} {
		if n := m.sum("rest_client_requests_total", `method="`+method+`"`); n > 0 {
			parts = append(parts, fmt.Sprintf("%.0f %s", n, method))
		}
	}
	return strings.Join(parts, ", ")
}

func (c *controller) scrape(ctx context.Context) (metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.address+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	return io.ReadAll(resp.Body)
}

func (c *controller) metrics(b *testing.B) metrics {
	b.Helper()
	m, err := c.scrape(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// poll asks the controller for its metrics until they hold. It asks the controller and not the API server, whose time is what is measured.
func (c *controller) poll(ctx context.Context, holds func(metrics) bool) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Minute)
	defer cancel()
	tick := time.NewTicker(time.Second) // each answer counts all objects
	defer tick.Stop()
	for {
		if !c.Running() {
			return errors.New("the controller has ended: " + c.State())
		}
		if m, err := c.scrape(ctx); err == nil && holds(m) {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (c *controller) until(b *testing.B, what string, holds func(metrics) bool) {
	b.Helper()
	if err := c.poll(b.Context(), holds); err != nil {
		b.Fatalf("waiting until %s: %v", what, err)
	}
}

// memory reads a figure of /proc/PID/status in MiB.
func (c *controller) memory(b *testing.B, field string) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.PID()))
	if err != nil {
		b.Fatal(err)
	}
	m := regexp.MustCompile(field + `:\s*(\d+) kB`).FindSubmatch(status)
	if m == nil {
		b.Fatalf("no %s in the process's status", field)
	}
	kib, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

// clockTick is the unit of the times in /proc/PID/stat on every Linux.
const clockTick = 10 * time.Millisecond

// cpu is the CPU time of a process so far, and its parent's id.
func cpu(pid int) (spent time.Duration, parent int, name string) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, 0, "" // it has ended
	}
	open, shut := bytes.IndexByte(stat, '('), bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[shut+1:]))
	parent, _ = strconv.Atoi(fields[1])
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * clockTick, parent, string(stat[open+1 : shut])
}

// clusterCPU is the CPU time that the control plane has spent.
func clusterCPU(b *testing.B) time.Duration {
	b.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		b.Fatal(err)
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			if spent, parent, name := cpu(pid); parent == os.Getpid() && name == "controlplane" {
				return spent
			}
		}
	}
	return 0 // another cluster
}

func (w *coldWorld) keyring(b *testing.B) seal.Holder {
	b.Helper()
	var set statement.Recipients
	harness.Eventually(b.Context(), b, "the default keyring has recipients", func(ctx context.Context) error {
		var k v1alpha1.Keyring
		if err := w.kube.Get(ctx, client.ObjectKey{Name: "default"}, &k); err != nil {
			return err
		}
		var err error
		set, err = statement.OpenRecipients([]byte(k.Status.Recipients), k.Status.StatementKey)
		return err
	})
	return set.SealHolder()
}

// breakGlass is a second holder, whose key the controller does not have.
func breakGlass(b *testing.B) seal.Holder {
	b.Helper()
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		b.Fatal(err)
	}
	h, _ := holderOf(b, "breakglass", id)
	return h
}

func objectName(i int) string { return fmt.Sprintf("s%05d", i) }

func (w *coldWorld) sealed(ns, name string) (*v1alpha1.GitSecret, error) {
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: ns, Name: name}, fiveValues(), w.holders)
	if err != nil {
		return nil, err
	}
	return &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: *spec}, nil
}

func (w *coldWorld) sealedObjects(b *testing.B, ns string, n int) {
	b.Helper()
	parallel(b, n, func(ctx context.Context, i int) error {
		o, err := w.sealed(ns, objectName(i))
		if err != nil {
			return err
		}
		return w.kube.Create(ctx, o)
	})
}

// ready watches one object and gives a value when a generation of at least that is Ready.
func (w *coldWorld) ready(ctx context.Context, ns, name string, generation int64) (<-chan struct{}, func(), error) {
	watcher, err := client.NewWithWatch(w.Config(), client.Options{Scheme: w.kube.Scheme()})
	if err != nil {
		return nil, nil, err
	}
	events, err := watcher.Watch(ctx, &v1alpha1.GitSecretList{}, client.InNamespace(ns), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name)})
	if err != nil {
		return nil, nil, err
	}
	done := make(chan struct{}, 1)
	go func() {
		defer close(done)
		for e := range events.ResultChan() {
			o, ok := e.Object.(*v1alpha1.GitSecret)
			if ok && o.Status.ObservedGeneration >= generation && meta.IsStatusConditionTrue(o.Status.Conditions, v1alpha1.ConditionReady) {
				done <- struct{}{}
				return
			}
		}
	}()
	return done, events.Stop, nil
}

// removeAll deletes the objects of namespaces and their Secrets, and waits until they are gone, because deleting takes the API server's time.
func (w *coldWorld) removeAll(b *testing.B, namespaces ...string) {
	b.Helper()
	for _, ns := range namespaces {
		for _, kind := range []schema.GroupVersionKind{v1alpha1.GroupVersion().WithKind(seal.Kind), corev1.SchemeGroupVersion.WithKind("Secret")} {
			list := &metav1.PartialObjectMetadataList{}
			list.SetGroupVersionKind(kind)
			if err := w.kube.List(b.Context(), list, client.InNamespace(ns)); err != nil {
				b.Fatal(err)
			}
			parallel(b, len(list.Items), func(ctx context.Context, i int) error {
				list.Items[i].SetGroupVersionKind(kind)
				return client.IgnoreNotFound(w.kube.Delete(ctx, &list.Items[i]))
			})
		}
	}
}
