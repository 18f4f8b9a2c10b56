package bench_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// audited is how many objects each of the four runs of BenchmarkUnsealRate opens.
const audited = 1500

// BenchmarkUnsealRate opens objects with the audit log and with none, twice each and in turn so that neither has the better machine, and compares the rates.
func BenchmarkUnsealRate(b *testing.B) {
	w := newColdWorld(b)
	without := harness.BuildBinary(b, "./e2e/bench/unaudited")
	starts := map[bool]func() *controller{
		true:  func() *controller { return w.start(b) },
		false: func() *controller { return w.run(b, without) },
	}
	b.ReportMetric(0, "ns/op") // the time of a whole comparison says nothing
	took, spent := map[bool]time.Duration{}, map[bool]time.Duration{}
	var records, commits, committing float64
	for _, log := range []bool{true, false, false, true} {
		ns := w.Namespace(b)
		w.sealedObjects(b, ns, audited)
		start := time.Now()
		run := starts[log]()
		run.until(b, "all are Ready", func(m metrics) bool { return m.sum("waxwing_gitsecrets", `ready="True"`) >= audited })
		if log {
			m := run.metrics(b)
			records, commits = records+m.sum("waxwing_audit_records_total"), commits+m.sum("waxwing_audit_append_duration_seconds_count")
			committing += m.sum("waxwing_audit_append_duration_seconds_sum")
		}
		took[log] += time.Since(start)
		cpuTime, _, _ := cpu(run.PID())
		spent[log] += cpuTime
		run.Kill()
		w.removeAll(b, ns)
	}
	rate := func(log bool) float64 { return 2 * audited / took[log].Seconds() }
	each := func(log bool) time.Duration { return (spent[log] / (2 * audited)).Round(10 * time.Microsecond) }
	fmt.Printf("\n%d GitSecrets of 5 keys and 2 holders, from the start of the process to all Ready, twice each\n", audited)
	fmt.Printf("  %-44s %8.1f objects/s   without an audit log %8.1f/s   ratio %.2f\n", "unseal rate with the audit log", rate(true), rate(false), rate(true)/rate(false))
	fmt.Printf("  %-44s %8s   without an audit log %s\n", "CPU time of the controller an object", each(true), each(false))
	fmt.Printf("  %-44s %8.1f   of %.1f ms\n", "records that became durable together", records/commits, 1000*committing/commits)
}
