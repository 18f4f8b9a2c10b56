package keyring

import (
	"slices"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// undestroyedFor is how long a key is left alone that could not be destroyed: each try is an intent and an outcome in the audit log.
const undestroyedFor = 5 * time.Minute

// Undestroyed is a key that cannot be destroyed before a person has changed something, and what.
type Undestroyed struct {
	Key, Why   string
	at         time.Time
	generation int64 // of the Keyring: whoever changes that has it tried again
}

// undestroyed says why a key could not be destroyed; empty: it was not tried lately, or could.
func (s Situation) undestroyed(id string) string {
	i := slices.IndexFunc(s.Undestroyed, func(u Undestroyed) bool { return u.Key == id })
	if i < 0 {
		return ""
	}
	return s.Undestroyed[i].Why
}

// undestroyed are the keys that are not tried again yet.
func (m *Manager) undestroyed(kr *v1alpha1.Keyring) []Undestroyed {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(m.held[kr.Name].undestroyed), func(u Undestroyed) bool {
		return u.generation != kr.Generation || m.cfg.Now().Sub(u.at) >= undestroyedFor
	})
}

// keepUndestroyed is for the next run.
func (m *Manager) keepUndestroyed(keyring string, all []Undestroyed) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h, ok := m.held[keyring]; ok {
		h.undestroyed = all
		m.held[keyring] = h
	}
}
