package harness_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
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

// TestABinaryIsLinkedOnceForAllProcesses has another test process build the same program: what is there is used again, and each has a copy.
func TestABinaryIsLinkedOnceForAllProcesses(t *testing.T) {
	const pkg = "./e2e/harness/testdata/versioned"
	binary := harness.BuildBinary(t, pkg)
	if child(t) {
		fmt.Println("built", binary)
		return
	}
	root, err := toolcache.FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	common := filepath.Join(root, "bin", "e2e", "e2e-harness-testdata-versioned", "versioned")
	// A byte after its end does not matter to a program, and is not there after another link.
	size := sizeOf(t, common)
	if err := os.Truncate(common, size+1); err != nil {
		t.Fatal(err)
	}
	p := startChild(t)
	// It may be the last in a row of those that build.
	if code := p.Wait(t); code != 0 {
		t.Fatalf("it ended with %d", code)
	}
	line := p.WaitForLine(t, "^built ")
	if theirs := strings.TrimPrefix(line, "built "); theirs == binary || theirs == common {
		t.Errorf("both have %s", theirs)
	}
	if sizeOf(t, common) != size+1 {
		t.Error("it was linked again")
	}
	if err := os.Truncate(common, size); err != nil {
		t.Error(err)
	}
}

func sizeOf(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
