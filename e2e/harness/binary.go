package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

// BinaryVersion is the version that binaries of BuildBinary call themselves.
const BinaryVersion = "v0.0.0-e2e"

// BuildBinary builds a main package of the root module, such as "./cmd/seal", with its variable main.version set to
// BinaryVersion, and returns the binary's path. Each package is built once a test process.
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

// buildBinary does not end with the test that asks first, because others wait for the same build.
func (s *suite) buildBinary(pkg string) (string, error) {
	root, err := toolcache.FindRoot(".")
	if err != nil {
		return "", err
	}
	binary := filepath.Join(s.dir, "bin", strings.ReplaceAll(path.Clean(pkg), "/", "-"), path.Base(pkg))
	cmd := exec.CommandContext(context.Background(), "go", "build", "-o", binary,
		"-ldflags=-X main.version="+BinaryVersion, pkg)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0") // as the programs ship
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out)
	}
	return binary, nil
}
