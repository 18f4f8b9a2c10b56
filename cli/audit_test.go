package cli_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// madeLog is a real log that a test has made.
type madeLog struct {
	dir     string
	cfg     tiles.Config
	anchors *audittest.MemoryAnchors
	// unmatched is the id of an intent without outcome.
	unmatched string
}

// newLog makes a log of three operations in namespaces prod and staging, the last one without outcome, and a refusal.
func newLog(t *testing.T, partSize int64) *madeLog {
	t.Helper()
	l := emptyLog(t, partSize)
	l.record(t, func(log *audit.Recorder) {
		l.unseal(t, log, "prod", "db")
		l.unseal(t, log, "staging", "web")
		op := audit.Operation{Action: audit.ActionRefuse, Object: audit.Object{Kind: "GitSecret", Namespace: "prod", Name: "moved"}, Actor: audit.Actor{User: "alice@example.org"}}
		if err := log.Note(t.Context(), op, audit.Outcome{Reason: "ScopeMismatch", Message: "sealed for strict prod/db, not for prod/moved"}); err != nil {
			t.Fatal(err)
		}
		id, err := log.Intent(t.Context(), unsealOperation("prod", "lost"))
		if err != nil {
			t.Fatal(err)
		}
		l.unmatched = id
	})
	return l
}

func emptyLog(t *testing.T, partSize int64) *madeLog {
	t.Helper()
	l := &madeLog{dir: audittest.Dir(t), anchors: &audittest.MemoryAnchors{}}
	l.cfg = audittest.Config(t, l.dir)
	l.cfg.Anchors, l.cfg.PartSize = l.anchors, partSize
	return l
}

// record opens the log, lets do record something, and closes it.
func (l *madeLog) record(t *testing.T, do func(log *audit.Recorder)) {
	t.Helper()
	log := l.open()
	do(log)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func (l *madeLog) open() *audit.Recorder {
	return audit.NewRecorder(audit.Config{Store: tiles.New(l.cfg), Replica: "replica-0", Now: time.Now, Rand: rand.Reader})
}

func unsealOperation(namespace, name string) audit.Operation {
	return audit.Operation{
		Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Namespace: namespace, Name: name}, Actor: audit.Actor{User: audit.Unattributed, Manager: "kustomize-controller"},
		Keys: []audit.Key{{Keyring: "default", ID: "3f2a", Envelope: "01kb"}}, Items: []string{"password"},
	}
}

func (l *madeLog) unseal(t *testing.T, log *audit.Recorder, namespace, name string) {
	t.Helper()
	id, err := log.Intent(t.Context(), unsealOperation(namespace, name))
	if err == nil {
		err = log.Outcome(t.Context(), id, audit.Outcome{OK: true, Secret: &audit.Object{Kind: "Secret", Namespace: namespace, Name: name}})
	}
	if err != nil {
		t.Fatal(err)
	}
}

// grow adds n operations, many at a time: a commit of each alone would take its time.
func (l *madeLog) grow(t *testing.T, n int) {
	t.Helper()
	l.record(t, func(log *audit.Recorder) {
		var wg sync.WaitGroup
		for range n {
			wg.Go(func() {
				id, err := log.Intent(t.Context(), unsealOperation("prod", "many"))
				if err == nil {
					err = log.Outcome(t.Context(), id, audit.Outcome{OK: true})
				}
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
	})
}

// vkey is the log's verifier key.
func (l *madeLog) vkey(t *testing.T) string {
	t.Helper()
	key, err := l.cfg.Key(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	vkey, err := note.NewEd25519VerifierKey(audittest.Origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return vkey
}

// squeezed is text with runs of spaces made one.
func squeezed(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n") + "\n"
}

func wantIn(t *testing.T, text string, wants ...string) {
	t.Helper()
	for _, want := range wants {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}

func wantNotIn(t *testing.T, text string, unwanted ...string) {
	t.Helper()
	for _, no := range unwanted {
		if strings.Contains(text, no) {
			t.Errorf("%q is in\n%s", no, text)
		}
	}
}

func writeFile(t *testing.T, path, content string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
