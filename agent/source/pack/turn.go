package pack

import (
	"context"
	"sync"
)

const (
	// lightObjects and lightBytes are how many objects a pack may have, and how large one of them may be, for it to be indexed beside others.
	lightObjects = 1 << 16
	lightBytes   = 4 << 20
)

// Turn has what takes much memory be done by one at a time, of all that share it: packs of different repositories, each within its Limits, would together be more than a process has.
type Turn struct {
	indexing chan struct{}
	reading  sync.Mutex
}

// NewTurn is one that nobody has.
func NewTurn() *Turn { return &Turn{indexing: make(chan struct{}, 1)} }

// taking is a turn, once it is needed.
type taking struct {
	of  *Turn // nil: there is nobody to wait for
	has bool
}

// take waits for the turn, if it is not had already.
func (t *taking) take(ctx context.Context) error {
	if t.of == nil || t.has {
		return nil
	}
	select {
	case t.of.indexing <- struct{}{}:
		t.has = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (t *taking) end() {
	if t.has {
		<-t.of.indexing
	}
}
