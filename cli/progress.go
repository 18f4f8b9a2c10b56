package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/spf13/pflag"
)

const (
	// barAfter is how long a run takes before it shows a bar, barEvery how often it is drawn.
	barAfter = 300 * time.Millisecond
	barEvery = 100 * time.Millisecond
	barWidth = 30
	// lineEvery is how often a line is written instead, where there is no terminal.
	lineEvery = 5 * time.Second
)

// progress is a bar on a terminal's standard error: one line, without colours or other sequences, that goes away in the end. A nil one shows nothing.
type progress struct {
	mu          sync.Mutex
	w           io.Writer
	now         func() time.Time
	verb, unit  string
	total, done int
	next        time.Time // when to draw again
	drawn       int       // length of what stands on the line
	name        string    // of what is worked on, with a space after it
	lines       bool      // write lines instead of a bar
}

// errorTerminal is a Terminal that knows standard error, too.
type errorTerminal interface {
	ErrInteractive() bool
}

// newProgress is nil where standard error is no terminal, or a dumb one.
func newProgress(env *Env, verb string, total int) *progress {
	t, ok := env.Terminal.(errorTerminal)
	if !ok || !t.ErrInteractive() || env.Getenv("TERM") == "dumb" {
		return nil
	}
	return &progress{w: env.Stderr, now: env.Now, verb: verb, unit: "files", total: total, next: env.Now().Add(barAfter)}
}

// progressFlag is --progress, for commands that may take minutes: it tells where standard error is no terminal, too.
type progressFlag struct{ on bool }

func (f *progressFlag) addTo(flags *pflag.FlagSet) {
	flags.BoolVar(&f.on, "progress", false, "say now and then how far it is, also where standard error is no terminal")
}

// start begins to tell.
func (f *progressFlag) start(env *Env, verb, unit string) *progress {
	p := newProgress(env, verb, 0)
	if p == nil && f.on {
		p = &progress{w: env.Stderr, now: env.Now, verb: verb, lines: true, next: env.Now().Add(lineEvery)}
	}
	if p != nil {
		p.unit = unit
	}
	return p
}

// set says how far the work on the thing called name is.
func (p *progress) set(name string, done, total int) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.name, p.done, p.total = name+" ", done, total
	p.draw()
}

// step counts one more. It may be called from several goroutines.
func (p *progress) step() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.draw()
}

// draw shows how far it is, if it is time to. p.mu is held.
func (p *progress) draw() {
	now := p.now()
	if now.Before(p.next) {
		return
	}
	if p.lines {
		p.next = now.Add(lineEvery)
		message(p.w, "seal: ", fmt.Sprintf("%s %s%d of %d %s", p.verb, p.name, p.done, p.total, p.unit))
		return
	}
	p.next = now.Add(barEvery)
	filled := barWidth * min(p.done, p.total) / max(p.total, 1)
	line := fmt.Sprintf("%s %s[%s%s] %d/%d %s", p.verb, p.name, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), p.done, p.total, p.unit)
	_, _ = fmt.Fprintf(p.w, "\r%-*s", p.drawn, line)
	p.drawn = len(line)
}

// finish takes the bar away.
func (p *progress) finish() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.drawn > 0 {
		_, _ = fmt.Fprintf(p.w, "\r%s\r", strings.Repeat(" ", p.drawn))
	}
	p.drawn = 0
}
