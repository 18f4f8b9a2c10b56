package scan

import "context"

// Turn has one text at a time be parsed of those that are Dear, of all who share it. Whoever has it waits for nobody who may want it. Safe for concurrent use.
type Turn struct{ place chan struct{} }

// NewTurn is one that nobody has.
func NewTurn() *Turn { return &Turn{make(chan struct{}, 1)} }

// Take waits until a text may be parsed: not at all if it is not Dear, and no longer than ctx, whose error it gives then. done says that it was parsed, and that nothing of the
// parser's is kept; it is called once.
func (t *Turn) Take(ctx context.Context, data []byte) (done func(), err error) {
	if !Dear(data) {
		return func() {}, nil
	}
	select {
	case t.place <- struct{}{}:
		return func() { <-t.place }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
