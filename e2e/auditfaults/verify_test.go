//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"os"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// verifies has an auditor look at the log, with the key and the anchor from elsewhere. What a killed process has not finished is as it should be.
func verifies(t *testing.T, dir string) {
	t.Helper()
	key, err := tiles.VerifierKey(audittest.Origin, logKey())
	if err != nil {
		t.Fatal(err)
	}
	stored, err := (&fileAnchors{path: anchorOf(dir)}).load()
	if err != nil {
		t.Fatal(err)
	}
	report, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: os.DirFS(dir), Key: key, Anchors: []audit.Anchor{stored.Anchor}}}, verify.Options{MaxFindings: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range report.Findings {
		if f.Kind != verify.KindUnmatched && f.Kind != verify.KindOpen {
			t.Errorf("the log does not verify: %s", f)
		}
	}
	if report.More > 0 || len(report.Logs) != 1 || len(report.Logs[0].Parts) == 0 {
		t.Errorf("not all was verified: %d parts, %d findings more", len(report.Logs[0].Parts), report.More)
	}
}
