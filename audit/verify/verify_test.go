package verify_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/verify"
)

func TestALogOfTheStoreIsWhole(t *testing.T) {
	w := newWorld(t, audittest.Origin, 150)
	r := w.verify(t, w.log)
	if r.Verdict != verify.OK {
		t.Errorf("%s: %v", r.Verdict, r.Findings)
	}
	l := r.Logs[0]
	got := map[string]any{"key": l.KeyFrom, "anchors": l.Anchors, "parts": len(l.Parts), "size": l.Parts[0].Size, "anchored": l.Parts[0].Anchored}
	want := map[string]any{"key": verify.KeyGiven, "anchors": 2, "parts": 1, "size": uint64(w.size), "anchored": uint64(w.size)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
