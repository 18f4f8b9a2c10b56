package faults_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestTheAPIServerIsAway stops the API server and etcd under a controller that works, and starts them again: for two seconds, or for as long as
// WAXWING_FAULTS_OUTAGE says. The process lives through it, asks no more than a few times a second, and goes on with what it had begun.
func TestTheAPIServerIsAway(t *testing.T) {
	away := outage(t)
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	process := p.running()
	// One for each of the two workers, so that some objects are done, two are under way and the others wait, however fast the controller is.
	begun := []string{createSecret + " " + w.namespace + "/db-3", writeStatus + " " + w.namespace + "/db-6"}
	held, release := p.holdWrites(begun)
	objects := map[string]want{}
	for i := range 10 {
		name := fmt.Sprintf("db-%d", i)
		w.create(w.sealed(holder, name, 1, "user"))
		objects[name] = unsealed(1, "user")
	}
	held()
	asked := 0
	w.WhileStopped(t, func(string) {
		before := p.proxy.Count(nil)
		release()
		time.Sleep(away) // that is the fault
		asked = p.proxy.Count(nil) - before
	})
	if most := 20*int(away.Seconds()) + 60; asked > most {
		t.Errorf("%d requests in an outage of %s", asked, away)
	}
	t.Logf("%d requests in an outage of %s", asked, away)
	for _, write := range begun {
		if first := p.proxy.Records(isWrite(write))[0]; first.Code != 0 {
			t.Errorf("%s was to be lost, and was answered %d", write, first.Code)
		}
	}
	w.settlesLate(objects)
	for name := range objects {
		w.apply(w.sealed(holder, name, 2, "user", "more"))
		objects[name] = unsealed(2, "user", "more")
	}
	w.settlesLate(objects)
	if !process.Running() || p.running() != process {
		t.Error("the controller ended")
	}
	for name, n := range w.said() {
		// Unsealed, and perhaps that it failed between the two.
		if n > 3 {
			t.Errorf("%d events about %s", n, name)
		}
	}
}

// holdWrites keeps these writes of the controller in the proxy until release is called; held waits until each of them is there.
func (p *pod) holdWrites(writes []string) (held, release func()) {
	over := make(chan struct{})
	release = sync.OnceFunc(func() { close(over) })
	p.w.t.Cleanup(release) // requests that wait would keep the proxy from closing
	var faults []*faultproxy.Active
	for _, write := range writes {
		faults = append(faults, p.proxy.Add(faultproxy.Fault{
			Match:  isWrite(write),
			Before: func(faultproxy.Request) faultproxy.Verdict { <-over; return faultproxy.Pass() },
		}))
	}
	held = func() {
		p.w.t.Helper()
		for i, f := range faults {
			harness.Eventually(p.w.ctx, p.w.t, "the controller is at "+writes[i], func(context.Context) error {
				if f.Hits() == 0 {
					return errors.New("it is not")
				}
				return nil
			})
		}
	}
	return held, release
}

// isWrite chooses a write by its kind and its object.
func isWrite(write string) func(faultproxy.Request) bool {
	return func(r faultproxy.Request) bool { return r.String() == write }
}

// TestEtcdIsRestoredFromABackup puts an older state of etcd back under a controller that runs. Resource versions go back, which watches do not notice: an API
// server sends nothing below the version that a watch has seen. What the API server then has counts, and what comes from Git after that must win; but a version that
// the controller has opened after the backup is remembered beyond it, so none that is older than that one is opened where a keyring refuses to go back.
func TestEtcdIsRestoredFromABackup(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	w.rule(deny)
	process := p.running()
	holder := w.holder()
	changed, fresh := &stage{world: w, name: "changed", holder: holder}, &stage{world: w, name: "new", holder: holder}
	changed.put(1)
	w.create(w.sealed(holder, "deleted", 1, "user"))
	w.create(w.sealed(holder, "untouched", 1, "user"))
	for _, name := range []string{"changed", "deleted", "untouched"} {
		w.settle(name, unsealed(1, "user"))
	}
	p.marksRest() // so that few are behind the backup: at its end the controller has no time for many
	backup := filepath.Join(t.TempDir(), "etcd")
	w.WhileStopped(t, func(etcd string) {
		if err := os.CopyFS(backup, os.DirFS(etcd)); err != nil {
			t.Fatal(err)
		}
	})
	for _, s := range []*stage{changed, fresh} {
		for _, version := range []int{2, 3} {
			s.put(version)
			s.settle(s.name, unsealed(version, "user"))
		}
	}
	if err := w.Delete(w.ctx, &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "deleted"}}); err != nil {
		t.Fatal(err)
	}
	w.onlySecrets("changed", "new", "untouched")
	w.ages()
	p.looksForARewind()
	w.WhileStopped(t, func(etcd string) {
		if err := os.RemoveAll(etcd); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(etcd, os.DirFS(backup)); err != nil {
			t.Fatal(err)
		}
	})
	p.dies("its caches are of a state that is no more")
	if said := process.Output(); !strings.Contains(said, "has gone back from resource version") || !strings.Contains(said, `"hint":"it begins anew`) {
		t.Error("it does not say why, and what to do")
	}
	changed.holdsMark("changed", newest(changed.versions[3]))
	fresh.holdsMark("new", newest(fresh.versions[3]))
	p.start() // as the kubelet does
	for _, name := range []string{"changed", "deleted", "untouched"} {
		w.settle(name, unsealed(1, "user"))
	}
	// Newer than what the backup has, and older than what was there.
	changed.put(2)
	w.settle("changed", want{unseal.RollbackDenied, 1, []string{"user"}, corev1.SecretTypeOpaque})
	fresh.put(2)
	w.settle("new", want{reason: unseal.RollbackDenied})
	changed.put(3)
	w.settle("changed", unsealed(3, "user"))
	fresh.put(4)
	w.patchSecret("untouched", `{"data":{"theirs":"eA=="}}`)
	w.settle("new", unsealed(4, "user"))
	w.settle("untouched", unsealed(1, "user"))
	w.settle("deleted", unsealed(1, "user"))
	w.onlySecrets("changed", "deleted", "new", "untouched")
	w.oneKey(w.set())
	if !p.running().Running() {
		t.Error("it ended again")
	}
}

// looksForARewind waits until the controller has seen how far versions have come by now: it compares with its last look.
func (p *pod) looksForARewind() {
	p.w.t.Helper()
	looks := func() []faultproxy.Record {
		return p.proxy.Records(func(r faultproxy.Request) bool { return r.Verb == "list" && r.Resource == "keyrings" })
	}
	before := len(looks())
	harness.Eventually(p.w.ctx, p.w.t, "the controller looks whether versions have gone back", func(context.Context) error {
		if now := looks(); len(now) == before || now[before].Code == 0 {
			return errors.New("it has not")
		}
		return nil
	})
}

// ages has the API server write so often that its resource versions are not caught up with soon after a restore.
func (w *world) ages() {
	w.t.Helper()
	var all sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		all.Go(func() {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: fmt.Sprintf("age-%d", i)}}
			errs[i] = w.Create(w.ctx, cm)
			for n := 0; errs[i] == nil && n < 100; n++ {
				cm.Data = map[string]string{"n": fmt.Sprint(n)}
				errs[i] = w.Update(w.ctx, cm)
			}
		})
	}
	all.Wait()
	if err := errors.Join(errs...); err != nil {
		w.t.Fatal(err)
	}
}
