package controller

import (
	"crypto/rand"
	"log/slog"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/process"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/keyring"
)

// TestMetricsAreNamedAndDocumented holds the metrics against Prometheus' own rules of names and help texts, and against the table of docs/api.md, both ways.
// The client is a fake because only the names count here; e2e reads the numbers from a real controller.
func TestMetricsAreNamedAndDocumented(t *testing.T) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	kr := &v1alpha1.Keyring{Status: v1alpha1.KeyringStatus{
		ActiveKey: "a", Keys: []v1alpha1.KeyStatus{{ID: "a", State: "Active", Activated: &metav1.Time{Time: keyringNoon()}}}, NextRotation: &metav1.Time{Time: keyringNoon()},
	}}
	kr.Name = "default"
	reg := prometheus.NewPedanticRegistry()
	objects := fake.NewClientBuilder().WithScheme(scheme).WithObjects(kr).Build()
	if _, err := newMetrics(reg, objects, newMarkStore(objects, objects, "home", time.Now, slog.New(slog.DiscardHandler))); err != nil {
		t.Fatal(err)
	}
	if err := newRotations(reg, objects, time.Now); err != nil {
		t.Fatal(err)
	}
	live := &keyring.Live{}
	live.Store(keyring.NewRing([]keyring.Part{{Keyring: "default", Keys: []keyring.Key{{Keyring: "default", ID: "a"}}}}, nil))
	if err := reg.Register(newUsesCollector(&uses{last: keyring.Uses{Keys: map[string]keyring.KeyUses{"a": {Objects: 1}}}}, live)); err != nil {
		t.Fatal(err)
	}
	if err := newOfferLane(Config{}, newOffers(), live, nil).register(reg); err != nil {
		t.Fatal(err)
	}
	gauges, err := newConditionMetrics(reg, Config{Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	gauges.reachable("prod", true)
	auditStore := tiles.New(audittest.Config(t, t.TempDir()))
	_, counters, closeLog := process.Open(process.Config{Store: auditStore, Status: auditStore.Status, Replica: "a", Now: time.Now, Rand: rand.Reader})
	defer func() {
		if err := closeLog(); err != nil {
			t.Error(err)
		}
	}()
	if err := counters.Register(reg); err != nil {
		t.Fatal(err)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	problems, err := promlint.NewWithMetricFamilies(families).Lint()
	if err != nil || len(problems) > 0 {
		t.Errorf("%+v, %v", problems, err)
	}
	var want []string
	for _, f := range families {
		kind := map[dto.MetricType]string{dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram"}[f.GetType()]
		want = append(want, f.GetName()+" "+kind)
	}
	b, err := os.ReadFile("../docs/api.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	row := regexp.MustCompile("^\\| `(waxwing_[a-z_]+)` \\| ([a-z]+) \\|")
	for line := range strings.Lines(string(b)) {
		if m := row.FindStringSubmatch(line); m != nil && !strings.HasPrefix(m[1], "waxwing_agent_") { // those are held by package agent
			listed = append(listed, m[1]+" "+m[2])
		}
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(listed))); diff != "" {
		t.Errorf("the metrics (-) and the table (+) differ: %s", diff)
	}
}
