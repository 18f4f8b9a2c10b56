package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/audit"
)

// tailWidths are those of the columns of seal audit tail, which are printed before all lines are known; the last one has none.
var tailWidths = [...]int{len("1/1000000"), len("2026-11-23T02:22:00Z"), len("keyring.publish"), 32, 32}

// maxTailMessage is how much of a message a line has room for, in characters.
const maxTailMessage = 160

// show prints a record. without says that no outcome follows the intent.
func (t *tail) show(e *entry, without bool) error {
	t.shown++
	if t.o.output.name == "json" {
		line, err := recordLine(e.raw, t.env.stdoutIsTerminal())
		if err != nil {
			return failed("seal audit verify says whether the log was altered", "record %s: is not JSON", e.name())
		}
		return t.env.writeOut(stdinArg, append(line, '\n'), 0)
	}
	var out bytes.Buffer
	text := reportText{out: &out, colour: t.env.colours()}
	if !t.headed {
		t.headed = true
		tailLine(&text, "RECORD", "TIME", "ACTION", "OBJECT", "ACTOR", cell{text: "OUTCOME"})
	}
	action, object, actor := "-", "-", "-"
	if e.op != nil {
		action, object, actor = shown(string(e.op.Action)), recordObject(e.op.Object), recordActor(e.op.Actor)
	}
	at := "-"
	if e.err == nil {
		at = e.record.Time.UTC().Format(time.RFC3339)
	}
	tailLine(&text, e.name(), at, action, object, actor, e.outcome(without))
	return t.env.writeOut(stdinArg, out.Bytes(), 0)
}

func tailLine(t *reportText, record, at, action, object, actor string, last cell) {
	var line strings.Builder
	for i, column := range []string{record, at, action, object, actor} {
		column = strings.Map(visible, column)
		line.WriteString(column)
		line.WriteString(strings.Repeat(" ", max(tailWidths[i]-utf8.RuneCountInString(column), 0)+2))
	}
	text := styled(strings.Map(visible, last.text))
	if last.colour != "" {
		text = t.paint(last.colour, last.text)
	}
	t.line(0, styled(line.String())+text)
}

// recordLine is a record as it is. For a terminal, what that does not just print is escaped.
func recordLine(raw []byte, terminal bool) ([]byte, error) {
	if terminal {
		b, err := printableJSON(json.RawMessage(raw))
		if err != nil {
			return nil, err
		}
		raw = b
	}
	if !terminal && !bytes.ContainsAny(raw, "\n\r") {
		if !json.Valid(raw) {
			return nil, fmt.Errorf("not JSON")
		}
		return raw, nil
	}
	var line bytes.Buffer
	err := json.Compact(&line, raw)
	return line.Bytes(), err
}

// name is what seal audit prove takes.
func (e *entry) name() string { return fmt.Sprintf("%d/%d", e.part, e.index) }

// recordObject is kind and place of an object.
func recordObject(o audit.Object) string {
	place := placeText(o.Namespace, o.Name)
	switch {
	case o.Kind == "" && o.Name == "":
		return "-"
	case o.Kind == "":
		return place
	}
	return strings.TrimSpace(shown(o.Kind) + " " + place)
}

// recordActor is who is behind an operation: the user that admission has vouched for, or whoever the object says.
func recordActor(a audit.Actor) string {
	text := dashed(a.User)
	if strings.ContainsFunc(text, func(r rune) bool { return !strings.ContainsRune(plainChars+"@:+=", r) }) {
		text = fmt.Sprintf("%q", cut(text, maxShown))
	}
	if a.User == audit.Unattributed && a.Manager != "" {
		text += " (" + shown(a.Manager) + ")"
	}
	if a.Signer != "" {
		text += " signed " + shown(a.Signer)
	}
	return text
}

// outcome is the last column.
func (e *entry) outcome(without bool) cell {
	switch {
	case e.err != nil:
		return cell{"cannot be read: " + cut(e.err.Error(), maxTailMessage), red}
	case e.record.Phase == audit.PhaseIntent && without:
		return cell{"intent without outcome", yellow}
	case e.record.Phase == audit.PhaseIntent:
		return cell{"intent", ""}
	case e.record.Outcome == nil:
		return cell{"-", ""}
	}
	out := e.record.Outcome
	c := cell{text: "ok", colour: green}
	if !out.OK {
		c = cell{text: strings.TrimSpace("failed " + shown(out.Reason)), colour: red}
	} else if out.Reason != "" {
		c.text += " " + shown(out.Reason)
	}
	if more := joined(out.Message, aside(e.op)); more != "" {
		c.text += ": " + cut(more, maxTailMessage)
	}
	return c
}

// aside says in words what the records about terms and about the log itself carry.
func aside(op *audit.Operation) string {
	if op == nil {
		return ""
	}
	text := ""
	if op.Term != nil {
		text = fmt.Sprintf("%s leads in term %d", shown(op.Term.Holder), op.Term.Number)
	}
	if op.Log != nil {
		text = joined(text, fmt.Sprintf("part %d", op.Log.Part))
		if n := len(op.Log.Unmatched) + op.Log.More; n > 0 {
			text = joined(text, countOf(n, "intent")+" of the run before without outcome")
		}
	}
	return text
}

func joined(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + "; " + b
}
