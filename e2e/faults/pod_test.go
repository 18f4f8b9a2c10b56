package faults_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// pod is one replica of the controller behind a fault proxy of its own: a process that can be killed and started again with the same audit log, as the pod of a
// StatefulSet with its volume.
type pod struct {
	w          *world
	t          *testing.T
	proxy      *faultproxy.Proxy
	kubeconfig string
	log        string
	health     string
	args       []string
	// most is how many intents without an outcome a killed process may leave.
	most int

	mu        sync.Mutex
	processes []*harness.Process // one after the other
	kills     int
}

// single are the flags of a controller that is alone. Without a Lease to wait for, it is back at once after a kill.
var single = []string{"--leader-elect=false"}

// patient has a leader keep the lead on a busy machine: one that cannot renew ends its process, for the kubelet to start it again, and no kubelet is here.
var patient = []string{"--leader-elect-lease-duration", "15s", "--leader-elect-renew-deadline", "12s"}

func (w *world) pod(args ...string) *pod {
	w.t.Helper()
	p := &pod{w: w, t: w.t, log: audittest.Dir(w.t), health: harness.FreeAddress(w.t), args: args, most: 4} // two workers, and a keyring's step within its load
	p.proxy, p.kubeconfig = w.proxy()
	p.proxy.Add(faultproxy.Fault{Match: w.writesSecret, Before: p.intended})
	w.t.Cleanup(func() {
		for _, r := range p.records() {
			b, err := json.Marshal(r)
			if err != nil {
				w.t.Error(err)
			}
			w.Record(w.t, "audit log", b)
		}
		p.checkLog()
	})
	return p
}

// start starts the process; it does not wait until it is ready.
func (p *pod) start() {
	p.t.Helper()
	path := harness.BuildBinary(p.t, "./cmd/waxwing-controller")
	p.mu.Lock()
	defer p.mu.Unlock() // no request of it comes before it is known
	p.processes = append(p.processes, harness.StartProcess(p.t, harness.Command{
		Path: path,
		Args: append([]string{
			"--kubeconfig", p.kubeconfig, "--namespace", home, "--audit-log", p.log, "--workers", "2",
			"--metrics-bind-address", "0", "--health-bind-address", p.health, "--recipients-bind-address", "0", "--audit-bind-address", "0", "--replica", harness.ReplicaOf(p.log),
		}, p.args...),
	}))
}

// running is the process that was started last.
func (p *pod) running() *harness.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.processes[len(p.processes)-1]
}

// life is the number of the process that runs, or of the next one.
func (p *pod) life() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.processes)
	if n > 0 && p.processes[n-1].Running() {
		return n - 1
	}
	return n
}

// lived gives a process by its number; nil: it was not started yet.
func (p *pod) lived(life int) *harness.Process {
	p.mu.Lock()
	defer p.mu.Unlock()
	if life >= len(p.processes) {
		return nil
	}
	return p.processes[life]
}

// ready starts the process and waits until it is ready.
func (p *pod) ready() {
	p.t.Helper()
	p.start()
	p.running().WaitForHTTP(p.t, "http://"+p.health+"/readyz")
}

// kill is kill -9.
func (p *pod) kill() { p.killProcess(p.running()) }

// killProcess may be called from a hook.
func (p *pod) killProcess(process *harness.Process) {
	p.mu.Lock()
	p.kills++
	p.mu.Unlock()
	process.Kill()
}

// dies waits until the process is gone.
func (p *pod) dies(why string) {
	p.w.t.Helper()
	process := p.running()
	harness.Eventually(p.w.ctx, p.w.t, "the controller is gone: "+why, func(context.Context) error {
		if process.Running() {
			return errors.New("it runs")
		}
		return nil
	})
}

// killer is a fault that kills the process that runs, or the next one where none does, once, before or after a request. A request that is hit while its process
// is being replaced does not kill the one after it, which nobody would start again.
func (p *pod) killer(match func(faultproxy.Request) bool, skip int, after bool) faultproxy.Fault {
	life := p.life()
	hit := func() faultproxy.Verdict { p.killProcess(p.lived(life)); return faultproxy.Cut() }
	f := faultproxy.Fault{Match: func(r faultproxy.Request) bool { return p.lived(life) != nil && match(r) }, Skip: skip, Times: 1}
	if after {
		f.After = func(faultproxy.Request, int) faultproxy.Verdict { return hit() }
	} else {
		f.Before = func(faultproxy.Request) faultproxy.Verdict { return hit() }
	}
	return f
}

// writesSecret chooses what changes Secrets of the test's namespace.
func (w *world) writesSecret(r faultproxy.Request) bool {
	return r.Write() && r.Resource == "secrets" && r.Namespace == w.namespace
}

// intended fails the test where a Secret is about to be written and the audit log has no intent for it that waits for its outcome.
func (p *pod) intended(r faultproxy.Request) faultproxy.Verdict {
	for _, rec := range p.open() {
		if o := rec.Operation; o.Action.Opens() && o.Object.Namespace == r.Namespace && (o.Object.Name == r.Name || r.Name == "") {
			return faultproxy.Pass()
		}
	}
	p.t.Errorf("%s without an intent in the audit log", r)
	return faultproxy.Pass()
}

// records reads the audit log.
func (p *pod) records() []audit.Record { return audittest.Records(p.t, p.log) }

// open are the intents of the present process that have no outcome.
func (p *pod) open() []audit.Record {
	var last []audit.Record
	for _, run := range p.runs() {
		last = audittest.Unfinished(run)
	}
	return last
}

// runs are the records of each process in turn.
func (p *pod) runs() [][]audit.Record {
	var runs [][]audit.Record
	for _, rec := range p.records() {
		if rec.Operation != nil && rec.Operation.Action == audit.ActionLogStarted || len(runs) == 0 {
			runs = append(runs, nil)
		}
		runs[len(runs)-1] = append(runs[len(runs)-1], rec)
	}
	return runs
}

// checkLog holds that intents without an outcome are those of a process that was killed, and no more than it could have been at: its workers and its keyring.
func (p *pod) checkLog() {
	runs := p.runs()
	left := 0
	for i, run := range runs {
		open := audittest.Unfinished(run)
		var names []string
		for _, rec := range open {
			names = append(names, fmt.Sprintf("%s %s", rec.Operation.Action, rec.Operation.Object.Name))
		}
		if len(open) > 0 {
			left++
		}
		if len(open) > p.most {
			p.t.Errorf("process %d of %d left %d intents without an outcome: %s", i+1, len(runs), len(open), strings.Join(names, ", "))
		}
	}
	if left > p.kills+1 { // the last one may be stopped while it looks
		p.t.Errorf("%d processes left intents without an outcome, and %d were killed", left, p.kills)
	}
}

// intents counts the times that an object was to be opened.
func (p *pod) intents(name string) int {
	n := 0
	for _, rec := range p.records() {
		if o := rec.Operation; rec.Phase == audit.PhaseIntent && o.Action.Opens() && o.Object.Namespace == p.w.namespace && o.Object.Name == name {
			n++
		}
	}
	return n
}
