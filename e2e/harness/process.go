package harness

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	// killAfter is what a process gets at the end of its test between SIGTERM and SIGKILL.
	killAfter = 5 * time.Second
	// waitLimit is how long Wait waits, long enough for a program that compiles something first.
	waitLimit = 10 * time.Minute
	// tailBytes of a process's output are shown when its test fails.
	tailBytes = 8 << 10
)

// Command says what to run.
type Command struct {
	// Name in messages and outputs; the base name of Path if empty.
	Name string
	// Path of the program.
	Path string
	Args []string
	// Env is added to the environment of the test process. KUBECONFIG is never inherited, only given here.
	Env []string
	// Dir is the working directory; that of the test process if empty.
	Dir string
	// Stdin is read to its end; nothing if nil.
	Stdin io.Reader
}

// Process is a program that runs or has run. Its methods may be called concurrently.
type Process struct {
	name   string
	suite  *suite
	cmd    *exec.Cmd
	file   *os.File
	stdout lockedBuffer
	stderr lockedBuffer
	both   lockedBuffer
	exited chan struct{}
}

// StartProcess starts a program. When the test ends it is sent SIGTERM and, if need be, killed; when the test has
// failed by then, the end of its output is logged. Processes that it started are killed as soon as it has ended.
func StartProcess(t testing.TB, c Command) *Process {
	t.Helper()
	s := current(t)
	if c.Name == "" {
		c.Name = filepath.Base(c.Path)
	}
	file, err := os.CreateTemp(s.dir, slug(t.Name())+"-"+slug(c.Name)+"-*.log")
	if err != nil {
		t.Fatal(err)
	}
	p := &Process{name: c.Name, suite: s, file: file, exited: make(chan struct{})}
	p.cmd = exec.Command(c.Path, c.Args...)
	p.cmd.Dir, p.cmd.Stdin = c.Dir, c.Stdin
	p.cmd.Env = append(environWithoutKubeconfig(), c.Env...)
	p.cmd.Stdout = io.MultiWriter(&p.stdout, &p.both, file)
	p.cmd.Stderr = io.MultiWriter(&p.stderr, &p.both, file)
	p.cmd.SysProcAttr = processAttributes()
	// A grandchild that outlives the process must not keep Wait from returning. On a busy machine the last of its output
	// may be read seconds after its end, and would be cut off.
	p.cmd.WaitDelay = 30 * time.Second
	s.outputs.add(c.Name, t.Name(), p.both.Bytes)
	if err := s.start(p); err != nil {
		t.Fatalf("starting %s: %v", c.Name, err)
	}
	t.Cleanup(func() {
		p.terminate()
		if t.Failed() {
			t.Logf("the end of what %s printed (%s):\n%s", p.name, p.State(), p.tail())
		}
	})
	return p
}

func environWithoutKubeconfig() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "KUBECONFIG=") {
			env = append(env, kv)
		}
	}
	return env
}

// start starts p and keeps it among the suite's processes until it has ended.
func (s *suite) start(p *Process) error {
	s.mu.Lock()
	s.processes[p] = struct{}{}
	s.mu.Unlock()
	forget := func() {
		s.mu.Lock()
		delete(s.processes, p)
		s.mu.Unlock()
		_ = p.file.Close()
	}
	if err := s.starter.start(p.cmd); err != nil {
		forget()
		return err
	}
	go func() {
		defer close(p.exited)
		defer forget()
		_ = p.cmd.Wait() // its outcome is in ProcessState
		// At once, while no other group can have got the number.
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}()
	return nil
}

// Run runs a program to its end and returns what it printed to standard output; another end than exit code 0 fails
// the test.
func Run(t testing.TB, c Command) string {
	t.Helper()
	p := StartProcess(t, c)
	if code := p.Wait(t); code != 0 {
		t.Fatalf("%s ended: %s", p.name, p.State())
	}
	return p.Stdout()
}

// PID of the process.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Stdout is what it printed to standard output so far.
func (p *Process) Stdout() string { return p.stdout.String() }

// Stderr is what it printed to standard error so far.
func (p *Process) Stderr() string { return p.stderr.String() }

// Output is what it printed to both so far, in the order of its writes as far as the pipes keep it.
func (p *Process) Output() string { return p.both.String() }

// LogFile is the path of the file that gets the same as Output. It goes with the test process.
func (p *Process) LogFile() string { return p.file.Name() }

// Running says whether the process has not ended.
func (p *Process) Running() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// State is "running", or how the process ended, such as "exit status 1".
func (p *Process) State() string {
	if p.Running() {
		return "running"
	}
	return p.cmd.ProcessState.String()
}

// Signal sends a signal to the process alone.
func (p *Process) Signal(t testing.TB, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("sending %s to %s: %v", sig, p.name, err)
	}
}

// Kill is kill -9 for the process and all that it started, and waits until it is gone.
func (p *Process) Kill() {
	if p.Running() {
		_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	}
	<-p.exited
}

// terminate asks the process to end and kills what is left of it.
func (p *Process) terminate() {
	if p.Running() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
		select {
		case <-p.exited:
		case <-time.After(killAfter):
		}
	}
	p.Kill()
}

// Wait waits until the process ends by itself and returns its exit code, -1 after a signal. It fails the test after
// ten minutes.
func (p *Process) Wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.exited:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(waitLimit):
		t.Fatalf("%s still runs after %s", p.name, waitLimit)
		return 0
	}
}

func (p *Process) tail() string {
	b := p.both.Bytes()
	if cut := len(b) - tailBytes; cut > 0 {
		return "[...]" + string(b[cut:])
	}
	return string(b)
}
