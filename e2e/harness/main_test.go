package harness_test

import (
	"os"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// childVar tells a test binary that another one started which part of a test it plays.
const childVar = "HARNESS_TEST_CHILD"

func TestMain(m *testing.M) { harness.Main(m) }

// child says whether this process was started by the test of the same name, to play its other part.
func child(t *testing.T) bool { return os.Getenv(childVar) == t.Name() }

// startChild starts this test binary with the calling test only, as its child.
func startChild(t *testing.T, env ...string) *harness.Process {
	t.Helper()
	return harness.StartProcess(t, harness.Command{
		Name: "child",
		Path: os.Args[0],
		Args: []string{"-test.run=^" + t.Name() + "$", "-test.v"},
		Env:  append(env, childVar+"="+t.Name()),
	})
}
