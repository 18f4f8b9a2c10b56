// Package audittest opens and reads audit logs in tests: the real log on a real disk, with a key of its own and anchors in memory.
package audittest

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/journal"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// Origin of the logs.
const Origin = "test/replica-0"

// MemoryAnchors is audit.Anchors in memory; the ones that count are in the cluster.
type MemoryAnchors struct {
	mu      sync.Mutex
	anchor  audit.Anchor
	version int
	broken  error
}

// Load implements audit.Anchors.
func (m *MemoryAnchors) Load(context.Context) (audit.Anchor, string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.anchor, strconv.Itoa(m.version), m.broken
}

// Save implements audit.Anchors.
func (m *MemoryAnchors) Save(_ context.Context, a audit.Anchor, version string) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return "", m.broken
	}
	if version != strconv.Itoa(m.version) {
		return "", audit.ErrConflict
	}
	m.version++
	m.anchor = a
	return strconv.Itoa(m.version), nil
}

// Change changes the anchor as somebody else would, and gives what it is now.
func (m *MemoryAnchors) Change(change func(*audit.Anchor)) audit.Anchor {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(&m.anchor)
	m.version++
	return m.anchor
}

// Anchor gives the anchor as it is.
func (m *MemoryAnchors) Anchor() audit.Anchor {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.anchor
}

// Break has every call fail with err, until it is nil.
func (m *MemoryAnchors) Break(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.broken = err
}

// Others implements audit.Anchors.
func (m *MemoryAnchors) Others(context.Context) ([]audit.Anchor, error) { return nil, nil }

// Key gives a new key.
func Key(t testing.TB) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// Config is that of a store in dir with a new key. It is anchored when it is closed, so that how many records it has depends on no clock, and a disk may be slow,
// but not for so long that a Recorder's Close, which waits for 15 s, leaves the store at work in a folder that the test removes.
func Config(t testing.TB, dir string) tiles.Config {
	t.Helper()
	key := Key(t)
	return tiles.Config{
		Dir: dir, Origin: Origin, Key: func(context.Context) (ed25519.PrivateKey, error) { return key, nil }, Anchors: &MemoryAnchors{}, AnchorEvery: time.Hour,
		Patience: 10 * time.Second, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	}
}

// Dir gives the path of a log for a test that does not ask for its durability: in memory where the system has a file system with room there, because records wait for the disk.
// A container may have 64 MB there, for all tests that run at a time.
func Dir(t testing.TB) string {
	t.Helper()
	const memory, least = "/dev/shm", 256 << 20
	if !roomy(memory, least) {
		return filepath.Join(t.TempDir(), "audit")
	}
	dir, err := os.MkdirTemp(memory, "waxwing-audit-")
	if err != nil {
		return filepath.Join(t.TempDir(), "audit")
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return filepath.Join(dir, "audit")
}

// Open opens a log in dir.
func Open(t testing.TB, dir string) *audit.Recorder {
	t.Helper()
	return audit.NewRecorder(audit.Config{Store: tiles.New(Config(t, dir)), Replica: "test", Now: time.Now, Rand: rand.Reader})
}

// Parts gives the names of the folders of a log's parts.
func Parts(t testing.TB, dir string) []string {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, "[0-9][0-9][0-9][0-9]"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range parts {
		parts[i] = filepath.Base(parts[i])
	}
	return parts
}

// Records reads all that the log in dir has taken, published or not: what is in its trees, and what is in a journal and not in the tree yet. It may be at work.
// They are in the order in which they were made, see inOrder.
func Records(t testing.TB, dir string) []audit.Record {
	t.Helper()
	var all []audit.Record
	for _, part := range Parts(t, dir) {
		part = filepath.Join(dir, part)
		waiting := journaled(t, part) // first, because what is taken out of it is in the tree then
		type id struct {
			id    string
			phase audit.Phase
		}
		in := map[id]bool{}
		begin := len(all)
		for r, err := range verify.PartRecords(os.DirFS(part), integrated(t, part)) {
			if err != nil {
				t.Fatal(err)
			}
			in[id{r.ID, r.Phase}] = true
			all = append(all, r)
		}
		for _, r := range waiting {
			if !in[id{r.ID, r.Phase}] {
				all = append(all, r)
			}
		}
		inOrder(all[begin:])
	}
	return all
}

// Unfinished are the intents without an outcome, of records that are in order.
func Unfinished(records []audit.Record) (open []audit.Record) {
	for _, r := range records {
		switch r.Phase {
		case audit.PhaseIntent:
			open = append(open, r)
		case audit.PhaseOutcome:
			open = slices.DeleteFunc(open, func(i audit.Record) bool { return i.ID == r.ID })
		}
	}
	return open
}

// inOrder puts a part's records into the order in which they were made. In the tree it may be another: Tessera cuts a batch that takes long to be handed over, and what it has cut may
// change places. What is ahead is so for the tree as well, whenever it was made.
func inOrder(records []audit.Record) {
	from := 0
	for i := range len(records) + 1 {
		if i == len(records) || ahead(records[i]) {
			slices.SortStableFunc(records[from:i], func(a, b audit.Record) int { return a.Time.Compare(b.Time) })
			from = i + 1
		}
	}
}

// ahead says that a record is what a log says of itself before it takes any more: it comes behind all that the log has taken, and before all that waits, which may be older.
func ahead(r audit.Record) bool {
	if r.Operation == nil {
		return false
	}
	switch r.Operation.Action {
	case audit.ActionLogStarted, audit.ActionLogAnchored, audit.ActionLogContinued, audit.ActionLogRestarted:
		return true
	}
	return false
}

// journaled are the records in a part's journal.
func journaled(t testing.TB, part string) (all []audit.Record) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(part, journal.Name))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Read(b, nil, "")
	if err != nil {
		t.Fatalf("the journal of %s: %v", part, err)
	}
	for _, raw := range j.Records {
		r, err := audit.Decode(raw)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// integrated is the size of a part as Tessera knows it.
func integrated(t testing.TB, part string) uint64 {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(part, ".state", "treeState"))
	if errors.Is(err, os.ErrNotExist) {
		return 0 // being made
	}
	var state struct {
		Size uint64 `json:"size"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &state)
	}
	if err != nil {
		t.Fatal(err)
	}
	return state.Size
}
