package audittest

import (
	"path/filepath"
	"testing"
)

func TestRoomy(t *testing.T) {
	dir := t.TempDir()
	if !roomy(dir, 1) {
		t.Error("there is no room for a byte")
	}
	if roomy(dir, 1<<62) {
		t.Error("there is room for more than any disk has")
	}
	if roomy(filepath.Join(dir, "none"), 1) {
		t.Error("there is room in a folder that is not there")
	}
}
