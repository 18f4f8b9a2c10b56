package agent

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/settings"
)

// TestTheMetricsAreInTheirTable holds the metrics against the table of docs/api.md, both ways.
func TestTheMetricsAreInTheirTable(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	none, err := settings.OpenFile("")
	if err != nil {
		t.Fatal(err)
	}
	m, err := newMetrics(reg, none, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: "team", Name: "infra"}
	for _, g := range []*prometheus.GaugeVec{m.ready, m.last, m.objects, m.refusals} {
		g.WithLabelValues(key.Namespace, key.Name)
	}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	// Without a configuration there are no credentials to tell of.
	want := []string{"waxwing_agent_credentials_readable gauge", "waxwing_agent_credentials_expiry_timestamp_seconds gauge"}
	for _, f := range families {
		kind := map[dto.MetricType]string{dto.MetricType_COUNTER: "counter", dto.MetricType_GAUGE: "gauge", dto.MetricType_HISTOGRAM: "histogram"}[f.GetType()]
		want = append(want, f.GetName()+" "+kind)
	}
	var listed []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(waxwing_agent_[a-z_]+)` \\| ([a-z]+) \\|").FindAllStringSubmatch(text(t, "../docs/api.md"), -1) {
		listed = append(listed, m[1]+" "+m[2])
	}
	if diff := cmp.Diff(slices.Sorted(slices.Values(want)), slices.Sorted(slices.Values(listed))); diff != "" {
		t.Errorf("the metrics (-) and the table (+) differ: %s", diff)
	}
	for _, m := range regexp.MustCompile(`waxwing_agent_[a-z_]+`).FindAllString(text(t, "../docs/agent.md")+text(t, "../docs/bootstrap.md")+text(t, "../docs/architecture.md"), -1) {
		if !slices.ContainsFunc(want, func(w string) bool { return strings.HasPrefix(w, m+" ") }) {
			t.Errorf("the pages tell of %s, which there is not", m)
		}
	}
}

// TestEveryReasonSaysWhatToDo holds that a reason which somebody may see is in the table of docs/agent.md that says what to do.
func TestEveryReasonSaysWhatToDo(t *testing.T) {
	_, table, found := strings.Cut(text(t, "../docs/agent.md"), "\n## When something is wrong\n")
	if !found {
		t.Fatal("docs/agent.md has no such part")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	// What Refused, Rewritten and CheckpointsRefused say is told with the files, by HistoryRewritten, and in their message.
	told := []string{NotTaken, NoDescendant, NotGrown}
	constant := regexp.MustCompile(`(?m)^\t[A-Z][A-Za-z]+ +(?:Reason +)?= "([A-Za-z]+)"`)
	n := 0
	for _, file := range []string{"reasons.go", "source/source.go"} {
		for _, m := range constant.FindAllStringSubmatch(text(t, file), -1) {
			if n++; !slices.Contains(told, m[1]) && !strings.Contains(table, "`"+m[1]+"`") {
				t.Errorf("the table does not say what to do about %s", m[1])
			}
		}
	}
	if n < 25 {
		t.Errorf("only %d reasons were found", n)
	}
}

func text(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
