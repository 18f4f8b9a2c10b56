package verify_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/journal"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// journaled gives the journal of the first part, with n records.
func journaled(t *testing.T, key ed25519.PrivateKey, base, n int) []byte {
	t.Helper()
	w, b, err := journal.NewWriter(key, audittest.Origin+"/0001", int64(base), tlog.Hash{})
	must(t, err)
	for range n {
		frame, _, err := w.Frame([][]byte{[]byte("{}")})
		must(t, err)
		b = append(b, frame...)
	}
	return b
}

// A volume that is copied while the log is written has a journal. What is in it and not covered by the checkpoint is counted, and everything else is as without it.
func TestAJournalIsCountedAndNothingElse(t *testing.T) {
	w := newWorld(t, audittest.Origin, 20)
	ours, theirs := w.key, audittest.Key(t)
	torn := journaled(t, ours, w.size, 3)
	damaged := journaled(t, ours, w.size, 3)
	damaged[len(damaged)/2] ^= 1
	for name, c := range map[string]struct {
		journal []byte
		waiting uint64
		bad     string
	}{
		"none is in the tree":   {journaled(t, ours, w.size, 3), 3, ""},
		"some are in the tree":  {journaled(t, ours, w.size-2, 3), 1, ""},
		"all are in the tree":   {journaled(t, ours, w.size-3, 3), 0, ""},
		"a torn frame":          {torn[:len(torn)-1], 2, ""},
		"a frame in the middle": {damaged, 0, "was altered"},
		"of another key":        {journaled(t, theirs, w.size, 3), 0, "does not begin as one that the log's key has signed"},
		"too long":              {make([]byte, journal.MaxSize+1), 0, "more than"},
		"of an absurd base":     {journaled(t, ours, 1<<62, 3), 0, "more records than any log holds"},
	} {
		t.Run(name, func(t *testing.T) {
			log := w.log.clone()
			log["0001/journal"] = c.journal
			r := w.verify(t, log)
			p := r.Logs[0].Parts[0]
			if p.Waiting != c.waiting || p.Size != uint64(w.size) || p.Read != p.Size {
				t.Errorf("%d wait, of %d records %d were read", p.Waiting, p.Size, p.Read)
			}
			want := verify.OK
			if c.bad != "" {
				want = verify.Findings
				if len(r.Findings) != 1 || r.Findings[0].Kind != verify.KindJournal || !strings.Contains(r.Findings[0].Text, c.bad) {
					t.Errorf("findings %v", r.Findings)
				}
			}
			if r.Verdict != want {
				t.Errorf("%s: %v", r.Verdict, r.Findings)
			}
			// And a part alone, without a key.
			part := files{}
			for name, b := range log {
				if rest, ok := strings.CutPrefix(name, "0001/"); ok {
					part[rest] = b
				}
			}
			if _, err := verify.Verify(t.Context(), []verify.Log{{Dir: part.dir()}}, verify.Options{}); err != nil {
				t.Error(err)
			}
			for e, err := range verify.Entries(log.dir(), verify.Position{}) {
				if err != nil || e.Record.Version != audit.Version {
					t.Fatalf("record %d: %v", e.Index, err)
				}
			}
		})
	}
}
