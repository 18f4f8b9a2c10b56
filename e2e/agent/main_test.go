// Package agent_test runs the sync agent as it ships, with the controller, a real API server and a real forge.
package agent_test

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
