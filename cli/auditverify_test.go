package cli_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
)

// anchorFile is a file with the log's newest checkpoint and key, as seal audit anchor -o json prints it.
func (l *madeLog) anchorFile(t *testing.T) string {
	t.Helper()
	checkpoint, err := os.ReadFile(filepath.Join(l.dir, "0001", "checkpoint"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal([]audit.Anchor{{Origin: l.cfg.Origin, Key: l.vkey(t), Part: 1, Checkpoint: string(checkpoint)}})
	if err != nil {
		t.Fatal(err)
	}
	return writeFile(t, filepath.Join(t.TempDir(), "anchors.json"), string(b))
}

func TestAuditVerify(t *testing.T) {
	l := newLog(t, 0)
	anchors := l.anchorFile(t)
	code, stdout, stderr := run(t, l.dir, "", "audit", "verify", "--anchor", anchors, ".")
	t.Log(code, stdout, stderr)
	l.record(t, func(log *audit.Recorder) { l.unseal(t, log, "prod", "db") })
	code, stdout, stderr = run(t, l.dir, "", "audit", "verify", ".")
	t.Log(code, stdout, stderr)
	code, stdout, stderr = run(t, l.dir, "", "audit", "prove", "1/2", ".", "--out", "x.tlog-proof")
	t.Log(code, stdout, stderr)
	code, stdout, stderr = run(t, l.dir, "", "audit", "verify", "--key", l.vkey(t), "x.tlog-proof")
	t.Log(code, stdout, stderr)
	bundle := filepath.Join(l.dir, "0001", "tile", "entries")
	files, _ := filepath.Glob(bundle + "/*/*")
	for _, f := range files {
		b, _ := os.ReadFile(f)
		_ = os.WriteFile(f, []byte(strings.Replace(string(b), "prod", "pros", 1)), 0o644)
	}
	code, stdout, stderr = run(t, l.dir, "", "audit", "verify", "--anchor", anchors, ".")
	t.Log(code, stdout, stderr)
}
