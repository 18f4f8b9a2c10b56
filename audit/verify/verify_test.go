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

// TestALogOfPartsOfTheStoreIsWhole fills parts, stops and starts, and has a part begun on request.
func TestALogOfPartsOfTheStoreIsWhole(t *testing.T) {
	w := newParts(t)
	log, known := w.log, w.anchors
	for title, l := range map[string]verify.Log{
		"with the key that was given": {Dir: log.dir(), Key: w.vkey, Anchors: known},
		"with the anchor's key":       {Dir: log.dir(), Anchors: known[2:]},
	} {
		t.Run(title, func(t *testing.T) {
			r, err := verify.Verify(t.Context(), []verify.Log{l}, verify.Options{})
			must(t, err)
			if got := r.Logs[0]; r.Verdict != verify.OK || len(got.Parts) < 5 || got.Anchors < len(got.Parts) || got.Citations < len(got.Parts) {
				t.Errorf("%s, %d parts, %d anchors, %d citations: %v", r.Verdict, len(got.Parts), got.Anchors, got.Citations, r.Findings)
			}
		})
	}
	log[keyFile] = []byte(w.vkey + "\n")
	r, err := verify.Verify(t.Context(), []verify.Log{{Dir: log.dir()}}, verify.Options{})
	must(t, err)
	if diff := cmp.Diff([]verify.Kind{verify.KindNoAnchor, verify.KindNoKey}, kinds(r)); diff != "" || r.Logs[0].KeyFrom != verify.KeyFromLog {
		t.Errorf("without key and anchor: key from %s\n%s%v", r.Logs[0].KeyFrom, diff, r.Findings)
	}
}
