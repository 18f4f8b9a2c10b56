package unseal_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/unseal"
)

// TestThePageOfReasonsIsTheTable holds docs/reasons.md against the table, row by row.
func TestThePageOfReasonsIsTheTable(t *testing.T) {
	b, err := os.ReadFile("../docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	var rows []string
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "| `") {
			rows = append(rows, strings.TrimSpace(line))
		}
	}
	for i, r := range unseal.Table() {
		want := fmt.Sprintf("| `%s` | %s | %s | %d | %s |", r.Reason, r.Ready, r.Then, r.Exit, r.Text)
		if i >= len(rows) || rows[i] != want {
			t.Errorf("row %d of docs/reasons.md should be\n%s", i+1, want)
		}
	}
	if len(rows) != len(unseal.Table()) {
		t.Errorf("the page has %d rows, the table %d", len(rows), len(unseal.Table()))
	}
}
