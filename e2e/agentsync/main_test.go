// Package agentsync_test holds agent/sync, agent/live and agent/rights against a real API server: what is written as whom, what the API server refuses, and what a watch tells of it.
package agentsync_test

import (
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestMain(m *testing.M) {
	log.SetLogger(logr.Discard())
	harness.Main(m, harness.WithAPILog())
}
