package pack

import (
	"context"
	"errors"
	"testing"
)

func TestATurnIsHadByOne(t *testing.T) {
	shared := NewTurn()
	one, two := &taking{of: shared}, &taking{of: shared}
	for range 2 {
		if err := one.take(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := two.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("two have it: %v", err)
	}
	two.end()
	if err := two.take(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("who has it not gives it back: %v", err)
	}
	one.end()
	if err := two.take(t.Context()); err != nil {
		t.Error(err)
	}
	two.end()
	none := &taking{}
	if err := errors.Join(none.take(ctx), two.take(t.Context())); err != nil {
		t.Error(err)
	}
}
