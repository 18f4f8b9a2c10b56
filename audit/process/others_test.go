package process

import (
	"slices"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
)

// TestAnAnchorThatIsTooLongHidesNoOther has somebody make a ConfigMap that looks like an anchor and comes before the real ones.
func TestAnAnchorThatIsTooLongHidesNoOther(t *testing.T) {
	got := checkpoints([]audit.Anchor{{Checkpoint: strings.Repeat("x", maxOthersBytes+1)}, {Checkpoint: "one"}, {Closed: []string{"", "two"}}})
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("it cites %d: %.20q", len(got), got)
	}
}
