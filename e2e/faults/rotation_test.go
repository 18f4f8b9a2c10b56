package faults_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// rotated is how many objects the rotations have that are broken off at seeded moments.
const rotated = 200

const (
	// marksWritten is the write of marks, which comes when it comes.
	marksWritten = "marks"
	// publish is made each time that the keyring is looked at, and what the controller writes for it has it looked at once more: one comes late.
	publish = "apply configmaps waxwing-recipients-default"
)

var tombstoneName = regexp.MustCompile(`(waxwing-(?:key|destroyed)-default)-[0-9a-f]+`)

// rotationWrite names a write of a rotation with the parts of its object's name that do not change.
func rotationWrite(r faultproxy.Request) string {
	switch {
	case r.Resource == "gitsecrets":
		return r.Kind()
	case strings.HasPrefix(r.Name, "waxwing-marks-"):
		return marksWritten // made or stored: their ConfigMaps outlive keyrings
	}
	return r.Kind() + " " + tombstoneName.ReplaceAllString(eventName.ReplaceAllString(r.Name, "$1.*"), "$1-*")
}

// ofRotation chooses what the controller writes for the keyring and for the objects of the test, but for events and its audit log.
func (w *world) ofRotation(r faultproxy.Request) bool {
	return r.Write() && r.Resource != "events" && !ofOwnLog(r) && !leases(r) && slices.Contains([]string{"", home, w.namespace}, r.Namespace)
}

// phase is a part of a rotation that is begun from outside.
type phase struct {
	name  string
	begin func(*turning)
	// writes are what the controller does for it, as the table says: the kinds in the order of their first times.
	writes []string
	// kills are where it is killed, one after the other, before and after each: every life goes on from where the last one ended, up to the next of these.
	kills []string
	end   func(*turning)
}

func phases() []phase {
	const (
		status    = "merge keyrings/status default"
		makeKey   = "create secrets waxwing-key-default-*"
		changeKey = "update secrets waxwing-key-default-*"
		sign      = "update secrets waxwing-statement-default"
		bury      = "create secrets waxwing-destroyed-default-*"
		remove    = "delete secrets waxwing-key-default-*"
	)
	return []phase{
		{
			name: "another key", begin: (*turning).turn,
			writes: []string{makeKey, sign, changeKey, publish, status, writeStatus},
			// made, claimed, active, published, the one before deactivated, published, told, offered
			kills: []string{makeKey, sign, changeKey, sign, changeKey, publish, status, writeStatus},
			end:   (*turning).offered,
		}, {
			name: "the objects come back", begin: (*turning).takeAll,
			writes: []string{writeStatus, marksWritten},
			// opened, taken back, remembered
			kills: []string{writeStatus, writeStatus, marksWritten},
			end:   (*turning).ends,
		}, {
			name: "the key before is destroyed", begin: (*turning).destroy,
			writes: []string{bury, remove, publish, status},
			kills:  []string{bury, remove, publish, status},
			end:    (*turning).destroyed,
		},
	}
}

// takeAll takes what is offered, for all objects.
func (r *turning) takeAll() {
	r.t.Helper()
	if n := r.take(len(r.names)); n != len(r.names) {
		r.t.Fatalf("%d of %d offers were taken", n, len(r.names))
	}
}

// offered waits until wraps are offered for all objects.
func (r *turning) offered() {
	r.t.Helper()
	harness.Eventually(r.ctx, r.t, "wraps are offered for all", func(context.Context) error {
		if n := r.offers(); n < len(r.names) {
			return errors.New("some are not")
		}
		return nil
	})
}

// TestARotationIsKilledAtEveryWrite rotates as it goes and compares with the table, and then once more with a SIGKILL before and after each kind of write, one after the other.
func TestARotationIsKilledAtEveryWrite(t *testing.T) {
	w := newWorld(t)
	t.Run("as it goes", func(t *testing.T) {
		w.in(t)
		p := w.pod(single...)
		r, end := w.turning(p, 2)
		defer end()
		defer p.kill()
		for _, ph := range phases() {
			from := p.proxy.Count(w.ofRotation)
			ph.begin(r)
			ph.end(r)
			harness.Eventually(w.ctx, t, ph.name+": all is written that the table says", func(context.Context) error {
				return sameKinds(p.proxy.Records(w.ofRotation)[from:], ph.writes)
			})
		}
		r.sets.check(2)
	})
	t.Run("killed", func(t *testing.T) {
		w.in(t)
		p := w.pod(single...)
		r, end := w.turning(p, 2)
		defer end()
		defer p.kill()
		points := 0
		for _, ph := range phases() {
			begun := false
			for _, kind := range ph.kills {
				for _, after := range []bool{false, true} {
					points++
					fault := p.proxy.Add(p.killer(func(q faultproxy.Request) bool { return w.ofRotation(q) && rotationWrite(q) == kind }, 0, after))
					if begun {
						p.start()
					} else {
						ph.begin(r)
						begun = true
					}
					process := p.running()
					harness.Eventually(w.ctx, t, "it is killed at "+kind, func(context.Context) error {
						if process.Running() {
							r.asksAgain()
							return errors.New("it runs")
						}
						return nil
					})
					fault.Remove()
				}
			}
			p.start()
			ph.end(r)
		}
		t.Logf("%d kills", points)
		r.sets.check(2)
	})
	w.in(t)
	for _, ph := range phases() {
		for _, kind := range ph.writes {
			if !slices.Contains(ph.kills, kind) {
				t.Errorf("%s: there is no kill at %q", ph.name, kind)
			}
		}
	}
}

// sameKinds compares the kinds of writes in a recording with the table. What comes when it comes may be there without being in the table.
func sameKinds(recorded []faultproxy.Record, table []string) error {
	var kinds []string
	for _, r := range recorded {
		kind := rotationWrite(r.Request)
		anytime := kind == marksWritten || kind == publish
		if !slices.Contains(kinds, kind) && (!anytime || slices.Contains(table, kind)) {
			kinds = append(kinds, kind)
		}
	}
	if got, want := slices.Sorted(slices.Values(kinds)), slices.Sorted(slices.Values(table)); !slices.Equal(got, want) {
		return errors.New("the controller wrote " + strings.Join(kinds, ", "))
	}
	return nil
}

// TestARotationIsKilledAtSeededMoments rotates under 200 objects, kills the controller at forty random ones of its requests on the way, and has what is offered come back meanwhile.
func TestARotationIsKilledAtSeededMoments(t *testing.T) {
	s := seed(t)
	w := newWorld(t)
	p := w.pod(single...)
	r, end := w.turning(p, rotated)
	defer end()
	defer p.kill()
	h := w.record()
	r.turn()
	killed := 0
	for i := range moments {
		random := rand.New(rand.NewPCG(s, uint64(i)))
		at, after := random.IntN(80), random.IntN(2) == 0
		fault := p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return r.Verb != "watch" && r.Resource != "" }, at, after))
		if i > 0 {
			p.start()
		}
		process := p.running()
		harness.Eventually(r.ctx, t, "the controller is killed, or has nothing more to do", func(context.Context) error {
			r.take(1 + random.IntN(20))
			if !process.Running() {
				return nil
			}
			return r.rests()
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
	if killed < moments/2 {
		t.Errorf("only %d of %d kills were at a request", killed, moments)
	}
	r.ends()
	r.destroy()
	r.destroyed()
	r.sets.check(2)
	h.check()
}

// TestALeaderIsLostInARotation kills the leader when some of what is sealed has come back; the next one goes on.
func TestALeaderIsLostInARotation(t *testing.T) {
	w := newWorld(t)
	first, second := w.pod(patient...), w.pod(patient...)
	second.most = 9
	r, end := w.turning(first, 40)
	defer end()
	defer second.kill()
	defer first.kill()
	second.start()
	was, _ := w.lead()
	fault := first.proxy.Add(first.killer(func(q faultproxy.Request) bool {
		return w.ofRotation(q) && rotationWrite(q) == publish
	}, 0, false))
	r.turn()
	first.dies("killed where it publishes")
	fault.Remove()
	w.takesOver(was)
	harness.Eventually(r.ctx, t, "some objects have come back", func(context.Context) error {
		if r.take(10) == 0 {
			return errors.New("nothing is offered")
		}
		return nil
	})
	first.start()
	was, _ = w.lead()
	second.kill()
	w.takesOver(was)
	r.ends()
	r.destroy()
	r.destroyed()
	r.sets.check(2)
}
