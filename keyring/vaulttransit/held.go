package vaulttransit

import (
	"crypto/sha256"
	"sync"
	"time"
)

const (
	// keptFor is how long what Vault has decrypted is kept for its use.
	keptFor = time.Minute
	// maxHeld bounds how much is kept; an entry takes some 200 bytes.
	maxHeld = 16 << 10
)

// place names a ciphertext: the digest is of what stands in Git.
type place struct {
	name   string
	digest [sha256.Size]byte
}

func placeOf(name string, ciphertext []byte) place { return place{name, sha256.Sum256(ciphertext)} }

// entry is what came of a ciphertext: the file key of an age file, or why there is none.
type entry struct {
	plain   []byte
	refused error
	until   time.Time
}

// held are file keys between the request that has decrypted them and their use.
type held struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[place]entry
}

// put keeps an entry, and has it dropped later.
func (h *held) put(p place, e entry) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.entries) >= maxHeld {
		h.sweep()
		if len(h.entries) >= maxHeld {
			return // it is asked for again
		}
	}
	if len(h.entries) == 0 {
		time.AfterFunc(keptFor, h.expire)
	}
	e.until = h.now().Add(keptFor)
	h.entries[p] = e
}

// take gives an entry away.
func (h *held) take(p place) (entry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.entries[p]
	delete(h.entries, p)
	return e, ok
}

// touch has an entry kept for longer, if it is there.
func (h *held) touch(p place) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.entries[p]
	if ok {
		e.until = h.now().Add(keptFor)
		h.entries[p] = e
	}
	return ok
}

// expire drops what nobody has used, until nothing is left.
func (h *held) expire() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.sweep()
	if len(h.entries) > 0 {
		time.AfterFunc(keptFor/4, h.expire)
	}
}

func (h *held) sweep() {
	now := h.now()
	for p, e := range h.entries {
		if now.After(e.until) {
			clear(e.plain)
			delete(h.entries, p)
		}
	}
}
