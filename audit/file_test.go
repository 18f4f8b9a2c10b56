package audit_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/oklog/ulid/v2"

	"github.com/waxwing-io/waxwing/audit"
)

func clock() time.Time { return time.Date(2026, 11, 23, 2, 22, 0, 0, time.UTC) }

func logPath(t testing.TB) string { return filepath.Join(t.TempDir(), "audit.log") }

func mustOpen(t testing.TB, path string) *audit.File {
	t.Helper()
	l, err := audit.OpenFile(path, "waxwing-0", clock, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func records(t testing.TB, path string) []audit.Record {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var all []audit.Record
	for r, err := range audit.Records(f) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// story is a log in words: phase, action, what came of it.
func story(t testing.TB, path string) []string {
	t.Helper()
	var lines []string
	for _, r := range records(t, path) {
		line := string(r.Phase)
		if r.Operation != nil {
			line += " " + string(r.Operation.Action) + " " + r.Operation.Object.Name
		}
		if r.Outcome != nil {
			line += fmt.Sprintf(" %t %s", r.Outcome.OK, r.Outcome.Reason)
		}
		lines = append(lines, strings.TrimSpace(line))
	}
	return lines
}

var unsealDB = audit.Operation{Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Namespace: "prod", Name: "db"}, Items: []string{"password"}}

func TestIntentOutcomeAndNoteStandInTheLogBetweenItsStartAndStop(t *testing.T) {
	path, ctx := logPath(t), t.Context()
	l := mustOpen(t, path)
	id, err := l.Intent(ctx, unsealDB)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Outcome(ctx, id, audit.Outcome{OK: false, Reason: "Tampered"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Note(ctx, audit.Operation{Action: audit.ActionRefuse, Object: audit.Object{Name: "db"}}, audit.Outcome{Reason: "Suspended"}); err != nil {
		t.Fatal(err)
	}
	if err := l.Err(); err != nil {
		t.Error(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"note log.started audit.log true", "intent unseal db", "outcome false Tampered", "note refuse db false Suspended", "note log.stopped audit.log true"}
	if diff := cmp.Diff(want, story(t, path)); diff != "" {
		t.Error(diff)
	}
	all := records(t, path)
	if all[1].ID != id || all[2].ID != id || all[3].ID == id {
		t.Errorf("ids: intent gave %s, log has %s, %s, %s", id, all[1].ID, all[2].ID, all[3].ID)
	}
	for _, r := range all {
		u, err := ulid.ParseStrict(r.ID)
		if err != nil || u.Time() != ulid.Timestamp(clock()) || !r.Time.Equal(clock()) || r.Replica != "waxwing-0" {
			t.Errorf("record %+v: %v", r, err)
		}
	}
}

func TestALogIsContinued(t *testing.T) {
	path := logPath(t)
	for range 2 {
		l := mustOpen(t, path)
		if _, err := l.Intent(t.Context(), unsealDB); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	once := []string{"note log.started audit.log true", "intent unseal db", "note log.stopped audit.log true"}
	if diff := cmp.Diff(append(once, once...), story(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestTheLogIsForItsOwnerOnly(t *testing.T) {
	path := logPath(t)
	mode := func() os.FileMode {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode()
	}
	_ = mustOpen(t, path).Close()
	if mode() != 0o600 {
		t.Errorf("a new log has mode %v", mode())
	}
	if err := os.Chmod(path, 0o664); err != nil {
		t.Fatal(err)
	}
	_ = mustOpen(t, path).Close()
	if mode() != 0o600 {
		t.Errorf("a log that was opened again has mode %v", mode())
	}
}

func TestAnUnfinishedLastLineIsCutAndNoted(t *testing.T) {
	whole := `{"v":1,"id":"01KB8ZV3RG9M1X0Q2S4T6V8W0Y","time":"2026-11-23T02:22:00Z","phase":"intent","operation":{"action":"unseal","object":{"name":"old"}}}` + "\n"
	cut := "note log.started audit.log true UnfinishedRecordCut"
	for name, c := range map[string]struct {
		before string
		want   []string
	}{
		"an empty file":                          {"", []string{"note log.started audit.log true"}},
		"whole lines":                            {whole + whole, []string{"intent unseal old", "intent unseal old", "note log.started audit.log true"}},
		"a line without its end":                 {whole + strings.TrimSuffix(whole, "\n"), []string{"intent unseal old", cut}},
		"one byte of a line":                     {whole + "{", []string{"intent unseal old", cut}},
		"a whole batch of which the disk made 0": {whole + strings.Repeat("\x00", 1<<20), []string{"intent unseal old", cut}},
		"half of the very first line":            {whole[:40], []string{cut}},
		"three bytes of the very first line":     {whole[:3], []string{cut}},
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			if err := os.WriteFile(path, []byte(c.before), 0o600); err != nil {
				t.Fatal(err)
			}
			l := mustOpen(t, path)
			if _, err := l.Intent(t.Context(), unsealDB); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(append(c.want, "intent unseal db"), story(t, path)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestWhatIsNoLogIsRefusedAndLeftAlone(t *testing.T) {
	for name, before := range map[string]string{
		"text":                                 "127.0.0.1 localhost\n",
		"text without a line end":              "127.0.0.1 localhost",
		"a record of a later version":          `{"v":2,"id":"01KB8ZV3RG9M1X0Q2S4T6V8W0Y"}` + "\n",
		"a log with megabytes of something":    `{"v":1,"id":"x"}` + "\n" + strings.Repeat("x", 2<<20),
		"zeros":                                strings.Repeat("\x00", 4096),
		"the start of a record and then other": `{"v":1,"time":"2026-11-23T02:22:00Z"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := logPath(t)
			if err := os.WriteFile(path, []byte(before), 0o600); err != nil {
				t.Fatal(err)
			}
			if l, err := audit.OpenFile(path, "", clock, rand.Reader); err == nil {
				_ = l.Close()
				t.Error("was taken for a log")
			}
			if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, []byte(before)) {
				t.Errorf("was changed, or cannot be read: %v", err)
			}
		})
	}
	t.Run("a directory", func(t *testing.T) {
		if _, err := audit.OpenFile(t.TempDir(), "", clock, rand.Reader); err == nil {
			t.Error("was taken for a log")
		}
	})
	t.Run("a device", func(t *testing.T) {
		if _, err := audit.OpenFile(os.DevNull, "", clock, rand.Reader); err == nil {
			t.Error("was taken for a log")
		}
	})
	t.Run("a place in no directory", func(t *testing.T) {
		if _, err := audit.OpenFile(filepath.Join(t.TempDir(), "no", "audit.log"), "", clock, rand.Reader); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("error %v", err)
		}
	})
}

func TestALogHasOneUserAtATime(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	if _, err := audit.OpenFile(path, "", clock, rand.Reader); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("second open: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, path)
}

func TestCallsAfterCloseFailAndCloseCanBeRepeated(t *testing.T) {
	l := mustOpen(t, logPath(t))
	id, err := l.Intent(t.Context(), unsealDB)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	_, ierr := l.Intent(t.Context(), unsealDB)
	for what, err := range map[string]error{"intent": ierr, "outcome": l.Outcome(t.Context(), id, audit.Outcome{}), "note": l.Note(t.Context(), unsealDB, audit.Outcome{})} {
		if !errors.Is(err, audit.ErrClosed) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAnEndedContextStopsIntentsAndNotOutcomes(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	id, err := l.Intent(t.Context(), unsealDB)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Intent(ended, unsealDB); !errors.Is(err, context.Canceled) {
		t.Errorf("intent: %v", err)
	}
	if err := l.Outcome(ended, id, audit.Outcome{OK: true}); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("outcome: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want := []string{"note log.started audit.log true", "intent unseal db", "outcome true", "note log.stopped audit.log true"}
	if diff := cmp.Diff(want, story(t, path)); diff != "" {
		t.Error(diff)
	}
}

func TestAnOutcomeCitesAnIntent(t *testing.T) {
	l := mustOpen(t, logPath(t))
	for _, id := range []string{"", "nonsense", "01KB8ZV3RG9M1X0Q2S4T6V8W0U"} {
		if err := l.Outcome(t.Context(), id, audit.Outcome{}); err == nil {
			t.Errorf("an outcome of %q was taken", id)
		}
	}
}

func TestManyWritersAndACloseLoseNothingThatWasAcknowledged(t *testing.T) {
	path := logPath(t)
	l := mustOpen(t, path)
	const writers, each = 64, 20
	var mu sync.Mutex
	acked := map[string]bool{}
	enough := make(chan struct{})
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range each {
				id, err := l.Intent(t.Context(), unsealDB)
				if err != nil {
					if !errors.Is(err, audit.ErrClosed) {
						t.Error(err)
					}
					return
				}
				mu.Lock()
				if acked[id] {
					t.Errorf("id %s was given twice", id)
				}
				acked[id] = true
				if len(acked) == writers*each/2 {
					close(enough)
				}
				mu.Unlock()
			}
		})
	}
	<-enough
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	for _, r := range records(t, path) {
		delete(acked, r.ID)
	}
	if len(acked) > 0 {
		t.Errorf("%d acknowledged intents are not in the log", len(acked))
	}
}
