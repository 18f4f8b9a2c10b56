package e2e_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// tally counts the requests that name a namespace, which are those about single objects in it.
type tally struct {
	in string

	mu     sync.Mutex
	counts map[string]int // by method and resource
}

func (y *tally) holds(r *http.Request) bool {
	_, path, ok := strings.Cut(r.URL.Path, "/namespaces/"+y.in+"/")
	if !ok {
		return false
	}
	parts := strings.Split(path, "/")
	what := r.Method + " " + parts[0]
	if len(parts) > 2 {
		what += "/" + parts[2]
	}
	y.mu.Lock()
	defer y.mu.Unlock()
	y.counts[what]++
	return false
}

// total gives the sum since the last call, and what it is made of.
func (y *tally) total() (n int, text string) {
	y.mu.Lock()
	defer y.mu.Unlock()
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(y.counts)) {
		n += y.counts[what]
		parts = append(parts, fmt.Sprintf("%d %s", y.counts[what], what))
	}
	clear(y.counts)
	return n, strings.Join(parts, ", ")
}

// looks is how often the controller has looked at a GitSecret.
func (r *replica) looks() (n int) {
	body, err := get("http://" + r.metrics + "/metrics")
	if err != nil {
		return 0
	}
	for _, m := range regexp.MustCompile(`(?m)^controller_runtime_reconcile_total\{controller="gitsecret",result="\w+"\} (\d+)`).FindAllSubmatch(body, -1) {
		k, _ := strconv.Atoi(string(m[1]))
		n += k
	}
	return n
}

// loadedAfter is how long after the start of its term the controller had loaded the keys of keyring default for the first time.
func (r *replica) loadedAfter(t *testing.T) time.Duration {
	t.Helper()
	var began time.Time
	loads := map[string]bool{}
	for _, rec := range r.records(t) {
		switch {
		case rec.Operation != nil && rec.Operation.Action == audit.ActionTermBegan:
			began = rec.Time
		case rec.Phase == audit.PhaseIntent && rec.Operation.Action == audit.ActionKeyLoad && rec.Operation.Object.Name == "default":
			loads[rec.ID] = true
		case rec.Phase == audit.PhaseOutcome && loads[rec.ID] && rec.Outcome.OK && !began.IsZero():
			return rec.Time.Sub(began)
		}
	}
	t.Fatal("its keys were not loaded")
	return 0
}

// TestStartsAskLittleOfTheAPIServer holds what a start costs: two requests for each object that has to be opened, and none for one that is well.
func TestStartsAskLittleOfTheAPIServer(t *testing.T) {
	w := newWorld(t)
	first := w.controller(t)
	w.holder(t)
	first.Kill()
	const n = 100
	for i := range n {
		w.create(t, w.sealed(t, fmt.Sprintf("s%02d", i), "user", "password"))
	}
	// A start has no events for what was there before it, and that is told by seconds.
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(time.Second)))
	y := &tally{in: w.namespace, counts: map[string]int{}}
	g := w.gate(t, y.holds)

	cold := w.controllerBehind(t, g)
	ready := regexp.MustCompile(`(?m)^waxwing_unseal_total\{reason="Unsealed"\} ` + strconv.Itoa(n) + `$`)
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Minute) // a slow machine is no failure
	defer cancel()
	until(ctx, t, "all are opened", func() bool {
		body, err := get("http://" + cold.metrics + "/metrics")
		return err == nil && ready.Match(body)
	})
	for i := range n {
		w.seen(t, fmt.Sprintf("s%02d", i))
	}
	most := 2.1 * n
	if cold.loadedAfter(t) > 4*time.Second {
		most += n // objects do not wait as long as that for the first keyring, and are told so with a request each
	}
	if got, what := y.total(); float64(got) > most {
		t.Errorf("%d requests for %d objects, more than %g: %s", got, n, most, what)
	}
	cold.Kill()
	y.total()

	again := w.controllerBehind(t, g)
	until(ctx, t, "all are looked at", func() bool { return again.looks() >= n })
	again.ready(t)
	if got, what := y.total(); got > 0 {
		t.Errorf("%d requests for objects that are well: %s", got, what)
	}
	for _, rec := range again.records(t) {
		if rec.Operation != nil && rec.Operation.Action.Opens() {
			t.Errorf("%s was opened again", rec.Operation.Object.Name)
		}
	}
}

// TestNewObjectsOvertakeTheBacklogOfAStart holds up both workers at a start, makes an object meanwhile, and holds that it is the next.
func TestNewObjectsOvertakeTheBacklogOfAStart(t *testing.T) {
	w := newWorld(t)
	w.earlierTestsAreGone(t)
	first := w.controller(t)
	w.create(t, w.sealed(t, "before", "user")) // the controller makes its MAC key with the first that it opens
	w.seen(t, "before")
	first.Kill()
	const n, workers = 30, 2
	for i := range n {
		w.create(t, w.sealed(t, fmt.Sprintf("old%02d", i), "user"))
	}
	g := w.gate(t, w.makesSecrets)
	g.close()
	ctl := w.controllerBehind(t, g)
	intents := func() (names []string) {
		for _, rec := range ctl.records(t) {
			if rec.Phase == audit.PhaseIntent && rec.Operation.Action.Opens() && rec.Operation.Object.Namespace == w.namespace {
				names = append(names, rec.Operation.Object.Name)
			}
		}
		return names
	}
	ctl.ready(t)
	until(w.ctx, t, "all workers are busy", func() bool { return len(intents()) == workers })
	// Besides the backlog, what earlier tests have left may change: only what comes from here on is counted.
	before := -1
	until(w.ctx, t, "nothing else comes", func() bool {
		was := before
		before = ctl.waiting(t)
		return was == before
	})
	w.create(t, w.sealed(t, "new", "user"))
	until(w.ctx, t, "the new object waits", func() bool { return ctl.waiting(t) > before })
	g.open()
	w.seen(t, "new")
	w.seen(t, fmt.Sprintf("old%02d", n-1))
	// The other worker may take one more in the moment in which the first takes the new object.
	if all := intents(); slices.Index(all, "new") >= 2*workers {
		t.Errorf("it was looked at after %d others", slices.Index(all, "new"))
	}
}

// earlierTestsAreGone waits until no namespace of a test is being deleted: each of its objects is news.
func (w *world) earlierTestsAreGone(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(w.ctx, 5*time.Minute) // a slow machine is no failure
	defer cancel()
	harness.Eventually(ctx, t, "the namespaces of earlier tests are gone", func(ctx context.Context) error {
		var all corev1.NamespaceList
		if err := w.List(ctx, &all); err != nil {
			return err
		}
		for _, ns := range all.Items {
			if ns.DeletionTimestamp != nil && strings.HasPrefix(ns.Name, "e2e-") {
				return fmt.Errorf("%s is not", ns.Name)
			}
		}
		return nil
	})
}

// waiting is how many objects wait with the priority of what is new.
func (r *replica) waiting(t *testing.T) int {
	t.Helper()
	body, err := get("http://" + r.metrics + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^workqueue_depth\{controller="gitsecret",name="gitsecret",priority="0"\} (\d+)$`).FindSubmatch(body)
	if m == nil {
		return 0
	}
	n, err := strconv.Atoi(string(m[1]))
	if err != nil {
		t.Fatal(err)
	}
	return n
}
