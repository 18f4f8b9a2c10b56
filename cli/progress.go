package cli

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// barAfter is how long a run takes before it shows a bar, barEvery how often it is drawn.
	barAfter = 300 * time.Millisecond
	barEvery = 100 * time.Millisecond
	barWidth = 30
)

// progress is a bar on a terminal's standard error: one line, without colours or other sequences, that goes away in the end. A nil one shows nothing.
type progress struct {
	mu          sync.Mutex
	w           io.Writer
	now         func() time.Time
	verb        string
	total, done int
	next        time.Time // when to draw again
	drawn       int       // length of what stands on the line
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
	return &progress{w: env.Stderr, now: env.Now, verb: verb, total: total, next: env.Now().Add(barAfter)}
}

// step counts one more. It may be called from several goroutines.
func (p *progress) step() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	now := p.now()
	if now.Before(p.next) {
		return
	}
	p.next = now.Add(barEvery)
	filled := barWidth * p.done / p.total
	line := fmt.Sprintf("%s [%s%s] %d/%d files", p.verb, strings.Repeat("#", filled), strings.Repeat(".", barWidth-filled), p.done, p.total)
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
