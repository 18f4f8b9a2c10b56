package harness

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// shared is the suite of this test process. It is the package's only state: the testing package offers no other way
// from TestMain to a test, and a control plane for each test would cost seconds each.
var shared atomic.Pointer[suite]

// Option changes what Main sets up.
type Option func(*suite)

// WithAPIServerFlags adds flags to kube-apiserver, such as those of an audit policy.
func WithAPIServerFlags(flags ...string) Option {
	return func(s *suite) { s.apiServerFlags = append(s.apiServerFlags, flags...) }
}

// WithControllers sets kube-controller-manager's --controllers; all of them is the default.
func WithControllers(list string) Option {
	return func(s *suite) { s.controllers = list }
}

// WithRestarts lets tests stop the control plane and start it again, with Cluster.WhileStopped. It is this process's own even where WAXWING_TEST_KUBECONFIG
// names another. A process that is killed leaves a temporary folder behind then.
func WithRestarts() Option {
	return func(s *suite) { s.restarts = true }
}

// Main runs the tests and then stops and removes all that they started. It ends the process:
//
//	func TestMain(m *testing.M) { harness.Main(m) }
func Main(m *testing.M, opts ...Option) {
	s, err := newSuite(opts)
	if err != nil {
		fmt.Fprintf(os.Stderr, "harness: %v\n", err)
		os.Exit(1)
	}
	shared.Store(s)
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-interrupted
		_ = s.close()
		os.Exit(130)
	}()
	code := m.Run()
	if err := s.close(); err != nil {
		fmt.Fprintf(os.Stderr, "harness: stopping: %v\n", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// suite is what the tests of one process share. Safe for concurrent use.
type suite struct {
	apiServerFlags []string
	controllers    string
	apiLog         string // path, empty without WithAPILog
	restarts       bool
	port           *os.File // holds the port of the control plane, with restarts

	dir       string
	outputs   recorder
	starter   starter
	cluster   func() (*Cluster, error)
	closeOnce sync.Once
	closeErr  error

	mu        sync.Mutex
	plane     *ControlPlane
	options   ControlPlaneOptions // of plane
	processes map[*Process]struct{}
	binaries  map[string]func() (string, error)
	charts    map[string]func() ([]byte, error)
}

func newSuite(opts []Option) (*suite, error) {
	dir, err := os.MkdirTemp("", "waxwing-e2e-")
	if err != nil {
		return nil, err
	}
	s := &suite{
		dir:         dir,
		controllers: "*",
		processes:   map[*Process]struct{}{},
		binaries:    map[string]func() (string, error){},
		charts:      map[string]func() ([]byte, error){},
	}
	for _, o := range opts {
		o(s)
	}
	s.cluster = sync.OnceValues(s.startCluster)
	return s, nil
}

// current is the suite that Main set up.
func current(t testing.TB) *suite {
	t.Helper()
	s := shared.Load()
	if s == nil {
		t.Fatal("harness: the package needs func TestMain(m *testing.M) { harness.Main(m) }")
	}
	return s
}

// close stops everything; further calls wait for the first and say the same.
func (s *suite) close() error {
	s.closeOnce.Do(func() {
		s.mu.Lock()
		plane := s.plane
		var processes []*Process
		for p := range s.processes {
			processes = append(processes, p)
		}
		s.mu.Unlock()
		for _, p := range processes {
			p.Kill()
		}
		var errs []error
		if plane != nil {
			errs = append(errs, plane.Stop())
		}
		s.closeErr = errors.Join(append(errs, os.RemoveAll(s.dir))...)
	})
	return s.closeErr
}

// Folder makes a folder for a test in the one of this test process, which goes with the process. Unlike the test's own TempDir it is also removed where the
// process is killed, as long as the control plane runs.
func Folder(t testing.TB, name string) string {
	t.Helper()
	dir, err := os.MkdirTemp(current(t).dir, slug(name)+"-")
	if err != nil {
		t.Fatal(err)
	}
	return dir
}
