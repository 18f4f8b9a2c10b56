//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
)

// reopen is what a restarted controller does: open, append, close.
func reopen(t *testing.T, dir string, acked map[string]bool, partSize int) {
	t.Helper()
	p := start(t, "obey", dir, nil, partSize)
	p.must(acked, "append 1")
	p.must(acked, "close")
	p.end()
}

// counts are what a log was found to hold.
type counts struct{ records, acknowledged, lost, twice, acts, unrecorded int }

// check holds the log in dir against what was acknowledged and done. The log must have been closed.
func check(t *testing.T, dir string, acked map[string]bool) counts {
	t.Helper()
	c := counts{acknowledged: len(acked)}
	found := map[string]int{}
	for _, r := range audittest.Records(t, dir) {
		c.records++
		switch r.Phase {
		case audit.PhaseIntent:
			found[ackIntent+r.ID]++
		case audit.PhaseOutcome:
			found[ackOutcome+r.ID]++
		}
	}
	for ack := range acked {
		if found[ack] == 0 {
			c.lost++
			t.Errorf("acknowledged, but not in the log: %s", ack)
		}
	}
	for id, n := range found {
		if n > 1 {
			c.twice++
			t.Errorf("%d times in the log: %s", n, id)
		}
	}
	for _, id := range acts(t, dir) {
		c.acts++
		if found[ackIntent+id] == 0 {
			c.unrecorded++
			t.Errorf("done without an intent in the log: %s", id)
		}
	}
	leftovers(t, dir)
	verifies(t, dir)
	return c
}

// acts are the ids of the intents under which something was done.
func acts(t *testing.T, dir string) (ids []string) {
	t.Helper()
	f, err := os.Open(actsOf(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		ids = append(ids, lines.Text())
	}
	return ids
}

// leftovers looks for files that belong to no log: what was being written when a process was killed or a disk full.
func leftovers(t *testing.T, dir string) {
	t.Helper()
	const partial = `(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9][0-9]?)`
	known := regexp.MustCompile(`^(lock|log\.vkey|\d{4}/(checkpoint|\.state/(version|(treeState|gcState)(\.lock)?|publish\.lock)|tile/(entries|\d)/(x\d{3}/)*\d{3}(\.p/` + partial + `)?))$`)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		if err == nil && !known.MatchString(name) {
			t.Errorf("left behind: %s", name)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
