package toolcache

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	// everyLine is the time between lines where they add up, as in a CI log.
	everyLine = 15 * time.Second
	// everyRedraw is the time between updates of one line on a terminal.
	everyRedraw = time.Second
)

// meter tells people how far a long command is. Its methods may be called concurrently.
type meter struct {
	w        io.Writer
	terminal bool
	now      func() time.Time
	headline string
	began    time.Time
	done     chan struct{}
	ended    sync.WaitGroup

	mu        sync.Mutex
	want      int
	compiled  int
	downloads int
}

// newMeter prints the headline and then, until stop, how far things are.
func newMeter(w io.Writer, terminal bool, now func() time.Time, headline string) *meter {
	m := &meter{w: w, terminal: terminal, now: now, headline: headline, began: now(), done: make(chan struct{})}
	if !terminal {
		fmt.Fprintln(w, headline)
	}
	every := everyLine
	if terminal {
		every = everyRedraw
	}
	m.ended.Go(func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			m.draw()
			select {
			case <-tick.C:
			case <-m.done:
				return
			}
		}
	})
	return m
}

// stop ends the updates.
func (m *meter) stop() {
	close(m.done)
	m.ended.Wait()
	if m.terminal {
		fmt.Fprint(m.w, "\r\x1b[K")
	}
}

// expect sets the number of packages to compile.
func (m *meter) expect(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.want = n
}

// downloading takes a line of the go command and says whether it tells of a download.
func (m *meter) downloading(line string) bool {
	if !strings.HasPrefix(line, "go: downloading ") {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.downloads++
	return true
}

// compiling takes a line of `go build -v` and says whether it is the name of a package, which stands alone.
func (m *meter) compiling(line string) bool {
	if m.downloading(line) {
		return true
	}
	if line == "" || strings.ContainsAny(line, " \t:#") {
		return false
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.compiled++
	return true
}

// status is how far things are, or empty as long as there is nothing to say.
func (m *meter) status() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var parts []string
	if m.downloads > 0 {
		parts = append(parts, fmt.Sprintf("modules downloaded: %d", m.downloads))
	}
	if m.want > 0 {
		// The count that was expected is an estimate: the go command may find more to do.
		parts = append(parts, fmt.Sprintf("%d of %d packages", m.compiled, max(m.want, m.compiled)))
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(append(parts, m.now().Sub(m.began).Round(time.Second).String()), ", ")
}

func (m *meter) draw() {
	status := m.status()
	switch {
	case m.terminal && status == "":
		fmt.Fprintf(m.w, "\r\x1b[K%s", m.headline)
	case m.terminal:
		fmt.Fprintf(m.w, "\r\x1b[K%s: %s", m.headline, status)
	case m.now().Sub(m.began) >= everyLine && status != "":
		fmt.Fprintf(m.w, "  %s\n", status)
	}
}
