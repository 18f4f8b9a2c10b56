package bench_test

import (
	"fmt"
	"os"
	"testing"
	"time"
)

// settled is how long it is waited for what may still come of a sync.
const settled = 3 * time.Second

// BenchmarkAgentSync has the agent, as it ships, apply a repository of 10,000 objects for the first time, and then one in which a single file has changed. No controller runs. Beside it, in the
// same control plane, stands a plain client that reads as many files and makes a server-side apply of each, as kubectl does, with as many workers: for the first time, and where one file has changed.
// It holds that the single file costs one write of a GitSecret.
func BenchmarkAgentSync(b *testing.B) {
	w := newAgentWorld(b)
	b.ReportMetric(0, "ns/op") // the time of a whole comparison says nothing
	all := sizes()
	n := all[len(all)-1]
	ours, theirs := w.repository(b, "ours", w.team, n), w.repository(b, "theirs", w.plain, n)
	run, plain := w.startAgent(b), w.applier(b)

	// Half of the plain client's before, and half after, so that what else the machine does, and a fuller store, meet both.
	var mine, other spending
	other.add(w.spend(b, os.Getpid(), func() { plain.folder(b, theirs.Work, 0, n/2) }))
	synced := w.applied(b, ours.Head("main"))
	mine.add(w.spend(b, run.PID(), func() { w.follow(b, ours); synced() }))
	peak, fetched := run.memory(b, "VmHWM"), run.metrics(b).sum("waxwing_agent_fetch_duration_seconds_sum")
	other.add(w.spend(b, os.Getpid(), func() { plain.folder(b, theirs.Work, n/2, n) }))
	fmt.Printf("\nThe first sync of %d objects of 5 keys and 2 holders, from the SecretSync's making until its status says so; %d workers, audit log on (aim: a ratio of 0.7)\n", n, coldWorkers)
	mine.print(n, other, fmt.Sprintf("of %s, %.2f s to fetch and read; peak resident memory %.0f MiB", round(mine.took), fetched, peak))

	time.Sleep(settled)
	w.changed(b, theirs, w.plain, n/2, "a value that is new, to the client")
	commit := w.changed(b, ours, w.team, n/2, "a value that is new, to the agent")
	synced = w.applied(b, commit)
	before := w.served(b)
	one := w.spend(b, run.PID(), func() { w.push(b, ours); synced() })
	// What comes of it later counts, too; the time does not.
	one.add(spending{process: w.spend(b, run.PID(), func() { time.Sleep(settled) }).process})
	after := w.served(b)
	again := w.spend(b, os.Getpid(), func() { plain.folder(b, theirs.Work, 0, n) })
	last := w.served(b)
	w.end(b, run)
	report(b, fmt.Sprintf("One of %d files changed, from the webhook until the status of the SecretSync says so", n),
		row{what: "time", ours: one.took, baseline: "a server-side apply of all files, 16 at a time", theirs: again.took},
		row{what: "CPU time, with the control plane", ours: one.process + one.cluster, baseline: "a server-side apply of all files, 16 at a time", theirs: again.process + again.cluster},
		row{what: "CPU time without it", ours: one.process, baseline: "a server-side apply of all files, 16 at a time", theirs: again.process})
	fmt.Printf("  %-32s %s\n  %-32s %s\n", "writes of the agent", after.writesSince(before), "writes of the plain client", last.writesSince(after))
	if writes := after.writes("gitsecrets") - before.writes("gitsecrets"); writes != 1 {
		b.Fatalf("one changed file has cost %.0f writes of GitSecrets", writes)
	}
}

// spending is what something has cost.
type spending struct{ took, process, cluster time.Duration }

func (s *spending) add(more spending) {
	s.took, s.process, s.cluster = s.took+more.took, s.process+more.process, s.cluster+more.cluster
}

// spend measures a process, and the control plane, while something is done.
func (w *agentWorld) spend(b *testing.B, pid int, do func()) (s spending) {
	b.Helper()
	process, _, _ := cpu(pid)
	cluster, start := clusterCPU(b), time.Now()
	do()
	s.took = time.Since(start)
	s.process, _, _ = cpu(pid)
	s.process, s.cluster = s.process-process, clusterCPU(b)-cluster
	return s
}

// print compares what n objects have cost with what as many have cost a plain client.
func (s spending) print(n int, plain spending, more string) {
	rate := func(took time.Duration) float64 { return float64(n) / took.Seconds() }
	each := func(d time.Duration) time.Duration { return (d / time.Duration(n)).Round(10 * time.Microsecond) }
	fmt.Printf("  %-32s %8.1f objects/s   plain client, a server-side apply of each file %8.1f/s   ratio %.2f\n", "rate", rate(s.took), rate(plain.took), rate(s.took)/rate(plain.took))
	fmt.Printf("  %-32s %8s + control plane %s   plain client %s + control plane %s   ratio %.2f\n", "CPU time an object",
		each(s.process), each(s.cluster), each(plain.process), each(plain.cluster), float64(plain.process+plain.cluster)/float64(s.process+s.cluster))
	fmt.Printf("  %s\n", more)
}
