// Package faults_test holds the controller to what it promises when things break: it is killed before and after each kind of write and at seeded moments,
// loses the lead, loses its watches, sees an old world, and meets an API server that is busy, refuses, is away, or is restored from an older backup. After each
// of these everything must converge; no old version is ever written over a new one; nothing is opened without an intent in the audit log; there is no second
// key, no second Secret and no storm of requests or events.
//
// What is random comes from one seed, which each test that uses it logs. To replay a run, give its seed:
//
//	WAXWING_FAULTS_SEED=1234567 go test -count=1 -v ./e2e/faults -run TestKilledAtSeededMoments
//
// A seed fixes what is asked of the controller, which requests are hit, and at which request it is killed. It does not fix how two processes are scheduled, so a
// rare failure may take a few replays.
//
// WAXWING_FAULTS_OUTAGE sets how long the API server stays away where a test stops it (two seconds, unless it says otherwise: long enough that every
// connection is lost and asked for again). A minute is
//
//	WAXWING_FAULTS_OUTAGE=1m go test -count=1 ./e2e/faults -run TestTheAPIServerIsAway
package faults_test

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) {
	// controller-runtime's clients ask for a logger after a while; what they say is of no interest here.
	log.SetLogger(logr.Discard())
	harness.Main(m, harness.WithRestarts())
}

// outage is how long the API server stays away.
func outage(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("WAXWING_FAULTS_OUTAGE")
	if text == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("WAXWING_FAULTS_OUTAGE: %v", err)
	}
	return d
}

// seed is the run's seed: that of the environment, or a new one.
func seed(t *testing.T) uint64 {
	t.Helper()
	n := rand.Uint64() >> 32 // short enough to be typed
	if text := os.Getenv("WAXWING_FAULTS_SEED"); text != "" {
		var err error
		if n, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("WAXWING_FAULTS_SEED: %v", err)
		}
	}
	t.Logf("the seed is %d", n)
	return n
}
