package verify

import (
	"fmt"
	"slices"
)

// terms compares the terms of all logs: of a Lease, a number belongs to one holder. The controller and the agent count each by a Lease of its own.
func (v *verifier) terms() {
	type term struct {
		lease  string
		number int64
	}
	type owner struct {
		log    *logCheck
		holder string
	}
	first := map[term]owner{}
	for _, l := range v.logs {
		for _, t := range l.judge.terms {
			o, known := first[term{t.lease, t.number}]
			if !known {
				first[term{t.lease, t.number}] = owner{l, t.holder}
				continue
			}
			if o.log != l && o.holder != t.holder {
				l.report(Finding{Part: t.at.part, Index: &t.at.index, Kind: KindTerm, Text: fmt.Sprintf("term %d began here for %q and in %s for %q", t.number, cut(t.holder, 300), o.log.Name, cut(o.holder, 300))})
			}
		}
	}
}

// sum makes the report.
func (v *verifier) sum() *Report {
	names := map[string]int{}
	r := &Report{Verdict: OK, Logs: []LogReport{}, More: v.found.more}
	for i, l := range v.logs {
		names[l.Name] = i
		l.sum()
		r.Logs = append(r.Logs, l.out)
	}
	slices.SortStableFunc(v.found.altered, byPlace(names))
	if len(v.found.rest) > 0 {
		r.Verdict = Findings
	}
	if len(v.found.altered) > 0 {
		r.Verdict, r.FirstBad = Altered, &v.found.altered[0]
	}
	r.Findings = slices.Concat([]Finding{}, v.found.altered, v.found.rest)
	slices.SortStableFunc(r.Findings, byPlace(names))
	return r
}

// sum says what the verdict on the log rests on.
func (l *logCheck) sum() {
	l.out.Unmatched, l.out.Open = l.judge.unmatched, l.judge.openAtEnd
	yes := func(format string, args ...any) { l.out.Checked = append(l.out.Checked, fmt.Sprintf(format, args...)) }
	no := func(format string, args ...any) {
		l.out.NotChecked = append(l.out.NotChecked, fmt.Sprintf(format, args...))
	}
	records := uint64(0)
	for _, p := range l.out.Parts {
		records += p.Read
	}
	yes("%d records in %d parts: bytes, form, tiles and roots", records, len(l.out.Parts))
	switch l.out.KeyFrom {
	case KeyGiven:
		yes("checkpoints are signed by the key that was given")
	case KeyFromAnchor:
		yes("checkpoints are signed by the anchor's key")
	case KeyFromLog:
		no("whose key it is: it came from the log's own folder")
	case KeyNone:
		no("signatures: there is no key")
	}
	if l.out.Anchors > 0 {
		yes("compared with %d anchored checkpoints", l.out.Anchors)
	} else {
		no("how long the log has to be: no anchor of it was given")
	}
	if l.out.Citations > 0 {
		yes("compared with %d checkpoints that records cite", l.out.Citations)
	}
	first := 0
	if len(l.out.Parts) > 0 {
		first = l.out.Parts[0].Part
	}
	if first > 1 {
		no("parts before %d, and what in part %d belongs to a process that began before it", first, first)
	}
}
