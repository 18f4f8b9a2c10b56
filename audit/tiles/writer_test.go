package tiles

import (
	"context"
	"crypto/ed25519"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/transparency-dev/tessera"

	"github.com/waxwing-io/waxwing/audit"
)

func opened(t *testing.T) *Store {
	t.Helper()
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	s := New(Config{
		Dir: filepath.Join(t.TempDir(), "log"), Origin: "test/replica-0", Key: func(context.Context) (ed25519.PrivateKey, error) { return key, nil }, Now: time.Now,
		Patience: time.Minute, Log: slog.New(slog.DiscardHandler),
	})
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// swapped adds the first n of every call's entries behind all others, as Tessera does with a batch that it has cut when the two timers' goroutines overtake each other.
func swapped(s *Store, n int) {
	add, calls := s.open.add, 0
	s.open.add = func(ctx context.Context, e *tessera.Entry) tessera.IndexFuture {
		calls++
		if calls > n {
			return add(ctx, e)
		}
		return sync.OnceValues(func() (tessera.Index, error) { return add(ctx, e)() })
	}
}

func TestABatchThatTesseraHasCutMayChangePlaces(t *testing.T) {
	s := opened(t)
	notes, err := s.Ready(t.Context())
	if err != nil || len(notes) != 1 || notes[0].Operation.Action != audit.ActionLogStarted {
		t.Fatalf("ready: %v, %v", notes, err)
	}
	if err := s.Append(t.Context(), [][]byte{[]byte("the note")}); err != nil {
		t.Fatal(err)
	}
	swapped(s, 1)
	if err := s.Append(t.Context(), [][]byte{[]byte("late"), []byte("early"), []byte("second")}); err != nil {
		t.Fatalf("a batch whose parts have changed places: %v", err)
	}
	holds(t, s, "the note", "early", "second", "late")
}

func TestWhatALogSaysOfItselfComesFirst(t *testing.T) {
	s := opened(t)
	if _, err := s.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	swapped(s, 1)
	if err := s.Append(t.Context(), [][]byte{[]byte("the note"), []byte("an intent"), []byte("another")}); err != nil {
		t.Fatal(err)
	}
	holds(t, s, "the note", "an intent", "another")
}

func holds(t *testing.T, s *Store, want ...string) {
	t.Helper()
	if err := s.open.feed.hand(); err != nil {
		t.Fatal(err)
	}
	if now, _ := s.open.feed.state(); int(now.size) != len(want) {
		t.Fatalf("%d records, want %d", now.size, len(want))
	}
	records, err := s.open.bundle(0, len(want))
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range records {
		if string(r) != want[i] {
			t.Errorf("record %d is %q, want %q", i, r, want[i])
		}
	}
}
