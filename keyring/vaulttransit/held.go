package vaulttransit

import (
	"bytes"
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
	uses    int // that were asked for and not made
}

// held are file keys between the request that has decrypted them and their use.
type held struct {
	now func() time.Time

	mu       sync.Mutex
	entries  map[place]entry
	sweeping bool // expire will be called
}

// put keeps an entry for so many uses, and has it dropped later. Where there is no room another one goes, whichever: it is asked for again. Otherwise who has more than there is
// room for, and keeps it, would have nobody else's kept.
func (h *held) put(p place, e entry, uses int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e.uses = h.entries[p].uses + uses
	h.drop(p)
	if len(h.entries) >= maxHeld {
		h.sweep()
	}
	for other := range h.entries {
		if len(h.entries) < maxHeld {
			break
		}
		h.drop(other)
	}
	if !h.sweeping {
		h.sweeping = true
		time.AfterFunc(keptFor, h.expire)
	}
	e.until = h.now().Add(keptFor)
	h.entries[p] = e
}

// take gives an entry away for one of its uses.
func (h *held) take(p place) (entry, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	e, ok := h.entries[p]
	if e.uses--; e.uses > 0 {
		h.entries[p] = e
		e.plain = bytes.Clone(e.plain) // ours is cleared when its time has come
	} else {
		delete(h.entries, p)
	}
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
	if h.sweeping = len(h.entries) > 0; h.sweeping {
		time.AfterFunc(keptFor/4, h.expire)
	}
}

func (h *held) sweep() {
	now := h.now()
	for p, e := range h.entries {
		if now.After(e.until) {
			h.drop(p)
		}
	}
}

// drop forgets an entry, if it is there.
func (h *held) drop(p place) {
	clear(h.entries[p].plain)
	delete(h.entries, p)
}
