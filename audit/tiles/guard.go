package tiles

import (
	"errors"
	"sync"

	"golang.org/x/mod/sumdb/note"
)

// guard signs the checkpoints that Tessera publishes, as long as each contains the one before. Tessera reads the tree that it signs from the disk, and would sign another
// one of the same size if the folder were exchanged while it runs.
type guard struct {
	note.Signer
	part   part
	report func(error)

	mu     sync.Mutex
	last   tree
	closed bool
}

// Sign implements note.Signer.
func (g *guard) Sign(msg []byte) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("the part is closed")
	}
	t, err := parseCheckpoint(string(msg), g.part.verifier.Name())
	if err == nil {
		err = g.part.has(t, t.size)
	}
	if err == nil {
		err = g.part.has(g.last, t.size)
	}
	if err != nil {
		g.report(err)
		return nil, err
	}
	g.last = t
	return g.Signer.Sign(msg)
}

// close has nothing signed any more: Tessera's goroutines end some time after they were told to.
func (g *guard) close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}
