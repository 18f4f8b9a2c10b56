package faults_test

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// moments is how often the controller is killed at a seeded moment.
const moments = 40

// TestKilledAtSeededMoments changes objects at random and kills the controller at a random one of its requests, forty times: those of its start included,
// because its next life begins when the last has ended.
func TestKilledAtSeededMoments(t *testing.T) {
	s := seed(t)
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	h := w.record()
	load := &workload{w: w, holder: w.holder(), want: map[string]want{}, changes: map[string]int{}}
	killed := 0
	for i := range moments {
		// One source for each round, so that a round is the same however the ones before it went.
		r := rand.New(rand.NewPCG(s, uint64(i)))
		at, after := r.IntN(18), r.IntN(2) == 0
		fault := p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return r.Verb != "watch" && r.Resource != "" }, at, after))
		if i > 0 {
			p.start()
		}
		process := p.running()
		for range 2 + r.IntN(4) {
			load.step(r)
		}
		// Where so many requests do not come, the end of the work is the moment.
		harness.Eventually(w.ctx, t, "the controller is killed, or has nothing more to do", func(ctx context.Context) error {
			if !process.Running() {
				return nil
			}
			return load.converged(ctx)
		})
		fault.Remove()
		if process.Running() {
			p.kill()
		} else {
			killed++
		}
	}
	p.start()
	t.Logf("%d of %d kills were at a request, the others at rest", killed, moments)
	if killed < moments/4 {
		t.Errorf("only %d of %d kills were at a request", killed, moments)
	}
	w.settles(load.want)
	w.onlySecrets(slices.Collect(maps.Keys(load.want))...)
	h.check()
	for name, n := range w.said() {
		// Unsealed for each life of an object, and a refusal and its end for each time that the controller is killed in the middle of something.
		if most := 3*load.changes[name] + moments; n > most {
			t.Errorf("%d events about %s, which was changed %d times", n, name, load.changes[name])
		}
	}
	w.oneKey(w.set())
}

// workload is what people, Git and others do to the objects of a namespace, and what should come of it.
type workload struct {
	w       *world
	holder  seal.Holder
	version int
	want    map[string]want
	changes map[string]int
}

// converged says which object has not come to what it should.
func (l *workload) converged(ctx context.Context) error {
	for name, want := range l.want {
		if err := l.w.converged(ctx, name, want); err != nil {
			return err
		}
	}
	return nil
}

// step does one thing to one of a few objects.
func (l *workload) step(r *rand.Rand) {
	l.w.t.Helper()
	name := fmt.Sprintf("db-%d", r.IntN(6))
	l.changes[name]++
	have, there := l.want[name]
	switch do := r.IntN(10); {
	case !there || do < 5:
		l.version++
		items := []string{"a", "b", "c", "d"}[:1+r.IntN(4)]
		o := l.w.sealed(l.holder, name, l.version, items...)
		l.w.apply(o)
		l.want[name] = unsealed(l.version, items...)
	case do < 6:
		// The version goes on, so an old version that comes back shows even behind a deletion.
		if err := l.w.Delete(l.w.ctx, &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: l.w.namespace, Name: name}}); err != nil {
			l.w.t.Fatal(err)
		}
		delete(l.want, name)
	case do < 7:
		l.drift(name, fmt.Sprintf(`{"data":{%q:"eA=="}}`, have.items[0]))
	case do < 8:
		l.drift(name, `{"data":{"theirs":"eA=="}}`)
	case do < 9:
		l.drift(name, fmt.Sprintf(`{"data":{%q:null},"metadata":{"labels":null}}`, have.items[0]))
	default:
		err := l.w.Delete(l.w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: l.w.namespace, Name: name}})
		if err != nil && !apierrors.IsNotFound(err) {
			l.w.t.Fatal(err)
		}
	}
}

// drift changes a Secret if there is one yet.
func (l *workload) drift(name, body string) {
	l.w.t.Helper()
	if err := l.w.tryPatch(name, body); err != nil && !apierrors.IsNotFound(err) {
		l.w.t.Fatalf("patching Secret %s: %v", name, err)
	}
}
