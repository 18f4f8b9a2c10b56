package harness

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/lockedfile"

	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

// BinaryVersion is the version that binaries of BuildBinary call themselves.
const BinaryVersion = "v0.0.0-e2e"

// BuildBinary builds a main package of the root module, such as "./cmd/seal", as it ships but with its variable main.version set to
// BinaryVersion, and returns the binary's path. It is the test process's own: what others build meanwhile does not change it.
func BuildBinary(t testing.TB, pkg string) string {
	t.Helper()
	s := current(t)
	s.mu.Lock()
	build, ok := s.binaries[pkg]
	if !ok {
		build = sync.OnceValues(func() (string, error) { return s.buildBinary(pkg) })
		s.binaries[pkg] = build
	}
	s.mu.Unlock()
	binary, err := build()
	if err != nil {
		t.Fatalf("building %s: %v", pkg, err)
	}
	return binary
}

// buildBinary builds in a folder that all test processes share, where the go command finds that nothing has changed since the last of them asked: linking takes
// seconds, and every package of tests needs the same few programs. It does not end with the test that asks first, because others wait for the same build.
func (s *suite) buildBinary(pkg string) (string, error) {
	root, err := toolcache.FindRoot(".")
	if err != nil {
		return "", err
	}
	common := filepath.Join(root, "bin", "e2e")
	if err := os.MkdirAll(common, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockedfile.MutexAt(filepath.Join(common, "lock")).Lock()
	if err != nil {
		return "", err
	}
	defer unlock()
	name := filepath.Join(strings.ReplaceAll(path.Clean(pkg), "/", "-"), path.Base(pkg))
	built := filepath.Join(common, name)
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", built, "-ldflags=-s -w -X main.version="+BinaryVersion, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the programs ship
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return copyProgram(built, filepath.Join(s.dir, "bin", name))
}

// copyProgram copies a program, and returns where to.
func copyProgram(from, to string) (string, error) {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return "", err
	}
	// A program that another goroutine starts meanwhile would keep the file open for writing, and what is written to cannot be run.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	in, err := os.Open(from)
	if err != nil {
		return "", err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o755)
	if err != nil {
		return "", err
	}
	if _, err := io.Copy(out, in); err != nil {
		_ = out.Close()
		return "", err
	}
	return to, out.Close()
}
