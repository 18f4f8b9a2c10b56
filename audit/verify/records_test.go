package verify_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/gowebpki/jcs"
	"github.com/oklog/ulid/v2"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// id gives the n-th id.
func id(n int) string {
	return ulid.MustNew(1_764_000_000_000+uint64(n), nil).String()
}

func raw(t testing.TB, r audit.Record) []byte {
	t.Helper()
	r.Version = audit.Version
	if r.Time.IsZero() {
		r.Time = time.Date(2026, 11, 23, 2, 22, 0, 0, time.UTC)
	}
	b, err := json.Marshal(r)
	must(t, err)
	b, err = jcs.Transform(b)
	must(t, err)
	return b
}

func term(n int64) *int64 { return &n }

func aNote(n int, term *int64, op audit.Operation) audit.Record {
	return audit.Record{ID: id(n), Term: term, Phase: audit.PhaseNote, Operation: &op, Outcome: &audit.Outcome{OK: true}}
}

func ofLog(n int, action audit.Action, part int, cites string) audit.Record {
	return aNote(n, nil, audit.Operation{Action: action, Log: &audit.LogState{Origin: tiles.PartOrigin(audittest.Origin, part), Part: part, Cites: cites}})
}

func intent(n int, term *int64) audit.Record {
	op := operation(n)
	return audit.Record{ID: id(n), Term: term, Phase: audit.PhaseIntent, Operation: &op}
}

func outcome(n int, term *int64) audit.Record {
	return audit.Record{ID: id(n), Term: term, Phase: audit.PhaseOutcome, Outcome: &audit.Outcome{OK: true}}
}

func began(n int, number int64, holder string, others ...string) audit.Record {
	return beganOf("controller", n, number, holder, others...)
}

// beganOf is the beginning of a term of a Lease.
func beganOf(lease string, n int, number int64, holder string, others ...string) audit.Record {
	op := audit.Operation{Action: audit.ActionTermBegan, Object: audit.Object{Kind: "Lease", Name: lease}, Term: &audit.Term{Number: number, Holder: holder, Others: others}}
	return aNote(n, term(number), op)
}

func raws(t testing.TB, all ...audit.Record) [][]byte {
	t.Helper()
	var out [][]byte
	for _, r := range all {
		out = append(out, raw(t, r))
	}
	return out
}

// many are n operations with their outcomes, numbered from first.
func many(first, n int) []audit.Record {
	var out []audit.Record
	for i := range n {
		out = append(out, intent(first+i, nil), outcome(first+i, nil))
	}
	return out
}

// finding is what a test expects of one.
type finding struct {
	Kind  verify.Kind
	Part  int
	Index int64 // -1 for none
}

func found(r *verify.Report) []finding {
	var out []finding
	for _, f := range r.Findings {
		at := int64(-1)
		if f.Index != nil {
			at = int64(*f.Index)
		}
		out = append(out, finding{f.Kind, f.Part, at})
	}
	return out
}

func TestWhatRecordsSay(t *testing.T) {
	start := ofLog(0, audit.ActionLogStarted, 1, "")
	future := strings.Replace(string(raw(t, start)), `"v":1`, `"v":2`, 1)
	for name, c := range map[string]struct {
		records [][]byte
		want    []finding
	}{
		"a run with an intent and its outcome":                 {raws(t, start, intent(1, nil), outcome(1, nil)), nil},
		"an empty log":                                         {nil, nil},
		"an intent at the end":                                 {raws(t, start, intent(1, nil)), []finding{{verify.KindOpen, 1, 1}}},
		"an intent of a process that has ended":                {raws(t, start, intent(1, nil), ofLog(2, audit.ActionLogStarted, 1, "")), []finding{{verify.KindUnmatched, 1, 1}}},
		"an outcome in the next run":                           {raws(t, start, intent(1, nil), ofLog(2, audit.ActionLogStarted, 1, ""), outcome(1, nil)), []finding{{verify.KindUnmatched, 1, 1}, {verify.KindOutcome, 1, 3}}},
		"an outcome without intent":                            {raws(t, start, outcome(1, nil)), []finding{{verify.KindOutcome, 1, 1}}},
		"two outcomes":                                         {raws(t, start, intent(1, nil), outcome(1, nil), outcome(1, nil)), []finding{{verify.KindOutcome, 1, 3}}},
		"an id twice":                                          {raws(t, start, intent(1, nil), outcome(1, nil), intent(1, nil), outcome(1, nil)), []finding{{verify.KindID, 1, 3}}},
		"a log that does not begin with log.started":           {raws(t, intent(1, nil), outcome(1, nil)), []finding{{verify.KindStart, 1, 0}}},
		"terms that grow":                                      {raws(t, start, began(1, 3, "a"), intent(2, term(3)), outcome(2, term(3)), ofLog(3, audit.ActionLogStarted, 1, ""), began(4, 5, "b"), intent(5, term(5)), outcome(5, term(5))), nil},
		"the same term in the next run":                        {raws(t, start, began(1, 0, "a"), ofLog(2, audit.ActionLogStarted, 1, ""), began(3, 0, "a")), nil},
		"the same term twice in a run":                         {raws(t, start, began(1, 3, "a"), began(2, 3, "a")), []finding{{verify.KindTerm, 1, 2}}},
		"a term that is smaller":                               {raws(t, start, began(1, 3, "a"), ofLog(2, audit.ActionLogStarted, 1, ""), began(3, 2, "a")), []finding{{verify.KindTerm, 1, 3}}},
		"an operation under a term that has not begun":         {raws(t, start, began(1, 3, "a"), intent(2, term(4)), outcome(2, term(4)), intent(3, term(4)), outcome(3, term(4))), []finding{{verify.KindTerm, 1, 2}}},
		"a term of the run before":                             {raws(t, start, began(1, 3, "a"), ofLog(2, audit.ActionLogStarted, 1, ""), intent(3, term(3)), outcome(3, term(3))), []finding{{verify.KindTerm, 1, 3}}},
		"a note of the log itself before its term's first":     {raws(t, start, aNote(1, term(3), audit.Operation{Action: audit.ActionLogAnchored}), began(2, 3, "a")), nil},
		"a term that the record does not carry":                {raws(t, start, aNote(1, term(2), audit.Operation{Action: audit.ActionTermBegan, Term: &audit.Term{Number: 3}})), []finding{{verify.KindTerm, 1, 1}}},
		"a record of a later version":                          {append(raws(t, start), []byte(future)), []finding{{verify.KindVersion, 1, 1}}},
		"an entry that is no JSON":                             {append(raws(t, start), []byte("hello")), []finding{{verify.KindRecord, 1, 1}}},
		"an empty entry":                                       {append(raws(t, start), []byte{}), []finding{{verify.KindRecord, 1, 1}}},
		"JSON in another form":                                 {append(raws(t, start), append([]byte(" "), raw(t, intent(1, nil))...)), []finding{{verify.KindRecord, 1, 1}}},
		"an id that is none":                                   {append(raws(t, start), raw(t, audit.Record{ID: "x", Phase: audit.PhaseOutcome, Outcome: &audit.Outcome{}})), []finding{{verify.KindRecord, 1, 1}}},
		"a phase without its operation":                        {append(raws(t, start), raw(t, audit.Record{ID: id(1), Phase: audit.PhaseIntent})), []finding{{verify.KindRecord, 1, 1}}},
		"another log's name":                                   {raws(t, aNote(0, nil, audit.Operation{Action: audit.ActionLogStarted, Log: &audit.LogState{Origin: "other/log", Part: 1}})), []finding{{verify.KindRecord, 1, 0}}},
		"a citation that is no checkpoint":                     {raws(t, start, ofLog(1, audit.ActionLogAnchored, 1, "nothing")), []finding{{verify.KindCitation, 1, 1}}},
		"an intent that waits for its outcome when it stopped": {raws(t, start, intent(1, nil), ofLog(2, audit.ActionLogStopped, 1, "")), []finding{{verify.KindOpen, 1, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			key, log := audittest.Key(t), files{}
			checkpoint := forged(t, audittest.Origin, 1, key, c.records, log)
			r := check(t, key, log, checkpoint)
			if diff := cmp.Diff(c.want, found(r)); diff != "" {
				t.Errorf("%s\n%v", diff, r.Findings)
			}
		})
	}
}

// check verifies a log with its key and these anchored checkpoints.
func check(t testing.TB, key ed25519.PrivateKey, log files, anchored ...[]byte) *verify.Report {
	t.Helper()
	k := vkey(t, audittest.Origin, key)
	a := audit.Anchor{Origin: audittest.Origin, Key: k, Part: 1}
	for _, c := range anchored {
		a.Closed = append(a.Closed, string(c))
	}
	r, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: log.dir(), Key: k, Anchors: []audit.Anchor{a}}}, verify.Options{})
	must(t, err)
	return r
}

// TestTheFirstBadRecordIsNamed damages one record of many, in each way in which one can.
func TestTheFirstBadRecordIsNamed(t *testing.T) {
	key, log := audittest.Key(t), files{}
	good := raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 400))...)
	anchor := forged(t, audittest.Origin, 1, key, good[:300], files{})
	forged(t, audittest.Origin, 1, key, good, log)
	changed := slices.Clone(good)
	changed[700] = raw(t, intent(999, nil))
	other := files{}
	forged(t, audittest.Origin, 1, key, changed, other)
	for name, c := range map[string]struct {
		change func(log files)
		index  uint64
		from   bool
		kind   verify.Kind
	}{
		"a bundle":                        {func(l files) { l["0001/tile/entries/002"] = other["0001/tile/entries/002"] }, 700, false, verify.KindTile},
		"a tile":                          {func(l files) { l["0001/tile/0/002"] = other["0001/tile/0/002"] }, 700, false, verify.KindTile},
		"a tile above":                    {func(l files) { l["0001/tile/1/000.p/3"] = other["0001/tile/1/000.p/3"] }, 512, false, verify.KindTile},
		"a missing bundle":                {func(l files) { delete(l, "0001/tile/entries/001") }, 256, false, verify.KindEntries},
		"a missing tile":                  {func(l files) { delete(l, "0001/tile/0/001") }, 256, false, verify.KindTile},
		"a cut bundle":                    {func(l files) { b := l["0001/tile/entries/001"]; l["0001/tile/entries/001"] = b[:len(b)-1] }, 511, false, verify.KindEntries},
		"bundles, tiles and no new root":  {func(l files) { keep(l, other, "0001/checkpoint") }, 300, true, verify.KindRoot},
		"a fork of what was not anchored": {func(l files) { keep(l, other, "") }, 0, false, ""},
		"a fork of what was anchored": {func(l files) {
			forged(t, audittest.Origin, 1, key, slices.Delete(slices.Clone(good), 100, 101), l)
		}, 0, true, verify.KindAnchor},
		"an older copy": {func(l files) { forged(t, audittest.Origin, 1, key, good[:200], l) }, 200, false, verify.KindAnchor},
		"another key":   {func(l files) { forged(t, audittest.Origin, 1, audittest.Key(t), good, l) }, 0, true, verify.KindSignature},
		"a stale partial bundle": {func(l files) {
			older := files{}
			forged(t, audittest.Origin, 1, key, changed[:710], older)
			l["0001/tile/entries/002.p/198"] = older["0001/tile/entries/002.p/198"]
		}, 700, false, verify.KindEntries},
	} {
		t.Run(name, func(t *testing.T) {
			l := log.clone()
			c.change(l)
			r := check(t, key, l, anchor)
			if c.kind == "" {
				if r.FirstBad != nil {
					t.Errorf("what nobody can know: %v", r.Findings)
				}
				return
			}
			if r.FirstBad == nil || r.FirstBad.Index == nil {
				t.Fatalf("%s: %v", r.Verdict, r.Findings)
			}
			if diff := cmp.Diff([]any{c.kind, c.index, c.from}, []any{r.FirstBad.Kind, *r.FirstBad.Index, r.FirstBad.From}); diff != "" {
				t.Errorf("%s\n%v", diff, r.Findings)
			}
		})
	}
}

// keep puts all files of another log in place but one.
func keep(l, other files, but string) {
	for name, b := range other {
		if name != but {
			l[name] = b
		}
	}
}

func TestPartsGoOnFromOneAnother(t *testing.T) {
	key := audittest.Key(t)
	one := raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 10))...)
	log := files{}
	closed := forged(t, audittest.Origin, 1, key, one, log)
	second := func(first audit.Record) [][]byte { return raws(t, append([]audit.Record{first}, many(100, 3)...)...) }
	two := func(l files, first audit.Record) []byte {
		return forged(t, audittest.Origin, 2, key, second(first), l)
	}
	last := two(log, ofLog(50, audit.ActionLogContinued, 2, string(closed)))
	foreign := forged(t, audittest.Origin, 1, audittest.Key(t), one, files{})
	for name, c := range map[string]struct {
		change func(l files)
		want   []finding
	}{
		"a part that goes on":              {func(files) {}, nil},
		"a part that was begun on request": {func(l files) { two(l, ofLog(50, audit.ActionLogRestarted, 2, string(closed))) }, []finding{{verify.KindAnchor, 2, 0}}},
		"a first record that says nothing": {func(l files) { two(l, intent(50, nil)) }, []finding{{verify.KindChain, 2, 0}, {verify.KindAnchor, 2, 0}, {verify.KindOpen, 2, 0}}},
		"the part before is shorter":       {func(l files) { forged(t, audittest.Origin, 1, key, one[:7], l) }, []finding{{verify.KindAnchor, 1, 7}, {verify.KindChain, 1, 7}}},
		"the part before has grown since it was closed": {func(l files) {
			forged(t, audittest.Origin, 1, key, append(slices.Clone(one), raws(t, intent(80, nil), outcome(80, nil))...), l)
		}, []finding{{verify.KindChain, 1, int64(len(one))}}},
		"a part is passed over": {func(l files) {
			forged(t, audittest.Origin, 3, key, raws(t, ofLog(60, audit.ActionLogContinued, 3, string(closed))), l)
		}, []finding{{verify.KindChain, 3, 0}}},
		"a part alone in place of the log": {func(l files) {
			for name, b := range log {
				if rest, ok := strings.CutPrefix(name, "0001/"); ok {
					l[rest] = b
				}
			}
			drop(l, "0001/")
			drop(l, "0002/")
		}, []finding{{verify.KindAbsent, 0, -1}}},
		"a good part in front of altered ones": {func(l files) { l["checkpoint"] = l["0001/checkpoint"]; delete(l, "0002/checkpoint") }, []finding{{verify.KindCheckpoint, 2, 0}}},
		"the part before is missing":           {func(l files) { drop(l, "0001/") }, []finding{{verify.KindAbsent, 0, -1}}},
		"the part behind is missing":           {func(l files) { drop(l, "0002/") }, []finding{{verify.KindAnchor, 2, 0}}},
		"a citation signed by another key":     {func(l files) { two(l, ofLog(50, audit.ActionLogContinued, 2, string(foreign))) }, []finding{{verify.KindAnchor, 2, 0}, {verify.KindCitation, 2, 0}}},
		"a citation of itself":                 {func(l files) { two(l, ofLog(50, audit.ActionLogContinued, 2, string(last))) }, []finding{{verify.KindAnchor, 2, 0}, {verify.KindChain, 2, 0}}},
		"a part in between is missing": {func(l files) {
			forged(t, audittest.Origin, 4, key, second(ofLog(60, audit.ActionLogContinued, 4, string(last))), l)
		}, []finding{{verify.KindChain, 3, -1}, {verify.KindID, 4, 1}, {verify.KindID, 4, 3}, {verify.KindID, 4, 5}}},
		"a folder in which nothing is yet":    {func(l files) { l["0003/.state/x"] = nil }, []finding{{verify.KindEmpty, 3, -1}}},
		"tiles without a checkpoint":          {func(l files) { delete(l, "0002/checkpoint") }, []finding{{verify.KindCheckpoint, 2, 0}}},
		"a part under another part's number":  {func(l files) { rename(l, "0002/", "0003/"); forgedCopy(t, log, l) }, []finding{{verify.KindCheckpoint, 3, 0}}},
		"other folders are no business of it": {func(l files) { l["1/checkpoint"], l["00003/checkpoint"], l["notes"] = nil, nil, nil }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			l := log.clone()
			c.change(l)
			r := check(t, key, l, closed, last)
			if diff := cmp.Diff(c.want, found(r)); diff != "" {
				t.Errorf("%s\n%v", diff, r.Findings)
			}
		})
	}
}

// TestPartsAfterALostKeyAreVerifiedByThemselves has a log that was restarted with another key, and the anchor that the controller writes then.
func TestPartsAfterALostKeyAreVerifiedByThemselves(t *testing.T) {
	lost, key, log := audittest.Key(t), audittest.Key(t), files{}
	closed := forged(t, audittest.Origin, 1, lost, raws(t, ofLog(0, audit.ActionLogStarted, 1, "")), log)
	last := forged(t, audittest.Origin, 2, key, raws(t, ofLog(1, audit.ActionLogRestarted, 2, string(closed)), ofLog(2, audit.ActionLogStarted, 2, string(closed))), log)
	a := audit.Anchor{Origin: audittest.Origin, Key: vkey(t, audittest.Origin, key), Part: 2, Checkpoint: string(last), Closed: []string{string(closed)}}
	verified := func(l files) []verify.Kind {
		r, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: l.dir(), Anchors: []audit.Anchor{a}}}, verify.Options{})
		must(t, err)
		return kinds(r)
	}
	if got := verified(log); !slices.Contains(got, verify.KindSignature) {
		t.Errorf("a part that another key has signed: %v", got)
	}
	drop(log, "0001/")
	if diff := cmp.Diff([]verify.Kind{verify.KindAbsent}, verified(log)); diff != "" {
		t.Error(diff)
	}
	a.Checkpoint = a.Closed[0]
	if got := verified(log); !slices.Contains(got, verify.KindAnchor) {
		t.Errorf("the newest checkpoint is signed by another key: %v", got)
	}
}

func drop(l files, prefix string) { rename(l, prefix, "") }

// rename moves a folder, or deletes it.
func rename(l files, from, to string) {
	for name, b := range l.clone() {
		if rest, ok := strings.CutPrefix(name, from); ok {
			delete(l, name)
			if to != "" {
				l[to+rest] = b
			}
		}
	}
}

func forgedCopy(t testing.TB, from, to files) {
	t.Helper()
	for name, b := range from {
		if strings.HasPrefix(name, "0002/") {
			to[name] = b
		}
	}
}

func TestWhatANotGivenKeyOrAnchorMeans(t *testing.T) {
	key, log := audittest.Key(t), files{}
	checkpoint := forged(t, audittest.Origin, 1, key, raws(t, ofLog(0, audit.ActionLogStarted, 1, "")), log)
	k := vkey(t, audittest.Origin, key)
	anchor := audit.Anchor{Origin: audittest.Origin, Key: k, Part: 1, Checkpoint: string(checkpoint)}
	named := log.clone()
	named["log.vkey"] = []byte(k + "\n")
	single := files{}
	for name, b := range log {
		single[strings.TrimPrefix(name, "0001/")] = b
	}
	for name, c := range map[string]struct {
		log    verify.Log
		source verify.KeySource
		want   []verify.Kind
	}{
		"all is given":                      {verify.Log{Dir: log.dir(), Key: k, Anchors: []audit.Anchor{anchor}}, verify.KeyGiven, nil},
		"the anchor has the key":            {verify.Log{Dir: log.dir(), Anchors: []audit.Anchor{anchor}}, verify.KeyFromAnchor, nil},
		"a part alone":                      {verify.Log{Dir: single.dir(), Key: k, Anchors: []audit.Anchor{anchor}}, verify.KeyGiven, nil},
		"a part alone and its anchor":       {verify.Log{Dir: single.dir(), Anchors: []audit.Anchor{anchor}}, verify.KeyFromAnchor, nil},
		"no anchor":                         {verify.Log{Dir: log.dir(), Key: k}, verify.KeyGiven, []verify.Kind{verify.KindNoAnchor}},
		"an anchor of another log":          {verify.Log{Dir: log.dir(), Key: k, Anchors: []audit.Anchor{{Origin: "other/log", Key: k, Checkpoint: "x"}}}, verify.KeyGiven, []verify.Kind{verify.KindNoAnchor}},
		"the log has the key":               {verify.Log{Dir: named.dir()}, verify.KeyFromLog, []verify.Kind{verify.KindNoAnchor, verify.KindNoKey}},
		"nothing":                           {verify.Log{Dir: log.dir()}, verify.KeyNone, []verify.Kind{verify.KindNoAnchor, verify.KindNoKey}},
		"another key than the anchor's":     {verify.Log{Dir: log.dir(), Key: vkey(t, audittest.Origin, audittest.Key(t)), Anchors: []audit.Anchor{anchor}}, verify.KeyGiven, []verify.Kind{verify.KindAnchor, verify.KindNoAnchor, verify.KindSignature}},
		"the key of another log":            {verify.Log{Dir: log.dir(), Key: vkey(t, "other/log", key), Anchors: []audit.Anchor{anchor}}, verify.KeyGiven, []verify.Kind{verify.KindCheckpoint, verify.KindNoAnchor}},
		"an empty folder that was anchored": {verify.Log{Dir: files{}.dir(), Key: k, Anchors: []audit.Anchor{anchor}}, verify.KeyGiven, []verify.Kind{verify.KindAnchor}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := verify.Verify(t.Context(), []verify.Log{c.log}, verify.Options{})
			must(t, err)
			if diff := cmp.Diff(c.want, kinds(r)); diff != "" || r.Logs[0].KeyFrom != c.source {
				t.Errorf("key from %s\n%s%v", r.Logs[0].KeyFrom, diff, r.Findings)
			}
		})
	}
}

func TestLogsAreComparedWithOneAnother(t *testing.T) {
	keys, name := map[string]ed25519.PrivateKey{}, func(n int) string { return fmt.Sprintf("test/replica-%d", n) }
	for n := range 2 {
		keys[name(n)] = audittest.Key(t)
	}
	started := raw(t, aNote(0, nil, audit.Operation{Action: audit.ActionLogStarted}))
	other := append([][]byte{started}, raws(t, append([]audit.Record{began(1, 3, "b")}, many(2, 5)...)...)...)
	zero := files{}
	cited := forged(t, name(0), 1, keys[name(0)], other[:8], files{})
	forged(t, name(0), 1, keys[name(0)], other, zero)
	for title, c := range map[string]struct {
		zero func(l files)
		term int64
		want []finding
	}{
		"what the new leader knew is there": {func(files) {}, 4, nil},
		"the log that it knew was cut":      {func(l files) { forged(t, name(0), 1, keys[name(0)], other[:6], l) }, 4, []finding{{verify.KindCitation, 1, 6}}},
		"the log that it knew was made anew": {func(l files) {
			forged(t, name(0), 1, keys[name(0)], slices.Concat(other[:4], other[6:]), l)
		}, 4, []finding{{verify.KindCitation, 1, 0}}},
		"a term that another one had": {func(files) {}, 3, []finding{{verify.KindTerm, 1, 1}}},
	} {
		t.Run(title, func(t *testing.T) {
			l, one := zero.clone(), files{}
			c.zero(l)
			forged(t, name(1), 1, keys[name(1)], append([][]byte{started}, raw(t, began(1, c.term, "a", string(cited)))), one)
			var logs []verify.Log
			for n, f := range []files{l, one} {
				logs = append(logs, verify.Log{Name: name(n), Dir: f.dir(), Key: vkey(t, name(n), keys[name(n)])})
			}
			r, err := verify.Verify(t.Context(), logs, verify.Options{})
			must(t, err)
			got := slices.DeleteFunc(found(r), func(f finding) bool { return f.Kind == verify.KindNoAnchor })
			if diff := cmp.Diff(c.want, got, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("%s\n%v", diff, r.Findings)
			}
		})
	}
}

// TestTermsOfTwoLeasesAreTwoThings has the logs of the controller and of the agent, which count their leaders by Leases of their own.
func TestTermsOfTwoLeasesAreTwoThings(t *testing.T) {
	started := raw(t, aNote(0, nil, audit.Operation{Action: audit.ActionLogStarted}))
	verified := func(leases ...string) []finding {
		var logs []verify.Log
		for n, lease := range leases {
			l, name, key := files{}, fmt.Sprintf("test/replica-%d", n), audittest.Key(t)
			forged(t, name, 1, key, append([][]byte{started}, raw(t, beganOf(lease, 1, 3, name))), l)
			logs = append(logs, verify.Log{Name: name, Dir: l.dir(), Key: vkey(t, name, key)})
		}
		r, err := verify.Verify(t.Context(), logs, verify.Options{})
		must(t, err)
		return slices.DeleteFunc(found(r), func(f finding) bool { return f.Kind == verify.KindNoAnchor })
	}
	if got := verified("waxwing-controller", "waxwing-agent"); len(got) > 0 {
		t.Errorf("the agent's term is taken for one of the controller's: %v", got)
	}
	if diff := cmp.Diff([]finding{{verify.KindTerm, 1, 1}}, verified("waxwing-agent", "waxwing-agent")); diff != "" {
		t.Error(diff)
	}
}

// TestAPartThatOthersCiteIsMissed has a log whose newest part is gone, and with it all that its own anchor is not new enough to know; the other replica's leader knew it.
func TestAPartThatOthersCiteIsMissed(t *testing.T) {
	key, other, of, by := audittest.Key(t), audittest.Key(t), audittest.Origin, "test/replica-1"
	log, one := files{}, files{}
	started := raw(t, aNote(0, nil, audit.Operation{Action: audit.ActionLogStarted}))
	closed := forged(t, of, 1, key, [][]byte{started}, log)
	cited := forged(t, of, 2, key, raws(t, ofLog(1, audit.ActionLogContinued, 2, string(closed))), log)
	last := forged(t, by, 1, other, append([][]byte{started}, raw(t, began(2, 1, "a", string(cited)))), one)
	anchor := func(origin string, key ed25519.PrivateKey, signed []byte) []audit.Anchor {
		return []audit.Anchor{{Origin: origin, Key: vkey(t, origin, key), Part: 1, Checkpoint: string(signed)}}
	}
	verified := func(l files) []finding {
		r, err := verify.Verify(t.Context(), []verify.Log{
			{Name: "log", Dir: l.dir(), Anchors: anchor(of, key, closed)}, {Name: "one", Dir: one.dir(), Anchors: anchor(by, other, last)},
		}, verify.Options{})
		must(t, err)
		return found(r)
	}
	if got := verified(log); len(got) > 0 {
		t.Errorf("all is there: %v", got)
	}
	alone := files{"checkpoint": log["0001/checkpoint"]}
	for name, b := range log {
		if rest, ok := strings.CutPrefix(name, "0001/"); ok {
			alone[rest] = b
		}
	}
	drop(log, "0002/")
	if diff := cmp.Diff([]finding{{verify.KindCitation, 2, 0}}, verified(log)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]finding{{verify.KindAbsent, 0, -1}}, verified(alone)); diff != "" {
		t.Error(diff)
	}
}
