package faults_test

import (
	"context"
	"fmt"
	"net/http"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

func watches(resource string) func(faultproxy.Request) bool {
	return func(r faultproxy.Request) bool { return r.Verb == "watch" && r.Resource == resource }
}

func anyWatch(r faultproxy.Request) bool { return r.Verb == "watch" }

// TestLostWatches ends the controller's watches in each of the ways in which they end, while objects change, and holds that nothing is missed, and that the
// controller asks for new ones and not for ever more of them.
func TestLostWatches(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	h := w.record()
	version, objects := 0, map[string]want{}
	change := func() {
		version++
		for _, name := range []string{"a", "b", "c"} {
			w.apply(w.sealed(holder, name, version, "user"))
			objects[name] = unsealed(version, "user")
		}
	}
	change()
	w.settles(objects)
	kinds := 0
	harness.Eventually(w.ctx, t, "all watches are there, and each was asked for once", func(context.Context) error {
		kinds = p.proxy.Watches()
		if n := p.proxy.Count(anyWatch); n != kinds || kinds < 5 {
			return fmt.Errorf("%d watches were asked for to have %d", n, kinds)
		}
		return nil
	})
	for _, c := range []struct {
		name string
		lose func() (lost int)
	}{
		{"dropped", p.proxy.DropWatches},
		{"ended by 410 Gone in the stream", p.proxy.ExpireWatches},
		{"dropped, and the new ones answered 410 Gone", func() int {
			gone := p.proxy.Add(faultproxy.Fault{Match: faultproxy.FirstOfEach(1, anyWatch),
				Before: func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Answer(http.StatusGone, 0) }})
			lost := p.proxy.DropWatches()
			harness.Eventually(w.ctx, t, "all of them are refused", func(context.Context) error {
				if n := gone.Hits(); n < lost {
					return fmt.Errorf("%d of %d", n, lost)
				}
				return nil
			})
			return lost
		}},
		{"dropped, and the new ones refused for a while", func() int {
			busy := p.proxy.Add(faultproxy.Fault{Match: faultproxy.FirstOfEach(2, anyWatch),
				Before: func(faultproxy.Request) faultproxy.Verdict {
					return faultproxy.Answer(http.StatusServiceUnavailable, 0)
				}})
			lost := p.proxy.DropWatches()
			harness.Eventually(w.ctx, t, "all of them are refused", func(context.Context) error {
				if n := busy.Hits(); n < lost {
					return fmt.Errorf("%d of %d", n, lost)
				}
				return nil
			})
			return lost
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.in(t)
			harness.Eventually(w.ctx, t, "all watches are there", func(context.Context) error {
				if n := p.proxy.Watches(); n != kinds {
					return fmt.Errorf("%d of %d", n, kinds)
				}
				return nil
			})
			before := p.proxy.Count(anyWatch)
			change()
			if lost := c.lose(); lost != kinds {
				t.Errorf("%d watches were lost, of %d", lost, kinds)
			}
			change()
			// Somebody else's change must not be missed either.
			w.patchSecret("a", `{"data":{"theirs":"eA=="}}`)
			w.settles(objects)
			if n, most := p.proxy.Count(anyWatch)-before, 8*kinds; n > most {
				t.Errorf("%d watches were asked for, in place of %d that were lost", n, kinds)
			}
		})
	}
	w.in(t)
	h.check()
	for name, n := range w.said() {
		if n > 1 {
			t.Errorf("%d events about %s", n, name)
		}
	}
}

// TestOldSecretsInTheCache changes objects while the controller hears nothing of Secrets, its own writes included.
func TestOldSecretsInTheCache(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	(&stage{world: w, name: "db", holder: holder}).first() // its event is there: the status comes before it
	h := w.record()
	release := p.proxy.Hold(watches("secrets"))
	const last = 5
	for v := 2; v <= last; v++ {
		w.apply(w.sealed(holder, "db", v, "user"))
		w.settle("db", unsealed(v, "user"))
	}
	if n := p.intents("db"); n != last {
		t.Errorf("the object was opened %d times for %d versions", n, last)
	}
	// While the cache has nothing newer, what somebody does to the Secret is not seen, and not overwritten blindly.
	w.patchSecret("db", `{"data":{"theirs":"eA=="}}`)
	release()
	w.settle("db", unsealed(last, "user"))
	h.check()
	if n := w.said()["db"]; n != 1 {
		t.Errorf("%d events", n)
	}
}

// TestOldObjectsInTheCache changes Secrets while the controller hears nothing of GitSecrets.
func TestOldObjectsInTheCache(t *testing.T) {
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	for _, name := range []string{"changed", "drifted", "removed"} {
		w.create(w.sealed(holder, name, 1, "user"))
		w.settle(name, unsealed(1, "user"))
	}
	h := w.record()
	release := p.proxy.Hold(watches("gitsecrets"))
	for _, name := range []string{"changed", "drifted", "removed"} {
		w.apply(w.sealed(holder, name, 2, "user", "more"))
	}
	w.patchSecret("drifted", `{"data":{"user":"eA=="}}`)
	if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "removed"}}); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(w.ctx, t, "the controller has heard of what was done to the Secrets", func(context.Context) error {
		if p.intents("drifted")+p.intents("removed") > 2 || p.proxy.Count(looksAt("drifted")) > 0 && p.proxy.Count(looksAt("removed")) > 0 {
			return nil
		}
		return fmt.Errorf("it has done nothing yet")
	})
	release()
	for _, name := range []string{"changed", "drifted", "removed"} {
		w.settle(name, unsealed(2, "user", "more"))
	}
	h.check()
	for name, n := range w.said() {
		if n > 1 {
			t.Errorf("%d events about %s", n, name)
		}
	}
}

// looksAt chooses the requests for a GitSecret or its Secret that tell what is there.
func looksAt(name string) func(faultproxy.Request) bool {
	return func(r faultproxy.Request) bool { return r.Verb == "get" && r.Name == name }
}
