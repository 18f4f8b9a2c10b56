package faults_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// TestKilledAtEveryWrite records what the controller writes in each scene, holds that it is what the table says (a new kind of write fails here until it is in
// the table), and then plays the scene again for each write, with a SIGKILL before it leaves and after it has arrived.
func TestKilledAtEveryWrite(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	everyKindIsHit(t, scenes())
	p.playAll(t, scenes(), func(name string) *stage { return w.stage(name, holder) })
}

// playAll plays scenes, each as it goes, and then once for each kill.
func (p *pod) playAll(t *testing.T, all []scene, stage func(name string) *stage) {
	points := 0
	for i, sc := range all {
		t.Run(sc.name, func(t *testing.T) {
			p.w.in(t)
			p.plays(t, sc, stage(fmt.Sprintf("scene-%d-recorded", i)), -1, false)
			for _, n := range sc.kill {
				for _, after := range []bool{false, true} {
					points++
					side := map[bool]string{false: "before", true: "after"}[after]
					t.Run(fmt.Sprintf("killed %s %d %s", side, n, sc.writes[n]), func(t *testing.T) {
						p.w.in(t)
						p.plays(t, sc, stage(fmt.Sprintf("scene-%d-%s-%d", i, side, n)), n, after)
					})
				}
			}
		})
	}
	p.w.in(t)
	t.Logf("%d kills", points)
}

// everyKindIsHit holds that there is a kill at each kind of write in these scenes.
func everyKindIsHit(t *testing.T, all []scene) {
	t.Helper()
	hit := map[string]bool{}
	for _, sc := range all {
		for _, n := range sc.kill {
			hit[sc.writes[n]] = true
		}
	}
	for _, sc := range all {
		for _, kind := range sc.writes {
			if !hit[kind] {
				t.Errorf("there is no kill at %s", kind)
			}
		}
	}
}

// in has the world fail a subtest from now on.
func (w *world) in(t *testing.T) { w.t = t }

// immutable holds that the Secret is.
func immutable(s *stage) {
	s.t.Helper()
	secret := &corev1.Secret{}
	if err := s.Get(s.ctx, s.key(s.name), secret); err != nil {
		s.t.Fatal(err)
	}
	if secret.Immutable == nil || !*secret.Immutable {
		s.t.Error("the Secret is not immutable")
	}
}

// works waits until the process is at work, which an object of its own shows: what comes from now on is news to it, and not what a start finds. It is done with that object then:
// the status may be there before the outcome is in the audit log.
func (s *stage) works(p *pod) {
	s.t.Helper()
	other := &stage{world: s.world, name: "before-" + s.name, holder: s.holder}
	s.create(other.object(1))
	s.settle(other.name, unsealed(1))
	harness.Eventually(s.ctx, s.t, "its outcome is recorded", func(context.Context) error {
		for _, rec := range p.open() {
			if o := rec.Operation.Object; o.Namespace == s.namespace && o.Name == other.name {
				return errors.New("it is not")
			}
		}
		return nil
	})
}

// plays plays a scene: killed at its n-th write, or, for -1, to its end and compared with what the table says.
func (p *pod) plays(t *testing.T, sc scene, s *stage, n int, after bool) {
	s.works(p)
	if sc.before != nil {
		sc.before(s)
	}
	mine := s.writesFor
	// What was written before is not looked at.
	from := p.proxy.Count(mine)
	if n < 0 {
		sc.now(s)
		s.settle(s.name, sc.want)
		harness.Eventually(s.ctx, t, "all is written that the table says", func(context.Context) error {
			return sameWrites(p.proxy.Records(mine)[from:], sc.writes)
		})
		if sc.then != nil {
			sc.then(s)
		}
		return
	}
	same := 0
	for _, kind := range sc.writes[:n] {
		if kind == sc.writes[n] {
			same++
		}
	}
	fault := p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return mine(r) && r.Kind() == sc.writes[n] }, same, after))
	defer fault.Remove()
	sc.now(s)
	p.dies("killed at " + sc.writes[n])
	runs := p.runs() // before the next process begins its own
	p.start()
	s.settle(s.name, sc.want)
	if sc.then != nil {
		sc.then(s)
	}
	checkKilled(t, s, runs[len(runs)-1])
}

// sameWrites compares a recording with the table. Events come when they come, and so do marks where the table has none: nothing waits for them.
func sameWrites(recorded []faultproxy.Record, table []string) error {
	marks := slices.Contains(table, makeMarks) || slices.Contains(table, storeMarks)
	var kinds []string
	for _, r := range recorded {
		if marks || !ofMarks(r.Request) {
			kinds = append(kinds, r.Kind())
		}
	}
	event := func(kind string) bool { return kind == writeEvent }
	got, want := slices.DeleteFunc(slices.Clone(kinds), event), slices.DeleteFunc(slices.Clone(table), event)
	if !slices.Equal(got, want) || len(kinds) != len(table) {
		return fmt.Errorf("the controller wrote %q, the table says %q", kinds, table)
	}
	return nil
}

// checkKilled holds that the process that was killed left no intent without an outcome but the one for the object that it was at; it may have been loading
// its keys at the same time, or trying an object of a scene before once more, because some of these end with one that is to be repeated.
func checkKilled(t *testing.T, s *stage, run []audit.Record) {
	t.Helper()
	for _, rec := range audittest.Unfinished(run) {
		before := strings.HasPrefix(rec.Operation.Object.Name, "scene-")
		if rec.Operation.Object.Name != s.name && !before && rec.Operation.Action != audit.ActionKeyLoad {
			t.Errorf("an intent without an outcome is about %s %s", rec.Operation.Action, rec.Operation.Object.Name)
		}
	}
}
