package faults_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// storm refuses the first so many of each kind of request for each object. A Secret that is created and then changed takes five kinds of requests, and each refusal
// doubles the wait for the next try.
type storm struct {
	name  string
	match func(faultproxy.Request) bool
	each  int
	fault func(dice func(faultproxy.Request) *rand.Rand) faultproxy.Fault
	// pauses says that the refusals ask for a pause.
	pauses bool
}

func answers(code int, retryAfter time.Duration) func(func(faultproxy.Request) *rand.Rand) faultproxy.Fault {
	return func(func(faultproxy.Request) *rand.Rand) faultproxy.Fault {
		return faultproxy.Fault{Before: func(faultproxy.Request) faultproxy.Verdict { return faultproxy.Answer(code, retryAfter) }}
	}
}

// pause is what a busy API server asks for, in whole seconds.
const pause = time.Second

func storms() []storm {
	return []storm{
		{"429 with Retry-After to every write", faultproxy.Request.Write, 1, answers(http.StatusTooManyRequests, pause), true},
		{"409 to Secrets and statuses", func(r faultproxy.Request) bool {
			return r.Write() && (r.Resource == "secrets" || r.Subresource == "status")
		}, 1, answers(http.StatusConflict, 0), false},
		{"500 to every write", faultproxy.Request.Write, 1, answers(http.StatusInternalServerError, 0), false},
		{"503 to everything but watches", func(r faultproxy.Request) bool { return r.Verb != "watch" }, 1, answers(http.StatusServiceUnavailable, 0), false},
		{"writes that arrive and are not answered", faultproxy.Request.Write, 2, func(func(faultproxy.Request) *rand.Rand) faultproxy.Fault {
			return faultproxy.Fault{After: func(faultproxy.Request, int) faultproxy.Verdict { return faultproxy.Cut() }}
		}, false},
		{"anything", func(r faultproxy.Request) bool { return r.Verb != "watch" }, 3, anything, false},
	}
}

// anything does by the seed what a bad network and a bad API server do.
func anything(dice func(faultproxy.Request) *rand.Rand) faultproxy.Fault {
	return faultproxy.Fault{
		Before: func(r faultproxy.Request) faultproxy.Verdict {
			switch d := dice(r); d.IntN(6) {
			case 0:
				return faultproxy.Cut()
			case 1:
				codes := []int{http.StatusConflict, http.StatusInternalServerError, http.StatusServiceUnavailable}
				return faultproxy.Answer(codes[d.IntN(len(codes))], 0)
			case 2:
				time.Sleep(time.Duration(d.IntN(100)) * time.Millisecond)
			}
			return faultproxy.Pass()
		},
		After: func(r faultproxy.Request, _ int) faultproxy.Verdict {
			if dice(r).IntN(6) == 5 { // else what Before has said
				return faultproxy.Cut()
			}
			return faultproxy.Pass()
		},
	}
}

// TestStorms has an API server refuse what the controller asks for, for new objects, for changed ones and for Secrets that somebody else changes.
func TestStorms(t *testing.T) {
	s := seed(t)
	w := newWorld(t)
	p := w.pod(single...)
	p.ready()
	holder := w.holder()
	h := w.record()
	for i, storm := range storms() {
		t.Run(storm.name, func(t *testing.T) {
			w.in(t)
			objects := map[string]want{}
			for n := range 4 {
				objects[fmt.Sprintf("storm-%d-%d", i, n)] = unsealed(1, "user")
			}
			names := slices.Sorted(maps.Keys(objects))
			mine := func(r faultproxy.Request) bool { return r.Namespace == w.namespace && storm.match(r) }
			f := storm.fault(faultproxy.Dice(s))
			f.Match = faultproxy.FirstOfEach(storm.each, mine)
			active := p.proxy.Add(f)
			defer active.Remove()
			for _, name := range names {
				w.create(w.sealed(holder, name, 1, "user"))
			}
			w.settlesLate(objects)
			w.apply(w.sealed(holder, names[0], 2, "user", "more"))
			objects[names[0]] = unsealed(2, "user", "more")
			w.patchSecret(names[1], `{"data":{"theirs":"eA=="}}`)
			w.settlesLate(objects)
			if active.Hits() == 0 {
				t.Error("nothing was refused")
			}
			for _, name := range names {
				p.checkBounded(t, name, storm.each)
			}
			if storm.pauses {
				p.checkPauses(t, names)
			}
		})
	}
	w.in(t)
	h.check()
}

// checkBounded holds that an object that was refused each thing so many times was not asked about much more often than that.
func (p *pod) checkBounded(t *testing.T, name string, each int) {
	t.Helper()
	of := func(r faultproxy.Request) bool {
		return r.Verb != "watch" && (r.Name == name || strings.HasPrefix(r.Name, name+"."))
	}
	kinds := map[string]int{}
	for _, r := range p.proxy.Records(of) {
		kinds[r.Kind()]++
	}
	// Two rounds of work at most, each of a write of the Secret, one of foreign keys, and a status; each refusal of one repeats those before it.
	for kind, n := range kinds {
		if most := 4 + 4*each; n > most {
			t.Errorf("%s was asked %d times for %s", kind, n, name)
		}
	}
	// The same rounds, and a few that find an old state in a cache that is late. A storm is far above that.
	if n, most := p.intents(name), 6+4*each; n > most {
		t.Errorf("%s was opened %d times", name, n)
	}
	// Refused and well again, for each of the reasons that there are for that.
	if n, most := p.w.said()[name], 2+2*each; n > most {
		t.Errorf("%d events about %s", n, name)
	}
}

// checkPauses holds that whoever was told to come again after a while did not come before.
func (p *pod) checkPauses(t *testing.T, names []string) {
	t.Helper()
	told := map[string]time.Time{}
	checked := 0
	for _, r := range p.proxy.Records(func(r faultproxy.Request) bool { return r.Write() && slices.Contains(names, r.Name) }) {
		if at, ok := told[r.String()]; ok && !at.IsZero() {
			checked++
			if waited := r.At.Sub(at); waited < pause {
				t.Errorf("%s came again after %s", r.Request, waited)
			}
		}
		told[r.String()] = time.Time{}
		if r.Fault {
			told[r.String()] = r.At
		}
	}
	if checked == 0 {
		t.Error("nobody was told to come again later")
	}
}
