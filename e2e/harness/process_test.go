package harness_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func shell(t *testing.T, script string, env ...string) *harness.Process {
	t.Helper()
	return harness.StartProcess(t, harness.Command{Name: "script", Path: "/bin/sh", Args: []string{"-c", script}, Env: env})
}

// ended tells why a process is not gone; a zombie counts as gone, as nobody may be there to collect it.
func ended(pid int) error {
	if err := syscall.Kill(pid, 0); errors.Is(err, syscall.ESRCH) {
		return nil
	}
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err == nil && strings.Contains(string(stat), ") Z ") {
		return nil
	}
	return errors.New("process " + strconv.Itoa(pid) + " runs")
}

func TestAProcess(t *testing.T) {
	t.Run("is heard on both streams, in memory and in a file", func(t *testing.T) {
		p := shell(t, "echo out $WORD; echo err >&2; exit 3", "WORD=here")
		if code := p.Wait(t); code != 3 {
			t.Errorf("exit code %d", code)
		}
		file, err := os.ReadFile(p.LogFile())
		if err != nil {
			t.Fatal(err)
		}
		got := []string{p.Stdout(), p.Stderr(), p.State()}
		if diff := cmp.Diff([]string{"out here\n", "err\n", "exit status 3"}, got); diff != "" {
			t.Error(diff)
		}
		// Each stream has a goroutine of its own, so that the two may stand in either order.
		lines := func(text string) []string { return slices.Sorted(strings.Lines(text)) }
		if want := []string{"err\n", "out here\n"}; !slices.Equal(lines(p.Output()), want) || !slices.Equal(lines(string(file)), want) {
			t.Errorf("memory has %q, the file %q", p.Output(), file)
		}
	})
	t.Run("reads what it is given and runs where it is told", func(t *testing.T) {
		dir, err := filepath.EvalSymlinks(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		out := harness.Run(t, harness.Command{Path: "/bin/sh", Args: []string{"-c", "cat; pwd"}, Dir: dir, Stdin: strings.NewReader("in\n")})
		if diff := cmp.Diff("in\n"+dir+"\n", out); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("does not inherit a kubeconfig", func(t *testing.T) {
		t.Setenv("KUBECONFIG", "/of/a/developer")
		p := shell(t, "echo kubeconfig=$KUBECONFIG")
		p.Wait(t)
		if diff := cmp.Diff("kubeconfig=\n", p.Stdout()); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("is waited for by a line that it prints", func(t *testing.T) {
		p := shell(t, "echo starting; echo listening on port 1234 >&2; exec sleep 600")
		if diff := cmp.Diff("listening on port 1234", p.WaitForLine(t, `port \d+$`)); diff != "" {
			t.Error(diff)
		}
		if !p.Running() {
			t.Error("it does not run")
		}
	})
	t.Run("gets signals", func(t *testing.T) {
		p := shell(t, "trap 'echo caught; exit 7' HUP; echo ready; while :; do sleep 0.01; done")
		p.WaitForLine(t, "^ready$")
		p.Signal(t, syscall.SIGHUP)
		p.WaitForLine(t, "^caught$")
		if code := p.Wait(t); code != 7 {
			t.Errorf("exit code %d", code)
		}
	})
	t.Run("is killed with what it started", func(t *testing.T) {
		p := shell(t, "sleep 600 & echo $!; trap '' TERM; wait")
		grandchild := pidIn(t, p.WaitForLine(t, `^\d+$`))
		p.Kill()
		if diff := cmp.Diff("signal: killed", p.State()); diff != "" {
			t.Error(diff)
		}
		harness.Eventually(t.Context(), t, "its child is gone", func(context.Context) error { return ended(grandchild) })
	})
}

func TestAProcessEndsWithItsTest(t *testing.T) {
	for name, script := range map[string]string{
		"when it stops at SIGTERM":             "echo $$; exec sleep 600",
		"when its child does not stop with it": "(trap '' TERM; exec sleep 600) & trap 'exit 0' TERM; echo $!; while :; do sleep 0.01; done",
		"when it ignores SIGTERM":              "trap '' TERM; echo $$; while :; do sleep 0.01; done",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var p *harness.Process
			var last int
			t.Run("inner", func(t *testing.T) {
				p = shell(t, script)
				last = pidIn(t, p.WaitForLine(t, `^\d+$`))
			})
			if p.Running() {
				t.Error("it still runs")
			}
			harness.Eventually(t.Context(), t, "the last of it is gone", func(context.Context) error { return ended(last) })
		})
	}
}

func TestAServerIsWaitedFor(t *testing.T) {
	if child(t) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("\nserving http://" + l.Addr().String() + "\n")
		calls := 0
		t.Fatal(http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if calls++; calls < 3 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		})))
	}
	p := startChild(t)
	url := strings.TrimPrefix(p.WaitForLine(t, "^serving "), "serving ")
	p.WaitForHTTP(t, url)
}

func TestAFailedTestTellsWhatItsProcessSaid(t *testing.T) {
	if child(t) {
		p := shell(t, "echo the last words; exit 9")
		p.WaitForLine(t, "no such words")
		return
	}
	p := startChild(t)
	if code := p.Wait(t); code != 1 {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"the last words", "exit status 9", "no such line, and script has ended"} {
		if !strings.Contains(p.Stdout(), want) {
			t.Errorf("no %q in\n%s", want, p.Stdout())
		}
	}
}

func TestOutputsAreKeptForTheSearch(t *testing.T) {
	c := harness.Start(t)
	t.Run("of a process", func(t *testing.T) { shell(t, "printf 'kept-for-%s' the-search").Wait(t) })
	t.Run("of a test", func(t *testing.T) { c.Record(t, "metrics", []byte("kept-for-the-search too")) })
	var found []string
	components := false
	for _, o := range c.Outputs() {
		if _, ok := harness.FindCanary("kept-for-the-search", o.Data); ok {
			found = append(found, o.Name+" of "+o.Test)
		}
		components = components || o.Name == "controlplane" && len(o.Data) > 0
	}
	want := []string{"script of " + t.Name() + "/of_a_process", "metrics of " + t.Name() + "/of_a_test"}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
	if !components && os.Getenv("WAXWING_TEST_KUBECONFIG") == "" {
		t.Error("the logs of the control plane are not among the outputs")
	}
	t.Run("which fails the test that finds one", func(t *testing.T) {
		spy := &recordingTB{TB: t}
		c.NoCanary(spy, "kept-for-the-search")
		if spy.errors != 2 {
			t.Errorf("%d errors, want 2", spy.errors)
		}
	})
}

// recordingTB counts errors instead of failing.
type recordingTB struct {
	testing.TB
	errors int
}

func (r *recordingTB) Errorf(string, ...any) { r.errors++ }

func pidIn(t *testing.T, line string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}
