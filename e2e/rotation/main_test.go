// Package rotation_test takes a key to its end, for each source: sealed to, replaced, rewrapped in Git, without a known use, destroyed. Everything is real: the programs `seal` and
// `waxwing-controller`, Git, kubectl, an API server, and for the sources that have it a Vault with the policies that ship. It also does what somebody may try who can write
// to Git, to bring a key to destruction that is still needed.
package rotation_test

import (
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) {
	// controller-runtime's clients ask for a logger after a while; what they say is of no interest here.
	log.SetLogger(logr.Discard())
	harness.Main(m)
}
