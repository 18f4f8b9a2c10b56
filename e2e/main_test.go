// Package e2e_test runs the programs that ship against a real control plane.
package e2e_test

import (
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/diskfault"
)

func TestMain(m *testing.M) {
	diskfault.Launch()
	// controller-runtime's clients ask for a logger after a while; what they say is of no interest here.
	log.SetLogger(logr.Discard())
	harness.Main(m)
}
