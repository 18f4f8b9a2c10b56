package agent

import (
	"maps"
	gosync "sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// wakeEvery is how often a SecretSync is woken by webhooks at the most, and wakeRarely where fetches take their time: a server is asked no more than half of it.
const wakeEvery, wakeRarely = 200 * time.Millisecond, time.Second

// taken is what a good fetch has brought.
type taken struct {
	place source.Place
	// generation is that of the SecretSync that it was fetched for.
	generation int64

	commit source.Commit
	signer string
	set    *desired.Set
	at     time.Time
	// rewritten says how the commit stands to the one before, where it does not descend from it; empty: it does.
	rewritten string
}

// state is what is remembered of one SecretSync. Losing it costs a fetch, and has pruning begin anew. One goroutine at a time uses it, but for what is woken.
type state struct {
	uid    types.UID
	reader reader
	// turn is what all SecretSyncs share that have files parsed.
	turn *scan.Turn
	// taken is of the newest fetch whose commit was taken; nil: none was, since the start. seen are commits before it, the newest first, for mode Observe.
	taken *taken
	seen  []*taken
	// failed is what the newest fetch has failed by; nil: it has not. failures counts them in a row.
	failed   *outcome
	failures int
	// generation and asked are those of the newest fetch, due is when the next is.
	generation int64
	asked      string
	due        time.Time
	// slow says that the repository took long when it was asked, and has not answered well in less since; heavy that what was to be applied did.
	slow, heavy bool
	// found is what the status has not been told yet.
	found findings

	plan sync.Memory
	// denied are the refusals that the audit log has, told the commit that it has as synced.
	denied map[string]bool
	told   string
	// notTaken and notApplied are what the audit log has as denied as a whole: the commit, and why.
	notTaken, notApplied string
	// written is what is remembered of what was put into Git.
	written written

	mu gosync.Mutex
	// woken asks for a fetch, hooked for one at wakes, which may be to come.
	woken, hooked bool
	wakes         time.Time
	// offers says that the cluster has something for Git that it had not.
	offers bool
	pace   time.Duration                     // how long after wakes it is woken again
	wants  map[types.NamespacedName]struct{} // the objects of taken
}

// offered notes that the cluster has something for Git that it had not.
func (s *state) offered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offers = true
}

func (s *state) takeOffers() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	offers := s.offers
	s.offers = false
	return offers
}

// take takes what a fetch has brought.
func (s *state) take(t *taken) {
	s.taken = t
	wants := make(map[types.NamespacedName]struct{}, len(t.set.Objects))
	for i := range t.set.Objects {
		wants[t.set.Objects[i].Key] = struct{}{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wants = wants
}

// concerns says whether the commit has an object of that name.
func (s *state) concerns(key types.NamespacedName) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, has := s.wants[key]
	return has
}

// wake asks for a fetch for a webhook, and says after which time it is: no two of them are less than wakeEvery apart, whoever sends one again and again.
func (s *state) wake(now time.Time) (after time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hooked = true
	switch next := s.wakes.Add(max(s.pace, wakeEvery)); {
	case now.Before(s.wakes): // one is to come
	case now.Before(next):
		s.wakes = next
	default:
		s.wakes = now
	}
	return s.wakes.Sub(now)
}

// paced has webhooks wake it as often as a fetch that took so long lets them.
func (s *state) paced(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pace = min(2*took, wakeRarely)
}

// ask has the repository asked at the next look.
func (s *state) ask() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.woken = true
}

// isWoken says whether a fetch was asked for, and is to be now.
func (s *state) isWoken(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.woken || s.isHooked(now)
}

func (s *state) isHooked(now time.Time) bool { return s.hooked && !now.Before(s.wakes) }

// takeWake says the same, and what asks for one from now on asks for another.
func (s *state) takeWake(now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	hooked := s.isHooked(now)
	woken := s.woken || hooked
	s.woken, s.hooked = false, s.hooked && !hooked
	return woken
}

// memory has the states of all SecretSyncs. Safe for concurrent use.
type memory struct {
	reader func(*scan.Turn) reader
	turn   *scan.Turn

	mu  gosync.Mutex
	all map[types.NamespacedName]*state
}

func newMemory(reader func(*scan.Turn) reader) *memory {
	return &memory{reader: reader, turn: scan.NewTurn(), all: map[types.NamespacedName]*state{}}
}

// of gives the state of a SecretSync, a new one where it is another object of that name.
func (m *memory) of(key types.NamespacedName, uid types.UID) *state {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.all[key]
	if s == nil || s.uid != uid {
		s = &state{uid: uid, reader: m.reader(m.turn), turn: m.turn, denied: map[string]bool{}}
		m.all[key] = s
	}
	return s
}

// known gives the state of a SecretSync that was looked at; nil: it was not.
func (m *memory) known(key types.NamespacedName) *state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[key]
}

// each gives all of them, as they are now.
func (m *memory) each() map[types.NamespacedName]*state {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.all)
}

// concerned are the SecretSyncs whose commits have an object.
func (m *memory) concerned(key types.NamespacedName) []types.NamespacedName {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []types.NamespacedName
	for name, s := range m.all {
		if s.concerns(key) {
			all = append(all, name)
		}
	}
	return all
}

// forget gives the UID of the object whose state it was; empty: there is none.
func (m *memory) forget(key types.NamespacedName) types.UID {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := m.all[key]
	delete(m.all, key)
	if s == nil {
		return ""
	}
	return s.uid
}
