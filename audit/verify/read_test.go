package verify_test

import (
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// positions lists what Entries gives from a position on.
func positions(t testing.TB, dir fs.FS, from verify.Position) (out []verify.Position) {
	t.Helper()
	for e, err := range verify.Entries(dir, from) {
		must(t, err)
		out = append(out, e.Position)
	}
	return out
}

func TestALogIsReadFromAnywhere(t *testing.T) {
	key, log := audittest.Key(t), files{}
	all := raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 150))...)
	forged(t, audittest.Origin, 1, key, all, log)
	forged(t, audittest.Origin, 2, key, all[:5], log)
	dir := log.dir()
	end, err := verify.End(dir)
	must(t, err)
	if end != (verify.Position{Part: 2, Index: 5}) {
		t.Errorf("the end: %v", end)
	}
	for n, want := range map[uint64]verify.Position{0: end, 5: {Part: 2}, 6: {Part: 1, Index: 300}, 306: {Part: 1}, 307: {}} {
		if got, err := verify.Back(dir, n); err != nil || got != want {
			t.Errorf("%d back: %v, %v; want %v", n, got, err, want)
		}
	}
	if got := positions(t, dir, verify.Position{}); len(got) != 306 || got[0] != (verify.Position{Part: 1}) {
		t.Errorf("%d records, from %v", len(got), got[:1])
	}
	want := []verify.Position{{Part: 1, Index: 300}, {Part: 2}, {Part: 2, Index: 1}, {Part: 2, Index: 2}, {Part: 2, Index: 3}, {Part: 2, Index: 4}}
	if diff := cmp.Diff(want, positions(t, dir, verify.Position{Part: 1, Index: 300})); diff != "" {
		t.Error(diff)
	}
	if got := positions(t, dir, end); got != nil {
		t.Errorf("behind the end: %v", got)
	}
	forged(t, audittest.Origin, 2, key, all[:6], log) // it grows
	if diff := cmp.Diff([]verify.Position{{Part: 2, Index: 5}}, positions(t, log.dir(), end)); diff != "" {
		t.Error(diff)
	}
}

func TestWhatIsNoLogAtAll(t *testing.T) {
	for name, c := range map[string]struct {
		log  verify.Log
		want string
	}{
		"an empty folder":    {verify.Log{Dir: fstest.MapFS{}}, verify.ErrNoLog.Error()},
		"other files":        {verify.Log{Dir: fstest.MapFS{"a/b": {}}}, verify.ErrNoLog.Error()},
		"a key that is none": {verify.Log{Dir: fstest.MapFS{"0001/checkpoint": {}}, Key: "x"}, "not a verifier key"},
		"no such folder":     {verify.Log{Dir: os.DirFS(t.TempDir() + "/none")}, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verify.Verify(t.Context(), []verify.Log{c.log}, verify.Options{}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestFindingsAreBounded(t *testing.T) {
	key, log := audittest.Key(t), files{}
	var all []audit.Record
	for i := range 500 {
		all = append(all, outcome(i+1, nil))
	}
	list := append(raws(t, append([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, all...)...), []byte("altered"))
	forged(t, audittest.Origin, 1, key, list, log)
	r, err := verify.Verify(t.Context(), []verify.Log{{Name: "log", Dir: log.dir()}}, verify.Options{MaxFindings: 10})
	must(t, err)
	// Two of the findings are about the missing key and anchor.
	if len(r.Findings) != 11 || r.More != 492 || r.FirstBad == nil || *r.FirstBad.Index != 501 {
		t.Errorf("%d findings and %d more, first bad: %v", len(r.Findings), r.More, r.FirstBad)
	}
}
