package faults_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

func leases(r faultproxy.Request) bool { return r.Resource == "leases" }

// writesMore chooses what only the leader may do.
func writesMore(r faultproxy.Request) bool { return r.Write() && !leases(r) && !ofOwnLog(r) }

// ofOwnLog chooses the key and the anchor of the replica's own audit log, which it has whether it leads or not.
func ofOwnLog(r faultproxy.Request) bool {
	return r.Namespace == home && strings.HasPrefix(r.Name, "waxwing-audit-")
}

// pair starts a leader that is patient, and then a second replica that asks for the lead in vain.
func (w *world) pair() (leader, standby *pod) {
	w.t.Helper()
	return w.pairWith(patient...)
}

func (w *world) pairWith(args ...string) (leader, standby *pod) {
	w.t.Helper()
	leader, standby = w.pod(args...), w.pod(args...)
	leader.ready()
	standby.start()
	harness.Eventually(w.ctx, w.t, "the second replica asks for the lead", func(context.Context) error {
		if standby.proxy.Count(leases) < 2 {
			return errors.New("it has not asked twice")
		}
		return nil
	})
	return leader, standby
}

// lead is who has the lead, and how often it has changed hands.
func (w *world) lead() (holder string, transitions int32) {
	w.t.Helper()
	lease := &coordinationv1.Lease{}
	if err := w.Get(w.ctx, types.NamespacedName{Namespace: home, Name: "waxwing-controller"}, lease); err != nil {
		w.t.Fatal(err)
	}
	if lease.Spec.HolderIdentity != nil {
		holder = *lease.Spec.HolderIdentity
	}
	if lease.Spec.LeaseTransitions != nil {
		transitions = *lease.Spec.LeaseTransitions
	}
	return holder, transitions
}

// takesOver waits until another than holder has the lead.
func (w *world) takesOver(holder string) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, "another replica leads", func(context.Context) error {
		if now, _ := w.lead(); now == "" || now == holder {
			return fmt.Errorf("%q leads", now)
		}
		return nil
	})
}

// TestACrashedLeaderIsReplaced kills the leader with the flags' defaults. How long that took is only logged: it is the lease's duration and a try.
func TestACrashedLeaderIsReplaced(t *testing.T) {
	w := newWorld(t)
	first, second := w.pairWith()
	w.create(w.sealed(w.holder(), "db", 1, "user"))
	w.settle("db", unsealed(1, "user"))
	if n := second.proxy.Count(writesMore); n != 0 {
		t.Errorf("the replica that waits wrote %d times", n)
	}
	h := w.record()
	was, transitions := w.lead()
	next := w.sealed(w.holder(), "db", 2, "user", "more")
	first.kill()
	killed := time.Now()
	w.apply(next)
	w.settle("db", unsealed(2, "user", "more"))
	t.Logf("after the kill of the leader, what changed then was in its Secret within %s", time.Since(killed).Round(10*time.Millisecond))
	if now, changed := w.lead(); now == was || changed != transitions+1 {
		t.Errorf("%s leads, who led before; the lead changed hands %d times", now, changed-transitions)
	}
	acquired := second.proxy.Records(func(r faultproxy.Request) bool { return leases(r) && r.Verb == "update" })
	wrote := second.proxy.Records(writesMore)
	if len(acquired) == 0 || len(wrote) == 0 || acquired[0].Number > wrote[0].Number {
		t.Errorf("the new leader wrote before it led: %d updates of the Lease, %d writes", len(acquired), len(wrote))
	}
	if n := second.intents("db"); n != 1 {
		t.Errorf("the new leader opened the object %d times", n)
	}
	h.check()
}

// TestAPausedLeaderWritesNothingLate stops the leader while a write of its is under way, lets another write newer versions, and only then lets the old write
// arrive and the old leader go on.
func TestAPausedLeaderWritesNothingLate(t *testing.T) {
	w := newWorld(t)
	first, second := w.pair()
	w.late(first, second, func(r faultproxy.Request) bool { return w.writesSecret(r) && r.Name == "db" })
	w.settle("db", unsealed(3, "user", "more", "most"))
}

// late has the first write of version 2 that matches arrive after version 3 is there, from a leader that is stopped meanwhile.
func (w *world) late(first, second *pod, match func(faultproxy.Request) bool) {
	w.t.Helper()
	w.create(w.sealed(w.holder(), "db", 1, "user"))
	w.settle("db", unsealed(1, "user"))
	h := w.record()
	was, _ := w.lead()
	paused, held, arrived := make(chan struct{}), make(chan struct{}), make(chan int, 1)
	release := sync.OnceFunc(func() { close(held) })
	w.t.Cleanup(release) // a failure in between must not hold the write for ever
	first.proxy.Add(faultproxy.Fault{Match: match, Times: 1,
		Before: func(faultproxy.Request) faultproxy.Verdict {
			first.running().Signal(w.t, syscall.SIGSTOP)
			close(paused)
			<-held
			return faultproxy.Pass()
		},
		After: func(_ faultproxy.Request, code int) faultproxy.Verdict { arrived <- code; return faultproxy.Pass() },
	})
	w.apply(w.sealed(w.holder(), "db", 2, "user", "more"))
	select {
	case <-paused:
	case <-time.After(time.Minute):
		release()
		w.t.Fatal("the leader never made the write")
	}
	w.takesOver(was)
	w.settle("db", unsealed(2, "user", "more"))
	w.apply(w.sealed(w.holder(), "db", 3, "user", "more", "most"))
	w.settle("db", unsealed(3, "user", "more", "most"))
	release()
	if code := <-arrived; code != http.StatusConflict {
		w.t.Errorf("the late write was answered %d", code)
	}
	first.running().Signal(w.t, syscall.SIGCONT)
	first.dies("it has lost the lead")
	if n := second.intents("db"); n != 2 {
		w.t.Errorf("the new leader opened the object %d times, for two versions", n)
	}
	h.check()
}

// TestALeaderThatIsCutOffEnds cuts the leader off from the API server. It must end, as it cannot know who leads, and be of use again afterwards.
func TestALeaderThatIsCutOffEnds(t *testing.T) {
	w := newWorld(t)
	first, second := w.pair()
	was, _ := w.lead()
	h := w.record()
	first.proxy.Down()
	w.create(w.sealed(w.holder(), "db", 1, "user"))
	first.dies("it cannot renew its lease")
	if state := first.running().State(); state != "exit status 1" {
		t.Errorf("it ended with %s", state)
	}
	w.takesOver(was)
	w.settle("db", unsealed(1, "user"))
	first.proxy.Up()
	before, asked := first.proxy.Count(writesMore), first.proxy.Count(leases)
	first.start()
	harness.Eventually(w.ctx, t, "it is there again", func(context.Context) error {
		if first.proxy.Count(leases) < asked+2 {
			return errors.New("it has not asked for the lead twice")
		}
		return nil
	})
	w.apply(w.sealed(w.holder(), "db", 2, "user"))
	w.settle("db", unsealed(2, "user"))
	if n := first.proxy.Count(writesMore) - before; n != 0 {
		t.Errorf("the replica that waits wrote %d times", n)
	}
	second.kill()
	w.apply(w.sealed(w.holder(), "db", 3, "user"))
	w.settle("db", unsealed(3, "user"))
	h.check()
}
