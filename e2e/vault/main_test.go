// Package vault_test holds keyrings whose keys come from Vault to what they promise when that Vault is locked, away, slow, set up wrongly, or put back to an older
// state, and when somebody has a copy of etcd. Everything is real: the controller's program under the rights that ship, an API server, and a Vault with the
// policies that ship, logged in to by Kubernetes auth. Faults of the network are those of a proxy in front of Vault.
package vault_test

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
