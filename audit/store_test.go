package audit_test

import (
	"testing"

	"github.com/waxwing-io/waxwing/audit"
)

func TestFoldersOfParts(t *testing.T) {
	for _, part := range []int{1, 42, 9999} {
		if name := audit.PartDir(part); !audit.IsPartDir(name) {
			t.Errorf("%d: %q is none", part, name)
		}
	}
	for _, name := range []string{"", "1", "001", "00001", "000a", "-001", "0001/", "0001\n", "log.vkey", "٠٠"} {
		if audit.IsPartDir(name) {
			t.Errorf("%q is one", name)
		}
	}
}
