// Package bench_test prints what Waxwing costs beside a named baseline that is measured in the same run: `make bench`.
//
// Every row is a median with the ratio baseline/Waxwing: above 1 Waxwing is cheaper. Nothing here passes or fails on a duration.
package bench_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard()) // or controller-runtime complains that there is none
	klog.SetLogger(logr.Discard())
	harness.Main(m)
}

// row is one figure with its baseline, in the same unit.
type row struct {
	what, baseline string
	ours, theirs   time.Duration
}

func report(b *testing.B, title string, rows ...row) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // the time of a whole comparison says nothing
	fmt.Printf("\n%s\n", title)
	for _, r := range rows {
		fmt.Printf("  %-32s %10s   %-50s %10s   ratio %6.2f\n", r.what, round(r.ours), r.baseline, round(r.theirs), float64(r.theirs)/float64(r.ours))
	}
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func tool(b *testing.B, name string) string {
	b.Helper()
	path, err := harness.Tool(b.Context(), name)
	if err != nil {
		b.Fatal(err)
	}
	return path
}
