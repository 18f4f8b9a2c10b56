package keyring

import (
	"io"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// Config is what a Manager works with. All fields but Use, Uses, Backups and Restores are required.
type Config struct {
	// Source opens the sources that Keyrings name.
	Source SourceFunc
	// Use hears which sources the keys of a keyring in memory are from, so that others can be closed; none when the keyring is gone.
	Use func(keyring string, specs ...v1alpha1.KeySource)
	// Uses tells who needs the keys. Nil: nobody knows, and no key is destroyed but by a request that says so.
	Uses UsesFunc
	// Glance tells the same by what is at hand, for the status and for what is not destroyed in any case. Nil: Uses.
	Glance UsesFunc
	// Backups keeps backups of the keys, and Restores has those that people want to be taken from backups. Nil: there are none.
	Backups  Backups
	Restores Restores
	// Audit takes an intent before each touch of a key and an outcome after it.
	Audit audit.Log
	// Now is the clock, Rand the random source of probes.
	Now  func() time.Time
	Rand io.Reader
	// Live receives each new Ring.
	Live *Live
}

// Manager brings keyrings to where Decide has nothing more to ask for, and keeps the Ring. It is safe for concurrent use.
type Manager struct {
	cfg Config

	mu          sync.Mutex
	busy        map[string]*sync.Mutex // one Ensure for each keyring at a time
	held        map[string]held
	deleted     map[string][]audit.Operation // notes of keyrings that are gone, until the audit log has them
	subscribers []chan struct{}
}

// held is what is in memory of one keyring.
type held struct {
	uid    types.UID // of the Keyring
	part   Part
	loaded bool
	note   Published
	// counted is who needs the keys, as it was told last; nil: it was not.
	counted     *counted
	undestroyed []Undestroyed
	// sources are those that the Keyring named when all of it was read last.
	sources []v1alpha1.KeySource
}

// Published is a signed recipient set as it is served: public data.
type Published struct {
	Keyring     string
	VerifierKey string
	Note        string // empty where there is no set to seal to
	Set         uint64
	At          time.Time
}

// NewManager gives a Manager that knows of no keyring yet.
func NewManager(cfg Config) *Manager {
	return &Manager{cfg: cfg, busy: map[string]*sync.Mutex{}, held: map[string]held{}, deleted: map[string][]audit.Operation{}}
}

// Changed gives a channel that receives after each change of the Ring. Changes that nobody has received yet are one. Each call makes a channel of its own.
func (m *Manager) Changed() <-chan struct{} {
	c := make(chan struct{}, 1)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.subscribers = append(m.subscribers, c)
	return c
}

// Expect says which keyrings there are. Those that were not loaded yet are Unavailable in the Ring, so that a key that is missing is not taken for one that does not
// exist, and their policies count already.
func (m *Manager) Expect(keyrings ...*v1alpha1.Keyring) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, kr := range keyrings {
		if _, ok := m.held[kr.Name]; !ok {
			policy, _ := PolicyOf(&kr.Spec)
			m.held[kr.Name] = held{uid: kr.UID, part: Part{Keyring: kr.Name, Policy: policy}}
		}
	}
	m.store()
}

// govern has a Keyring's policy count, whatever becomes of its source.
func (m *Manager) govern(kr *v1alpha1.Keyring, policy Policy) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.held[kr.Name]
	h.uid, h.part.Keyring, h.part.Policy = kr.UID, kr.Name, policy
	m.held[kr.Name] = h
	m.store()
}

// Published lists the recipient sets in memory, by keyring; those of keyrings that were never loaded are absent.
func (m *Manager) Published() []Published {
	m.mu.Lock()
	defer m.mu.Unlock()
	var all []Published
	for _, name := range slices.Sorted(maps.Keys(m.held)) {
		if n := m.held[name].note; n.Note != "" {
			all = append(all, n)
		}
	}
	return all
}

// use tells which sources of a keyring are in use.
func (m *Manager) use(name string, specs ...v1alpha1.KeySource) {
	if m.cfg.Use != nil {
		m.cfg.Use(name, specs...)
	}
}

// lock waits for other work on the same keyring; the result unlocks.
func (m *Manager) lock(name string) (unlock func()) {
	m.mu.Lock()
	busy := m.busy[name]
	if busy == nil {
		busy = &sync.Mutex{}
		m.busy[name] = busy
	}
	m.mu.Unlock()
	busy.Lock()
	return busy.Unlock
}

// keep takes over what an Ensure has found. Where it could read no keys, those in memory stay.
func (m *Manager) keep(kr *v1alpha1.Keyring, found *inventory, note Published) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.held[kr.Name]
	switch {
	case found.keysRead:
		h.part.Keys, h.part.Unreadable, h.loaded = found.plain(), found.unreadable(), true
	case found.partly:
		h.part.Keys = found.over(h.part.Keys)
	}
	if found.complete() {
		h.note, h.part.Set, h.sources = note, statement.Recipients{}, specs(kr.Spec.DeepCopy())
		if note.Note != "" {
			h.part.Set = *found.set
		}
	}
	m.held[kr.Name] = h
	m.store()
}

// keepNewer is keep where the source is older than what is known: what is in memory is not lost, and goes on as it was.
func (m *Manager) keepNewer(kr *v1alpha1.Keyring, found *inventory) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.held[kr.Name]
	h.part.Keys, h.part.Unreadable, h.loaded = found.under(h.part.Keys), found.unreadable(), true
	m.held[kr.Name] = h
	m.store()
}

// store makes the Ring anew and says so if it differs. m.mu is held.
func (m *Manager) store() {
	var parts []Part
	var unavailable []string
	for name, h := range m.held {
		parts = append(parts, h.part)
		if !h.loaded {
			unavailable = append(unavailable, name)
		}
	}
	ring := NewRing(parts, unavailable)
	if ring.equal(m.cfg.Live.Load()) {
		return
	}
	m.cfg.Live.Store(ring)
	for _, c := range m.subscribers {
		select {
		case c <- struct{}{}:
		default:
		}
	}
}
