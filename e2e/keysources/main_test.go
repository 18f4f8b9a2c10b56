// Package keysources_test holds the sources of keyrings to what a keyring.Source promises, on a real API server and a real Vault.
package keysources_test

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
