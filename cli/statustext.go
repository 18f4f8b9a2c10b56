package cli

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/cli/standing"
)

const (
	// maxColumn is how wide a column becomes for the sake of one cell; longer cells stick out.
	maxColumn = 100
	// maxTold is how many objects are explained below the table.
	maxTold = 20
)

// statusReport is what seal status found.
type statusReport struct {
	rows         []standing.Row
	summary      standing.Summary
	problemsOnly bool
	warnings     []string
	failure      error // why something could not be read or asked
}

func newStatusReport(rows []standing.Row) *statusReport {
	return &statusReport{rows: rows, summary: standing.Summarize(rows)}
}

func (r *statusReport) shown() []*standing.Row {
	rows := make([]*standing.Row, 0, len(r.rows))
	for i := range r.rows {
		if row := &r.rows[i]; row.Wrong || !r.problemsOnly {
			rows = append(rows, row)
		}
	}
	return rows
}

func (r *statusReport) json() any {
	failures := []string{}
	if r.failure != nil {
		for _, err := range split(r.failure) {
			failures = append(failures, err.Error())
		}
	}
	return map[string]any{"objects": r.shown(), "summary": r.summary, "warnings": append([]string{}, r.warnings...), "errors": failures}
}

func (r *statusReport) text(t *reportText) {
	rows := r.shown()
	if len(rows) > 0 {
		table := [][]cell{{{text: "OBJECT"}, {text: "GIT"}, {text: "READY"}, {text: "SECRET"}, {text: "SEALED FOR"}, {text: "FILE"}}}
		for _, row := range rows {
			table = append(table, cellsOf(row))
		}
		t.table(table)
		t.line(0, "")
	}
	r.tell(t, rows)
	code := green
	if r.summary.Wrong > 0 {
		code = red
	}
	t.line(0, t.paint(code, r.summary.Text()))
}

// cell is a text with its colour; an empty one for none.
type cell struct{ text, colour string }

func cellsOf(row *standing.Row) []cell {
	file := row.File
	if row.Document > 1 {
		file += fmt.Sprintf(" (%d)", row.Document)
	}
	if row.FileName != "" {
		file += " as " + shown(row.FileName)
	}
	return []cell{{text: statusPlace(row)}, gitCell(row), readyCell(row), secretCell(row.Secret), sealedCell(row), {text: dashed(file)}}
}

// statusPlace names the object; a namespace that is not known is a question mark.
func statusPlace(row *standing.Row) string {
	if row.Namespace == "" {
		return "?/" + shown(row.Name)
	}
	return placeText(row.Namespace, row.Name)
}

func dashed(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

func gitCell(row *standing.Row) cell {
	text := strings.ReplaceAll(string(row.Git), "-", " ")
	if row.WrapsOnly {
		text += " (wraps)"
	}
	switch row.Git {
	case standing.InSync:
		return cell{text, ""}
	case standing.Unknown:
		return cell{"?", yellow}
	case standing.ClusterOnly, standing.Elsewhere:
		return cell{text, yellow}
	case standing.Broken:
		return cell{text, red}
	}
	return cell{text, yellow}
}

func readyCell(row *standing.Row) cell {
	switch row.Ready {
	case standing.Absent:
		return cell{"-", ""}
	case standing.Yes:
		return cell{"yes", green}
	case standing.Suspended, standing.Unseen, standing.Deleting:
		return cell{string(row.Ready), yellow}
	case standing.Stalled, standing.No:
		return cell{string(row.Ready) + " " + shown(row.Reason), red}
	}
	return cell{string(row.Ready) + " " + shown(row.Reason), yellow}
}

func secretCell(s standing.Secret) cell {
	switch s {
	case standing.SecretOK, standing.SecretSaid:
		return cell{string(s), ""}
	case standing.SecretMissing, standing.SecretChanged:
		return cell{string(s), red}
	}
	return cell{dashed(string(s)), yellow}
}

// sealedCell names the holders; what is wrong with one stands behind it.
func sealedCell(row *standing.Row) cell {
	var parts []string
	code := ""
	for _, h := range row.SealedFor {
		part := shown(h.Holder)
		switch h.Wraps {
		case standing.WrapsCurrent:
		case standing.WrapsUnknown:
			part += "?"
		case standing.WrapsNoKeyring:
			part += " (no keyring)"
		case standing.WrapsCompromised:
			part, code = part+" (compromised)", red
		default:
			part += " (" + string(h.Wraps) + ")"
			if code == "" {
				code = yellow
			}
		}
		parts = append(parts, part)
	}
	text := dashed(strings.Join(parts, ", "))
	if len(row.Exposed) > 0 {
		text, code = text+"; exposed", red
	}
	return cell{text, code}
}

// table writes rows in columns, as wide as they have to be.
func (t *reportText) table(rows [][]cell) {
	var widths []int
	for _, row := range rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if n := utf8.RuneCountInString(c.text); n <= maxColumn {
				widths[i] = max(widths[i], n)
			}
		}
	}
	for _, row := range rows {
		var line styled
		for i, c := range row {
			if c.colour == "" {
				line += styled(strings.Map(visible, c.text))
			} else {
				line += t.paint(c.colour, c.text)
			}
			if i < len(row)-1 {
				line += styled(strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(c.text), 0)+2))
			}
		}
		t.line(0, line)
	}
}

// tell explains what is wrong: what the controller says of objects, and below that what can be done, once for each kind.
func (r *statusReport) tell(t *reportText, rows []*standing.Row) {
	told := 0
	var hints []string
	for i, row := range rows {
		hints = append(hints, statusHint(row))
		again := i > 0 && statusPlace(rows[i-1]) == statusPlace(row)
		if again && row.File != "" && rows[i-1].File != "" {
			hints = append(hints, "several files have the same object: the cluster has the one that was applied last")
		}
		if !row.Wrong || row.Message == "" || again {
			continue
		}
		if told++; told <= maxTold {
			t.line(0, t.bold(statusPlace(row))+styled(": "+strings.Map(visible, cut(row.Reason+": "+row.Message, maxMessage))))
		}
	}
	if told > maxTold {
		t.note(0, fmt.Sprintf("and %d more; -o json has all", told-maxTold))
	}
	hints = slices.DeleteFunc(unique(hints), func(h string) bool { return h == "" })
	for _, h := range hints {
		t.note(0, "hint: "+h)
	}
	if told > 0 || len(hints) > 0 {
		t.line(0, "")
	}
}

// statusHint is what can be done about a row; the same for all rows of one kind, so that it is said once.
func statusHint(row *standing.Row) string {
	switch {
	case row.Git == standing.Broken:
		return "broken: seal check says what is wrong with the file"
	case row.Git == standing.NotApplied:
		return "not applied: let your delivery tool sync, or kubectl apply -f FILE"
	case row.Git == standing.ClusterOlder:
		return "cluster older: let your delivery tool sync, or kubectl apply -f FILE"
	case row.Git == standing.ClusterNewer:
		return "cluster newer: somebody applied what is not in this checkout; git pull, or commit it"
	case row.Git == standing.Differs:
		return "differs: the same age, and other content; apply the one that is meant"
	case row.Git == standing.Unknown && row.Namespace == "":
		return "?: no namespace is known for the file; name it with -n, or in its environment of .seal.yaml, or look everywhere with -A"
	case row.Ready == standing.Unseen && row.Wrong:
		return "unseen: is the controller running, and does it open GitSecrets of that namespace? seal doctor --cluster"
	case row.Ready == standing.Yes && (row.Secret == standing.SecretMissing || row.Secret == standing.SecretChanged):
		return "Secret " + string(row.Secret) + ": the controller puts it right by itself; if it stays so, seal doctor --cluster"
	case row.Ready == standing.Yes && row.Secret == standing.SecretOld:
		return "Secret old: is the controller running? seal doctor --cluster"
	case hasWraps(row, standing.WrapsCompromised), len(row.Exposed) > 0:
		return "compromised, exposed: renew the values at their sources, and set them with seal set or seal edit; seal keys exposed lists them"
	case row.NeedsRewrap() && row.File != "":
		return "rewrap: seal rewrap FILE takes new wraps from the cluster; values stay as they are"
	}
	return ""
}

func hasWraps(row *standing.Row, want standing.Wraps) bool {
	for _, h := range row.SealedFor {
		if h.Wraps == want {
			return true
		}
	}
	return false
}
