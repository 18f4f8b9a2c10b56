package bench_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/fields"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

// pushes is how many objects are changed one by one: 500, or WAXWING_BENCH_PUSHES.
func pushes() int {
	if n, err := strconv.Atoi(os.Getenv("WAXWING_BENCH_PUSHES")); err == nil && n > 0 {
		return n
	}
	return 500
}

// BenchmarkAgentPush changes the objects of a repository one by one, and measures from the end of each push until the Secret has the new value: a signed webhook to the agent, which fetches by HTTP
// and applies, and the controller, which opens. Beside it, in turn, stands a plain client for another repository and namespace, with the same controller: git fetch, git diff and git show of
// the file that has changed, and one server-side apply of it. Audit logs are on.
func BenchmarkAgentPush(b *testing.B) {
	w := newAgentWorld(b)
	b.ReportMetric(0, "ns/op") // the time of a whole comparison says nothing
	n := pushes()
	ours, theirs := w.repository(b, "ours", w.team, n), w.repository(b, "theirs", w.plain, n)
	ctl := w.start(b)
	agent := w.startAgent(b)
	synced := w.applied(b, ours.Head("main"))
	w.follow(b, ours)
	synced()
	plain := w.plainClone(b, theirs)
	plain.folder(b, theirs.Work, 0, n)
	w.opened(b, w.team, n)
	w.opened(b, w.plain, n)

	before, beganCPU := w.served(b), agent.spent()
	var mine, other []time.Duration
	for i := range n {
		value := fmt.Sprintf("a value that is new, number %06d", i)
		mine = append(mine, w.timePush(b, ours, w.team, i, value, func() { w.push(b, ours) }))
		other = append(other, w.timePush(b, theirs, w.plain, i, value, func() { plain.pull(b) }))
	}
	spent, requests := agent.spent()-beganCPU, w.served(b)
	peak, looks := agent.memory(b, "VmHWM"), agent.metrics(b).sum("controller_runtime_reconcile_total", `controller="secretsync"`)
	w.end(b, agent, ctl)

	report(b, fmt.Sprintf("%d of %d objects changed in Git one by one, from the end of the push until the Secret has the value (aim: p99 2 s)", n, n),
		row{what: "webhook to the agent, p50", ours: quantile(mine, 0.5), baseline: "git fetch, diff, show, one server-side apply", theirs: quantile(other, 0.5)},
		row{what: "webhook to the agent, p99", ours: quantile(mine, 0.99), baseline: "git fetch, diff, show, one server-side apply", theirs: quantile(other, 0.99)},
		row{what: "webhook to the agent, slowest", ours: slices.Max(mine), baseline: "git fetch, diff, show, one server-side apply", theirs: slices.Max(other)})
	fmt.Printf("  %-32s %10s; %.2f looks; peak resident memory %.0f MiB\n", "the agent's CPU time a push", (spent / time.Duration(n)).Round(10*time.Microsecond),
		looks/float64(n), peak)
	fmt.Printf("  %-32s %s\n", "writes of both, and the controller", requests.writesSince(before))
}

// spent is the CPU time of a process so far.
func (c *controller) spent() time.Duration {
	spent, _, _ := cpu(c.PID())
	return spent
}

// opened waits until n objects of a namespace have their Secrets.
func (w *agentWorld) opened(b *testing.B, ns string, n int) {
	b.Helper()
	harness.Eventually(b.Context(), b, fmt.Sprintf("%d Secrets are there", n), func(context.Context) error {
		if have := len(w.secretVersions(b, ns)); have != n {
			return fmt.Errorf("there are %d", have)
		}
		return nil
	})
}

// timePush changes an object, pushes, and has what follows told of it.
func (w *agentWorld) timePush(b *testing.B, repo *githttp.Repo, ns string, i int, value string, tell func()) time.Duration {
	b.Helper()
	has := w.hasValue(b, ns, objectName(i), value)
	w.changed(b, repo, ns, i, value)
	start := time.Now()
	tell()
	has()
	return time.Since(start)
}

// hasValue watches a Secret; the function that it gives returns when it has the value.
func (w *agentWorld) hasValue(b *testing.B, ns, name, value string) func() {
	b.Helper()
	watcher, err := client.NewWithWatch(w.Config(), client.Options{Scheme: w.kube.Scheme()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
	events, err := watcher.Watch(ctx, &corev1.SecretList{}, client.InNamespace(ns), client.MatchingFieldsSelector{Selector: fields.OneTermEqualSelector("metadata.name", name)})
	if err != nil {
		cancel()
		b.Fatal(err)
	}
	return func() {
		defer cancel()
		defer events.Stop()
		for e := range events.ResultChan() {
			if o, ok := e.Object.(*corev1.Secret); ok && string(o.Data["key0"]) == value {
				return
			}
		}
		b.Fatalf("Secret %s/%s has not got its new value", ns, name)
	}
}

// plainClone is a clone of a repository, and who applies what is new in it.
type plainClone struct {
	applier
	dir string
}

func (w *agentWorld) plainClone(b *testing.B, repo *githttp.Repo) *plainClone {
	b.Helper()
	p := &plainClone{w.applier(b), filepath.Join(b.TempDir(), "clone.git")}
	p.run(b, "clone", "--quiet", "--bare", repo.URL, p.dir)
	return p
}

func (p *plainClone) run(b *testing.B, args ...string) []byte {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), "git", args...)
	cmd.Env = append(os.Environ(), "GIT_CONFIG_GLOBAL="+os.DevNull, "GIT_CONFIG_NOSYSTEM=1")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		b.Fatal(errors.Join(err, errors.New(said.String())))
	}
	return out
}

// pull applies what has changed.
func (p *plainClone) pull(b *testing.B) {
	b.Helper()
	p.run(b, "-C", p.dir, "-c", "gc.auto=0", "-c", "maintenance.auto=false", "fetch", "--quiet", "origin", "main")
	for path := range bytes.Lines(p.run(b, "-C", p.dir, "diff", "--name-only", "main", "FETCH_HEAD")) {
		text := p.run(b, "-C", p.dir, "show", "FETCH_HEAD:"+string(bytes.TrimSpace(path)))
		if err := p.apply(b.Context(), text); err != nil {
			b.Fatal(err)
		}
	}
	p.run(b, "-C", p.dir, "update-ref", "refs/heads/main", "FETCH_HEAD")
}
