package keyring

import (
	"slices"
	"strings"
)

// Compromised lists the keys that others know, by id; also those that are destroyed by now: what they could open is known all the same.
func (r *Ring) Compromised() []Key {
	var all []Key
	for id := range r.exposing {
		all = append(all, r.keys[id])
	}
	slices.SortFunc(all, func(a, b Key) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// others are the keyrings in memory that have a key, and not only what is left of one, but for one of them, by the key's id.
func (m *Manager) others(keyring string) map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := map[string]string{}
	for name, h := range m.held {
		for _, k := range h.part.Keys {
			if name != keyring && k.State != Destroyed {
				all[k.ID] = name
			}
		}
	}
	return all
}

// unread says whether there is a keyring of this name whose keys were not read yet.
func (m *Manager) unread(keyring string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.held[keyring]
	return ok && !h.loaded
}
