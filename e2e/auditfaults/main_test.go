//go:build linux && (amd64 || arm64)

// Package auditfaults_test holds the audit log to what it promises when its disk or its process fails. What was acknowledged is in the log, once, whatever happens;
// nothing is done that has no durable intent; a disk that fails fails the Recorder and never the process; and when the disk is in order again, the Recorder is, by
// itself. Programs of their own write to the logs, with the store that ships, so that they can be killed and their system calls made to fail.
//
// What is random comes from one seed, which each test that uses it logs:
//
//	WAXWING_AUDIT_SEED=1234567 go test -count=1 -v ./e2e/auditfaults -run TestKilled
//
// It fixes when processes are killed, not how they are scheduled, so a rare failure may take a few replays. WAXWING_AUDIT_KILLS is the number of kills; `make soak`
// sets it to 1,000.
package auditfaults_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

// programEnv says which program the test binary is; empty for the test.
const programEnv = "WAXWING_AUDIT_PROGRAM"

func TestMain(m *testing.M) {
	diskfault.Launch()
	run, ok := map[string]func(dir string) error{"obey": obey, "load": load, "mounted": mounted, "mountable": mountable}[os.Getenv(programEnv)]
	if !ok {
		os.Exit(m.Run())
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// seed is the run's seed: that of the environment, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := fromEnv(t, "WAXWING_AUDIT_SEED", rand.Uint64()>>32) // short enough to be typed
	t.Logf("the seed is %d", n)
	return n
}

func fromEnv(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}
