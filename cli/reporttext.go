package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// colours says whether standard output may be coloured. The console of Windows shows colours only inside of newer terminals.
func (e *Env) colours() bool {
	if !e.stdoutIsTerminal() || e.Getenv("NO_COLOR") != "" || e.Getenv("TERM") == "dumb" {
		return false
	}
	return runtime.GOOS != "windows" || e.Getenv("WT_SESSION") != ""
}

// reportText collects lines of a report for people. Nothing that is put in reaches a terminal but as characters that it just prints.
type reportText struct {
	out    *bytes.Buffer
	colour bool
}

const (
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	strong = "\x1b[1m"
	plain  = "\x1b[m"
)

// styled is text that is safe to print already.
type styled string

func (t *reportText) paint(code, text string) styled {
	text = strings.Map(visible, text)
	if !t.colour {
		return styled(text)
	}
	return styled(code + text + plain)
}

func (t *reportText) bold(text string) styled { return t.paint(strong, text) }

// line writes one line; level is how deep it is indented.
func (t *reportText) line(level int, text styled) {
	if text != "" {
		t.out.WriteString(strings.Repeat("  ", level))
		t.out.WriteString(string(text))
	}
	t.out.WriteByte('\n')
}

// mark writes a line that begins with +, ~, - or !, in its colour.
func (t *reportText) mark(level int, mark rune, text string) {
	code := map[rune]string{'+': green, '-': red, '~': yellow, '!': red}[mark]
	text = string(mark) + " " + text
	if code == "" {
		t.line(level, t.paint("", text))
		return
	}
	t.line(level, t.paint(code, text))
}

// note writes a line without a mark, below marked ones.
func (t *reportText) note(level int, text string) { t.line(level, styled(strings.Map(visible, text))) }

// shownTime is a time from a file as it is, where it is one.
func shownTime(text string) string {
	if _, err := time.Parse(time.RFC3339, text); err != nil {
		return shown(text)
	}
	return text
}

// shownKeys are key ids as people see them.
func shownKeys(ids []string) string {
	texts := make([]string, len(ids))
	for i, id := range ids {
		texts[i] = shown(id)
		if len(id) == seal.KeyIDSize {
			texts[i] = shown(id[:seal.KeyIDDisplay])
		}
	}
	return strings.Join(texts, ", ")
}

// cut is text with at most limit characters.
func cut(text string, limit int) string {
	if utf8.RuneCountInString(text) <= limit {
		return text
	}
	runes := []rune(text)
	return string(runes[:limit-1]) + "…"
}

// printableJSON is v as indented JSON in which everything that a terminal does not just print is escaped.
func printableJSON(v any) ([]byte, error) {
	b, err := secret.Marshal(v)
	if err != nil {
		return nil, err
	}
	var out, safe bytes.Buffer
	if err := json.Indent(&out, b, "", "  "); err != nil {
		return nil, err
	}
	for _, r := range out.String() {
		switch {
		case unicode.IsPrint(r) || r == '\n':
			safe.WriteRune(r)
		case r > 0xffff:
			high := 0xd800 + (r-0x10000)>>10
			low := 0xdc00 + (r-0x10000)&0x3ff
			fmt.Fprintf(&safe, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&safe, `\u%04x`, r)
		}
	}
	return append(safe.Bytes(), '\n'), nil
}
