package harness_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestABinary(t *testing.T) {
	const pkg = "./e2e/harness/testdata/versioned"
	binary := harness.BuildBinary(t, pkg)
	t.Run("knows its version", func(t *testing.T) {
		out := harness.Run(t, harness.Command{Path: binary})
		if diff := cmp.Diff(harness.BinaryVersion+"\n", out); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("is built once for all tests", func(t *testing.T) {
		if again := harness.BuildBinary(t, pkg); again != binary {
			t.Errorf("another one at %s", again)
		}
	})
}
