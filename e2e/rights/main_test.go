// Package rights_test holds that the controller has the rights that it needs and no other: each is taken away in turn, and what then is refused is what docs/rights.md says.
package rights_test

import (
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	// An API server that does not stream lists is where the right to list is needed.
	harness.Main(m, harness.WithAPILog(), harness.WithAPIServerFlags("--feature-gates=WatchList=false"))
}
