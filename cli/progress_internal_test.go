package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

// errConsole is a Terminal on standard error.
type errConsole struct {
	Terminal
	interactive bool
}

func (c errConsole) ErrInteractive() bool { return c.interactive }

func barEnv(out *bytes.Buffer, term string, terminal Terminal, step time.Duration) *Env {
	now := time.Unix(0, 0)
	return &Env{Stderr: out, Terminal: terminal,
		Getenv: func(name string) string {
			if name == "TERM" {
				return term
			}
			return ""
		},
		Now: func() time.Time { now = now.Add(step); return now },
	}
}

func TestTheBarIsOneLineThatGoesAway(t *testing.T) {
	var out bytes.Buffer
	p := newProgress(barEnv(&out, "xterm", errConsole{interactive: true}, 50*time.Millisecond), "sealing", 1000)
	for range 1000 {
		p.step()
	}
	p.finish()
	p.finish()
	text := out.String()
	lines := strings.Split(text, "\r")
	if len(lines) < 100 || !strings.HasPrefix(lines[len(lines)-3], "sealing [##############################] ") {
		t.Fatalf("%d lines; the last is %q", len(lines), lines[max(len(lines)-3, 0)])
	}
	if lines[1] != "sealing [..............................] 6/1000 files" {
		t.Errorf("the first is %q", lines[1])
	}
	last := lines[len(lines)-2]
	if strings.Trim(last, " ") != "" || len(last) < len(lines[len(lines)-3]) || lines[len(lines)-1] != "" {
		t.Errorf("it is not cleared: %q", lines[len(lines)-3:])
	}
	if strings.ContainsAny(text, "\n\x1b") {
		t.Errorf("it holds breaks or sequences: %q", text)
	}
}

func TestTheBarIsNotShown(t *testing.T) {
	var out bytes.Buffer
	for name, env := range map[string]*Env{
		"in a pipe":            barEnv(&out, "xterm", errConsole{}, time.Hour),
		"on a dumb terminal":   barEnv(&out, "dumb", errConsole{interactive: true}, time.Hour),
		"without a terminal":   barEnv(&out, "xterm", nil, time.Hour),
		"before it takes long": barEnv(&out, "xterm", errConsole{interactive: true}, time.Microsecond),
	} {
		p := newProgress(env, "sealing", 10)
		for range 10 {
			p.step()
		}
		p.finish()
		if out.Len() > 0 {
			t.Errorf("%s: %q", name, out.String())
		}
	}
}
