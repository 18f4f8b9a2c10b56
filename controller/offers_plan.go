package controller

import (
	"maps"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/keyring"
)

// offerJob is an object to be dealt with.
type offerJob struct {
	key types.NamespacedName
	// withdraw says that what it offers gives way to offers of others.
	withdraw bool
}

// presentSet is to whom a keyring seals now.
type presentSet struct {
	set  int64
	keys string
}

// presentSets are those of a ring, by keyring, as far as they were asked for; nil where there is none.
type presentSets struct {
	ring *keyring.Ring
	sets map[string]*presentSet
}

func (p *presentSets) of(name string) *presentSet {
	known, ok := p.sets[name]
	if ok {
		return known
	}
	if set, has := p.ring.Current(name); has {
		ids := make([]string, len(set.Recipients))
		for i, r := range set.Recipients {
			ids[i] = r.KeyID()
		}
		known = &presentSet{int64(set.Set), joined(ids)}
	}
	p.sets[name] = known
	return known
}

// wants is what is to be offered of an object.
func (e *offered) wants(present *presentSets) (marks []offerMark) {
	if !e.fit {
		return nil
	}
	for _, g := range e.wraps { // by keyring
		of := g.of.Value()
		now := present.of(of.keyring)
		switch {
		case now == nil || now.keys == of.keys:
		case len(marks) > 0 && marks[len(marks)-1].holder == of.keyring:
			marks[len(marks)-1].sum += g.sum
		default:
			marks = append(marks, offerMark{of.keyring, now.set, g.sum})
		}
	}
	return marks
}

// line is what is to be done for the objects of one namespace: changes of what is offered, and first offers, which need room.
type line struct {
	namespace       string
	outstanding     int
	changes, firsts []types.NamespacedName
	// stale are those whose offers nobody has taken for a long time.
	stale []types.NamespacedName
}

// plan says what to do next: at most batch objects, such that no more than atMost have offers. Every namespace gets its turn, and first offers go to those that have the fewest. wait is
// when to ask again although nothing has changed; zero: not.
func (x *offers) plan(now time.Time, epoch uint64, ring *keyring.Ring, atMost, batch int) (jobs []offerJob, wait time.Duration) {
	lines, outstanding, wait := x.lines(now, epoch, ring)
	jobs = changesOf(lines, max(batch/2, 1)) // first offers get their part in any case
	room := min(batch-len(jobs), atMost-outstanding)
	firsts := 0
	for ; firsts < room; firsts++ {
		l := fewest(lines)
		if l == nil {
			break
		}
		jobs = append(jobs, offerJob{key: l.firsts[0]})
		l.firsts = l.firsts[1:]
		l.outstanding++
	}
	if l := fewest(lines); l != nil && outstanding+firsts >= atMost {
		jobs = append(jobs, l.displaces(lines, batch-len(jobs))...)
	}
	return jobs, wait
}

// lines gathers what is to be done, by namespace.
func (x *offers) lines(now time.Time, epoch uint64, ring *keyring.Ring) (lines []*line, outstanding int, wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	byName, present := map[string]*line{}, &presentSets{ring, map[string]*presentSet{}}
	sooner := func(d time.Duration) {
		if wait == 0 || d < wait {
			wait = d
		}
	}
	for key, e := range x.objects {
		if len(e.standing) == 0 && len(e.wraps) == 0 {
			continue
		}
		l := byName[key.Namespace]
		if l == nil {
			l = &line{namespace: key.Namespace}
			byName[key.Namespace] = l
		}
		stands := len(e.standing) > 0
		if stands {
			outstanding++
			l.outstanding++
			if e.since.IsZero() {
				e.since = now
			}
		}
		idle := e.judged == e.changes && e.epoch == epoch
		switch {
		case idle || (!e.fit && !e.closed) || slices.Equal(e.standing, e.wants(present)):
			if left := e.since.Add(offerPatience).Sub(now); stands && left > 0 {
				sooner(left)
			} else if stands {
				l.stale = append(l.stale, key)
			}
		case e.next.After(now):
			sooner(e.next.Sub(now))
		case stands:
			l.changes = append(l.changes, key)
		default:
			l.firsts = append(l.firsts, key)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		l := byName[name]
		for _, list := range [][]types.NamespacedName{l.changes, l.firsts, l.stale} {
			slices.SortFunc(list, func(a, b types.NamespacedName) int { return strings.Compare(a.Name, b.Name) })
		}
		lines = append(lines, l)
	}
	return lines, outstanding, wait
}

// changesOf takes one of each namespace in turn.
func changesOf(lines []*line, batch int) (jobs []offerJob) {
	for more := true; more; {
		more = false
		for _, l := range lines {
			if len(l.changes) == 0 || len(jobs) == batch {
				continue
			}
			jobs = append(jobs, offerJob{key: l.changes[0]})
			l.changes, more = l.changes[1:], true
		}
	}
	return jobs
}

// fewest is the namespace that waits with the fewest offers; nil if none waits.
func fewest(lines []*line) (least *line) {
	for _, l := range lines {
		if len(l.firsts) > 0 && (least == nil || l.outstanding < least.outstanding) {
			least = l
		}
	}
	return least
}

// displaces takes offers that nobody has taken for a long time from the namespace with the most, where there is no room for l, which has fewer.
func (l *line) displaces(lines []*line, most int) (jobs []offerJob) {
	from := l
	for _, o := range lines {
		if len(o.stale) > 0 && o.outstanding > from.outstanding {
			from = o
		}
	}
	n := min((from.outstanding-l.outstanding)/2, len(from.stale), len(l.firsts), most)
	for i := range n {
		jobs = append(jobs, offerJob{key: from.stale[i], withdraw: true})
	}
	return jobs
}

// dealt is what came of an object.
type dealt struct {
	key      types.NamespacedName
	uid      types.UID
	version  string
	standing []offerMark // of that version
	// open says that there is something left to do for it.
	open bool
	// made says that offers were made.
	made bool
}

// begin is called before an object is read to be dealt with: what changes from here on is looked at again.
func (x *offers) begin(key types.NamespacedName) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if e := x.objects[key]; e != nil {
		e.begun = e.changes
	}
}

// done notes what came of an object in an epoch. Unless something was left open, that is all until something changes, or has changed since begin.
func (x *offers) done(d dealt, epoch uint64, now time.Time) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.objects[d.key]
	if e == nil || e.uid != d.uid {
		return // it was deleted meanwhile
	}
	judged := e.begun
	if !older(d.version, e.version) {
		e.version = d.version
		if e.offers(d.standing) {
			e.changes++
			judged++
		}
	}
	if e.epoch != epoch {
		e.made = 0
	}
	if d.open {
		judged = 0
	}
	e.epoch, e.judged = epoch, judged
	if d.made || d.open {
		e.next = now.Add(min(firstAgain<<min(e.made, 16), lastAgain))
		e.made++
	}
}

// later has an object wait, although there is something to do.
func (x *offers) later(key types.NamespacedName, until time.Time) {
	x.mu.Lock()
	if e := x.objects[key]; e != nil {
		e.next = until
	}
	x.mu.Unlock()
	x.nudge()
}

// news says whether it was not said yet that this cannot be offered.
func (x *offers) news(key types.NamespacedName, what uint64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	e := x.objects[key]
	if e == nil || e.told == what {
		return false
	}
	e.told = what
	return true
}
