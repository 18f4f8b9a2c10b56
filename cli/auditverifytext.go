package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/audit/verify"
)

// maxShownFindings is how many findings a text lists; nobody reads more. -o json has all of them.
const maxShownFindings = 50

// auditReport is what `seal audit verify` has found.
type auditReport struct {
	*verify.Report
	Proofs []provedRecord `json:"proofs,omitempty"`
}

// judgeProofs counts proofs that prove nothing into the verdict.
func (r *auditReport) judgeProofs() {
	for _, p := range r.Proofs {
		if !p.Proved {
			r.Verdict = verify.Altered
		}
	}
}

func (r *auditReport) text(t *reportText) {
	t.line(0, r.verdict(t))
	for _, p := range r.Proofs {
		p.text(t)
	}
	for i := range r.Logs {
		t.line(0, "")
		logText(t, &r.Logs[i])
	}
	if len(r.Findings) == 0 {
		return
	}
	t.line(0, "")
	for _, f := range r.Findings[:min(len(r.Findings), maxShownFindings)] {
		mark := '~'
		if f.Kind.Altered() {
			mark = '!'
		}
		t.mark(0, mark, cut(f.String(), maxFinding))
	}
	if more := len(r.Findings) - maxShownFindings; more > 0 || r.More > 0 {
		t.note(0, fmt.Sprintf("and %s; -o json has %d", countOf(max(more, 0)+r.More, "more finding"), len(r.Findings)))
	}
}

// maxFinding is how long a finding is shown, in characters.
const maxFinding = 400

// verdict is the first line.
func (r *auditReport) verdict(t *reportText) styled {
	switch {
	case r.FirstBad != nil:
		return t.paint(red, "altered: "+cut(r.FirstBad.String(), maxFinding))
	case r.Verdict == verify.Altered:
		for _, p := range r.Proofs {
			if !p.Proved {
				return t.paint(red, "altered: "+p.File+": "+cut(p.Message, maxFinding))
			}
		}
	case r.Verdict == verify.Findings:
		return t.paint(yellow, fmt.Sprintf("findings: %d; nothing was altered in what was checked", len(r.Findings)+r.More))
	}
	what := []string{}
	if n := len(r.Logs); n > 0 {
		what = append(what, countOf(n, "log"))
	}
	if n := len(r.Proofs); n > 0 {
		what = append(what, countOf(n, "proof"))
	}
	return t.paint(green, "ok: "+strings.Join(what, " and ")+" verified")
}

func logText(t *reportText, l *verify.LogReport) {
	t.line(0, t.bold(l.Name))
	t.note(1, "log        "+dashed(l.Origin))
	from := map[verify.KeySource]string{verify.KeyGiven: "given", verify.KeyFromAnchor: "from the anchor", verify.KeyFromLog: "from the log itself", verify.KeyNone: "none"}[l.KeyFrom]
	t.note(1, "key        "+strings.TrimSpace(cut(l.Key, maxColumn*2)+" ("+from+")"))
	for _, p := range l.Parts {
		text := fmt.Sprintf("part %-4d  %s", p.Part, countOf(int(p.Size), "record"))
		if !p.First.IsZero() {
			text += ", " + p.First.UTC().Format(time.RFC3339) + " to " + p.Last.UTC().Format(time.RFC3339)
		}
		if p.Anchored > 0 {
			text += fmt.Sprintf(", anchored up to %d", p.Anchored)
		}
		if p.Waiting > 0 {
			text += fmt.Sprintf(", %d more in the journal", p.Waiting)
		}
		t.note(1, text)
	}
	t.note(1, fmt.Sprintf("unmatched  %s without outcome", countOf(l.Unmatched, "intent"))+openText(l.Open))
	for _, text := range l.Checked {
		t.note(1, "checked    "+text)
	}
	for _, text := range l.NotChecked {
		t.note(1, "unchecked  "+text)
	}
}

func openText(open int) string {
	if open == 0 {
		return ""
	}
	return fmt.Sprintf(", %d of them at the end of the log", open)
}

// text says what a proof proves.
func (p *provedRecord) text(t *reportText) {
	t.line(0, "")
	t.line(0, t.bold(p.File))
	if !p.Proved {
		t.mark(1, '!', "proves nothing: "+cut(p.Message, maxFinding))
		return
	}
	t.note(1, "log        "+p.Origin)
	t.note(1, fmt.Sprintf("record     %d/%d, of %s", p.Part, p.Index, countOf(int(p.Size), "record")))
	r := p.proof.Record
	t.note(1, "time       "+r.Time.UTC().Format(time.RFC3339))
	if op := r.Operation; op != nil {
		t.note(1, "action     "+shown(string(op.Action)))
		t.note(1, "object     "+recordObject(op.Object))
		t.note(1, "actor      "+recordActor(op.Actor))
	}
	e := entry{record: r, op: r.Operation}
	t.note(1, "outcome    "+e.outcome(false).text)
	if line, err := json.Marshal(p.Record); err == nil {
		t.note(1, "as logged  "+string(line))
	}
}

// failure sums up what has to be looked at.
func (r *auditReport) failure() error {
	switch r.Verdict {
	case verify.OK:
		return nil
	case verify.Altered:
		msg := "a proof proves nothing"
		if r.FirstBad != nil {
			msg = "the log is not what was recorded"
		}
		return &failure{msg: msg, hint: "keep it as it is, and compare it with another copy; docs/audit.md says what can be behind it", code: exitTampered}
	}
	return findings()
}
