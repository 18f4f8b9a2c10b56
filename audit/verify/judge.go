package verify

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/oklog/ulid/v2"

	"github.com/waxwing-io/waxwing/audit"
)

// What a judge keeps in mind, at most. maxOpen intents without outcome; ids are known again for at least maxIDs operations.
const (
	maxOpen  = 1 << 18
	maxIDs   = 1 << 19
	maxTerms = 1 << 16
	maxCites = 1 << 14
)

// where is a record's place.
type where struct {
	part  int
	index uint64
}

func (w where) compare(o where) int {
	return cmp.Or(cmp.Compare(w.part, o.part), cmp.Compare(w.index, o.index))
}

// intent is one that waits for its outcome.
type intent struct {
	at     where
	action audit.Action
}

// begun is a term of a Lease that a log says has begun.
type begun struct {
	at     where
	lease  string
	number int64
	holder string
}

// citation is a signed checkpoint that a record cites.
type citation struct {
	at     where
	action audit.Action
	signed string
}

// judge looks at the records of one log in their order, whatever they say, within bounds.
type judge struct {
	report func(Finding)
	origin string

	run     bool // the beginning of this run was seen
	stopped bool
	open    map[ulid.ULID]intent
	ids     [2]map[ulid.ULID]struct{} // of late, and before that
	term    *int64                    // the greatest term so far
	inRun   *int64                    // the term that has begun in this run
	told    *int64                    // the term of which it was said already that it has not begun
	limits  map[string]bool

	unmatched, openAtEnd int
	terms                []begun
	cites                []citation
}

func newJudge(origin string, report func(Finding)) *judge {
	return &judge{report: report, origin: origin, open: map[ulid.ULID]intent{}, ids: [2]map[ulid.ULID]struct{}{{}, {}}, limits: map[string]bool{}}
}

func (j *judge) say(at where, kind Kind, format string, args ...any) {
	j.report(Finding{Part: at.part, Index: &at.index, Kind: kind, Text: fmt.Sprintf(format, args...)})
}

func (j *judge) limit(at where, text string) {
	if !j.limits[text] {
		j.limits[text] = true
		j.say(at, KindLimit, "%s", text)
	}
}

// entry takes the bytes of a record and gives the record, which is nil if it cannot be read.
func (j *judge) entry(at where, raw []byte) *audit.Record {
	r, err := checkForm(raw)
	if errors.Is(err, errVersion) {
		j.say(at, KindVersion, "a record of version %d; this program reads %d: what it says was not checked", r.Version, audit.Version)
		return nil
	}
	var id ulid.ULID
	if err == nil {
		id, err = ulid.ParseStrict(r.ID)
	}
	if err == nil {
		err = shape(r)
	}
	if err != nil {
		j.say(at, KindRecord, "an entry that Waxwing does not write: %v", err)
		return nil
	}
	if r.Operation != nil {
		j.operation(at, id, &r)
	} else {
		j.outcome(at, id)
	}
	return &r
}

// shape checks that a record has what its phase asks for.
func shape(r audit.Record) error {
	op, out := r.Operation != nil, r.Outcome != nil
	switch {
	case r.Phase == audit.PhaseIntent && op && !out, r.Phase == audit.PhaseOutcome && !op && out, r.Phase == audit.PhaseNote && op && out:
		return nil
	}
	return fmt.Errorf("a record of phase %q with operation: %v, outcome: %v", cut(string(r.Phase), 40), op, out)
}

func (j *judge) operation(at where, id ulid.ULID, r *audit.Record) {
	if j.seen(id) {
		j.say(at, KindID, "its id %s is that of a record before it", id)
	}
	if own(r.Operation.Action) {
		j.ofLog(at, r.Operation)
	} else {
		j.inTerm(at, r)
	}
	if r.Phase != audit.PhaseIntent {
		return
	}
	if len(j.open) >= maxOpen {
		j.limit(at, fmt.Sprintf("more than %d intents wait for their outcomes: those from here on are not looked after", maxOpen))
		return
	}
	j.open[id] = intent{at, r.Operation.Action}
}

// own says whether an action is the log's own: records of that kind are written when they have to be, not under a term.
func own(a audit.Action) bool {
	switch a {
	case audit.ActionLogStarted, audit.ActionLogStopped, audit.ActionLogAnchored, audit.ActionLogContinued, audit.ActionLogRestarted:
		return true
	}
	return false
}

// seen says whether an id is known, and keeps it.
func (j *judge) seen(id ulid.ULID) bool {
	if len(j.ids[0]) >= maxIDs {
		j.ids[0], j.ids[1] = map[ulid.ULID]struct{}{}, j.ids[0]
	}
	_, late := j.ids[0][id]
	_, before := j.ids[1][id]
	j.ids[0][id] = struct{}{}
	return late || before
}

func (j *judge) outcome(at where, id ulid.ULID) {
	if _, ok := j.open[id]; ok {
		delete(j.open, id)
		return
	}
	if j.run && len(j.limits) == 0 {
		j.say(at, KindOutcome, "an outcome of %s, which is no open intent of this run", id)
	}
}

// ofLog takes what the log says of itself.
func (j *judge) ofLog(at where, op *audit.Operation) {
	switch op.Action {
	case audit.ActionLogStarted:
		j.unmatched += len(j.open)
		j.endRun(KindUnmatched, "the process ended before it recorded the outcome: the operation may have happened")
		j.run, j.stopped, j.inRun = true, false, nil
	case audit.ActionLogStopped:
		j.stopped = true
	}
	if l := op.Log; l != nil {
		// A note that a part has not taken any more stands in the next one.
		if named, _, _ := splitOrigin(l.Origin); l.Origin != "" && l.Origin != j.origin && named != j.origin || l.Part > at.part {
			j.say(at, KindRecord, "%s names %q, part %d: this is %s, part %d", op.Action, cut(l.Origin, 300), l.Part, j.origin, at.part)
		}
		j.cite(at, op.Action, l.Cites)
	}
}

func (j *judge) cite(at where, action audit.Action, signed string) {
	if signed == "" {
		return
	}
	if len(j.cites) >= maxCites {
		j.limit(at, fmt.Sprintf("more than %d checkpoints are cited: those from here on are not compared", maxCites))
		return
	}
	j.cites = append(j.cites, citation{at, action, signed})
}

// inTerm checks the number under which an operation was recorded. Only intents wait for their term to begin: a note of something observed may come before it.
func (j *judge) inTerm(at where, r *audit.Record) {
	if r.Operation.Action == audit.ActionTermBegan {
		j.began(at, r)
		return
	}
	if r.Term == nil || r.Phase != audit.PhaseIntent {
		return
	}
	if j.run && (j.inRun == nil || *j.inRun != *r.Term) && (j.told == nil || *j.told != *r.Term) {
		j.told = r.Term
		j.say(at, KindTerm, "recorded under term %d, which has not begun in this run", *r.Term)
	}
}

func (j *judge) began(at where, r *audit.Record) {
	t := r.Operation.Term
	if t == nil || r.Term == nil || t.Number != *r.Term {
		j.say(at, KindTerm, "a term began without the number that the record carries")
		return
	}
	if j.term != nil && (t.Number < *j.term || t.Number == *j.term && j.inRun != nil) {
		j.say(at, KindTerm, "term %d began after term %d", t.Number, *j.term)
	}
	if j.term == nil || t.Number > *j.term {
		j.term = &t.Number
	}
	j.inRun = &t.Number
	for _, signed := range t.Others {
		j.cite(at, r.Operation.Action, signed)
	}
	if len(j.terms) >= maxTerms {
		j.limit(at, fmt.Sprintf("more than %d terms: those from here on are not compared with other logs", maxTerms))
		return
	}
	j.terms = append(j.terms, begun{at, r.Operation.Object.Name, t.Number, t.Holder})
}

// endRun reports the intents that have no outcome yet.
func (j *judge) endRun(kind Kind, text string) {
	for _, id := range slices.SortedFunc(maps.Keys(j.open), func(a, b ulid.ULID) int { return j.open[a].at.compare(j.open[b].at) }) {
		i := j.open[id]
		j.say(i.at, kind, "intent %s (%s) has no outcome: %s", id, cut(string(i.action), 60), text)
	}
	clear(j.open)
}

// end is called behind the last record.
func (j *judge) end() {
	j.unmatched, j.openAtEnd = j.unmatched+len(j.open), len(j.open)
	text := "it is under way, or the process has died"
	if j.stopped {
		text = "the log was stopped before it came"
	}
	j.endRun(KindOpen, text)
}
