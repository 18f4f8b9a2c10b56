//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

// patience is how long a test waits for an answer; its end is a failed test.
const patience = time.Minute

// process is a running program that writes to a log.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string // closed at the end of its output
	out   lockedBuffer
	gone  bool
}

type lockedBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *lockedBuffer) tail() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return string(b.Bytes()[max(0, b.Len()-4<<10):])
}

// start starts a program on the log in dir, whose disk may be nil.
func start(t *testing.T, program, dir string, disk *diskfault.Disk, partSize int) *process {
	t.Helper()
	return startWith(t, program, dir, disk, partSize, func(*exec.Cmd) {})
}

// startWith has change decide how it is started.
func startWith(t *testing.T, program, dir string, disk *diskfault.Disk, partSize int, change func(*exec.Cmd)) *process {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path, args, env := self, []string{dir}, []string(nil)
	if disk != nil {
		path, args, env = disk.Command(self, dir)
	}
	p := &process{t: t, cmd: exec.Command(path, args...), lines: make(chan string)}
	p.cmd.Env = append(append(os.Environ(), env...), programEnv+"="+program, partSizeEnv+"="+strconv.Itoa(partSize))
	p.cmd.Stderr = &p.out
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	change(p.cmd)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
	}()
	t.Cleanup(func() {
		if !p.gone {
			_ = p.cmd.Process.Kill()
			for range p.lines {
			}
			_ = p.cmd.Wait()
		}
		if tail := p.out.tail(); t.Failed() && tail != "" {
			t.Logf("the end of what a program wrote:\n%s", tail)
		}
	})
	return p
}

// ask gives the program a line, hands its acknowledgements to acked, and gives its error as text, empty for none.
func (p *process) ask(acked map[string]bool, format string, args ...any) string {
	p.t.Helper()
	line := fmt.Sprintf(format, args...)
	if _, err := io.WriteString(p.in, line+"\n"); err != nil {
		p.t.Fatalf("%s: the program is gone: %v", line, err)
	}
	late := time.NewTimer(patience)
	defer late.Stop()
	for {
		select {
		case got, ok := <-p.lines:
			if !ok {
				p.t.Fatalf("%s: the program has ended:\n%s", line, p.out.tail())
			}
			if text, done := strings.CutPrefix(got, "done"); done {
				return strings.TrimPrefix(text, " ")
			}
			acked[got] = true
		case <-late.C:
			_ = p.cmd.Process.Signal(syscall.SIGQUIT) // Go's runtime says where everything waits
			for range p.lines {
			}
			p.t.Fatalf("%s: no answer:\n%s", line, p.out.tail())
		}
	}
}

// must has the program do something that has to succeed.
func (p *process) must(acked map[string]bool, format string, args ...any) {
	p.t.Helper()
	if err := p.ask(acked, format, args...); err != "" {
		p.t.Fatalf("%s: %s", fmt.Sprintf(format, args...), err)
	}
}

// end closes the program's input and waits for its end.
func (p *process) end() {
	p.t.Helper()
	_ = p.in.Close()
	for range p.lines {
	}
	p.gone = true
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("the program ended: %v\n%s", err, p.out.tail())
	}
}

// kill is kill -9. What the program acknowledged before goes to acked.
func (p *process) kill(acked map[string]bool) {
	p.t.Helper()
	if err := p.cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	for line := range p.lines {
		acked[line] = true
	}
	p.killed()
}

// killed sees to it that the program ended by the signal and not by itself.
func (p *process) killed() {
	p.t.Helper()
	p.gone = true
	_ = p.cmd.Wait()
	if status := p.cmd.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
		p.t.Fatalf("the program ended by itself: %s\n%s", p.cmd.ProcessState, p.out.tail())
	}
}
