package writeback_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/agent/writeback"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// auditLog is an audit log that the real store writes.
type auditLog struct {
	t      testing.TB
	dir    string
	key    ed25519.PrivateKey
	config tiles.Config
}

func newAuditLog(t testing.TB, key ed25519.PrivateKey, records int) *auditLog {
	t.Helper()
	return newAuditLogOf(t, audittest.Origin, key, records)
}

func newAuditLogOf(t testing.TB, origin string, key ed25519.PrivateKey, records int) *auditLog {
	t.Helper()
	l := &auditLog{t: t, dir: audittest.Dir(t), key: key}
	l.config = audittest.Config(t, l.dir)
	l.config.Origin = origin
	l.config.Key = func(context.Context) (ed25519.PrivateKey, error) { return l.key, nil }
	l.write(records)
	return l
}

// write adds operations.
func (l *auditLog) write(n int) {
	l.t.Helper()
	rec := audit.NewRecorder(audit.Config{Store: tiles.New(l.config), Replica: "test", Now: time.Now, Rand: rand.Reader})
	for range n {
		id, err := rec.Intent(l.t.Context(), audit.Operation{Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Name: "db"}, Actor: audit.Actor{User: audit.Unattributed}})
		must(l.t, err)
		must(l.t, rec.Outcome(l.t.Context(), id, audit.Outcome{OK: true}))
	}
	must(l.t, rec.Close())
}

// now is the log as the cluster knows it.
func (l *auditLog) now() writeback.AuditLog {
	l.t.Helper()
	checkpoint, err := os.ReadFile(filepath.Join(l.dir, "0001", "checkpoint"))
	must(l.t, err)
	key, err := note.NewEd25519VerifierKey(l.config.Origin, l.key.Public().(ed25519.PublicKey))
	must(l.t, err)
	return writeback.AuditLog{Anchor: audit.Anchor{Origin: l.config.Origin, Key: key, Part: 1, Checkpoint: string(checkpoint)}, Dir: os.DirFS(l.dir)}
}

// copied is a copy of its files, as they are now.
func (l *auditLog) copied() fs.FS {
	l.t.Helper()
	to := filepath.Join(l.t.TempDir(), "copy")
	must(l.t, os.CopyFS(to, os.DirFS(l.dir)))
	return os.DirFS(to)
}

func keep(t testing.TB, old []byte, log writeback.AuditLog, now time.Time) []byte {
	t.Helper()
	b, err := writeback.Keep(old, log, now)
	must(t, err)
	return b
}

func TestACheckpointIsKeptOnceADay(t *testing.T) {
	l, now := newAuditLog(t, audittest.Key(t), 5), time.Unix(1_800_000_000, 0)
	first := keep(t, nil, l.now(), now)
	var kept writeback.Kept
	must(t, json.Unmarshal(first, &kept))
	if kept.Checkpoint != l.now().Anchor.Checkpoint || kept.Key != l.now().Anchor.Key || !kept.At.Equal(now) {
		t.Errorf("%s", first)
	}
	if again := keep(t, first, l.now(), now.Add(48*time.Hour)); again != nil {
		t.Errorf("the same checkpoint was kept again: %s", again)
	}
	l.write(3)
	if early := keep(t, first, l.now(), now.Add(23*time.Hour)); early != nil {
		t.Errorf("after 23 hours: %s", early)
	}
	if next := keep(t, first, l.now(), now.Add(24*time.Hour)); next == nil {
		t.Error("nothing is kept after a day")
	}
	// A time to come, which somebody has written there, does not put it off.
	if next := keep(t, first, l.now(), now.Add(-time.Hour)); next == nil {
		t.Error("nothing is kept")
	}
	empty := l.now()
	empty.Anchor.Checkpoint = ""
	if none := keep(t, nil, empty, now); none != nil {
		t.Errorf("of a log without checkpoint: %s", none)
	}
}

func TestWhatIsKeptOnlyGrows(t *testing.T) {
	l, other, now := newAuditLog(t, audittest.Key(t), 5), newAuditLog(t, audittest.Key(t), 5), time.Unix(1_800_000_000, 0)
	before, early := l.now(), l.copied()
	small := keep(t, nil, before, now)
	l.write(20)
	large := keep(t, nil, l.now(), now)
	unread, back, behind, forked, unsigned := l.now(), before, before, other.now(), l.now()
	unread.Dir = nil
	back.Dir = early
	unsigned.Anchor.Checkpoint = strings.Replace(unsigned.Anchor.Checkpoint, "\n", "\n1", 1)
	again := newAuditLog(t, l.key, 40)
	later := now.Add(25 * time.Hour)
	for name, c := range map[string]struct {
		old  []byte
		log  writeback.AuditLog
		want string
	}{
		"tiles that cannot be read": {small, unread, "nothing proves that it has only grown"},
		"an older copy":             {large, back, "this is an older copy"},
		"an older anchor":           {large, behind, "what is anchored in the cluster is older than what is kept"},
		"another key":               {small, forked, "the log has another key"},
		"begun anew":                {small, again.now(), "is another log than the one"},
		"a changed checkpoint":      {nil, unsigned, "no good signature"},
		"no anchor in Git":          {[]byte("{}"), l.now(), "it holds no anchor of this log"},
		"nothing in Git":            {[]byte{}, l.now(), "it holds no anchor of this log"},
	} {
		if b, err := writeback.Keep(c.old, c.log, later); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %s, %v, want %q", name, b, err, c.want)
		}
	}
}

func TestCheckpointsGoIntoACommitOfTheirOwn(t *testing.T) {
	for _, strategy := range []string{v1alpha1.WritePush, v1alpha1.WritePullRequest} {
		t.Run(strategy, func(t *testing.T) {
			w, k, in := rotated(t)
			l := newAuditLog(t, audittest.Key(t), 5)
			w.writer.Spec.Strategy, w.writer.Spec.Checkpoints, w.forge.url = strategy, "audit", "https://git.example.com/team/infra/pulls/1"
			in.Logs = []writeback.AuditLog{l.now()}
			r := w.good(in)
			name := "audit/" + audittest.Origin + ".json"
			if len(r.Pushed) != 2 || len(r.Messages) > 0 || !k.opens(w.file(r.Branch, "db.yaml")) || !strings.Contains(w.file(r.Branch, name), `"checkpoint"`) {
				t.Fatalf("%+v", r)
			}
			if op := w.log.intents[1]; op.Action != audit.ActionSyncAnchored || !slices.Equal(op.Items, []string{audittest.Origin}) {
				t.Errorf("%+v", op)
			}
			l.write(1)
			in.Logs = []writeback.AuditLog{l.now()}
			if again := w.good(in); len(again.Pushed) > 0 {
				t.Errorf("on the same day: %+v", again)
			}
			w.clock = w.clock.Add(writeback.AnchorEvery)
			if next := w.good(in); len(next.Pushed) != 1 || !strings.HasPrefix(next.Pushed[0].Message, "chore(seal): keep the checkpoints of an audit log\n") {
				t.Errorf("on the next day: %+v", next)
			}
			// One that contains not what Git has is told of.
			w.clock = w.clock.Add(writeback.AnchorEvery)
			in.Logs = []writeback.AuditLog{newAuditLog(t, audittest.Key(t), 5).now()}
			if bad := w.good(in); len(bad.Pushed) > 0 || len(bad.Messages) != 1 || !strings.Contains(bad.Messages[0], name+": the log has another key") {
				t.Errorf("another log: %+v", bad)
			}
		})
	}
}
