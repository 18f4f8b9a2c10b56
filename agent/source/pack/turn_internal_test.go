package pack

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
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

// TestWhatIsReadIsCheckedWithinTheTurn holds that read, which has the turn to its end, leaves nothing to be done with a large content after that.
func TestWhatIsReadIsCheckedWithinTheTurn(t *testing.T) {
	large := Object{Blob, make([]byte, heavy+1)}
	var content bytes.Buffer
	if err := Write(&content, []Object{large}); err != nil {
		t.Fatal(err)
	}
	dir, limits := t.TempDir(), Limits{ObjectBytes: 2 * heavy, TotalBytes: 2 * heavy, Objects: 1}
	create := func(name string) *os.File {
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	file, x := create("pack"), create("index")
	if _, err := file.Write(content.Bytes()); err != nil {
		t.Fatal(err)
	}
	if _, err := Index(t.Context(), file, int64(content.Len()), limits, x); err != nil {
		t.Fatal(err)
	}
	p, err := Open(file, x, limits)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	e, err := p.Find(large.ID())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.read(ID{}, e); !errors.Is(err, ErrTorn) {
		t.Errorf("the content of another object: %v", err)
	}
	if got, err := p.read(large.ID(), e); err != nil || !bytes.Equal(got, large.Content) {
		t.Errorf("%d bytes (%v)", len(got), err)
	}
	if !p.turn.reading.TryLock() {
		t.Error("the turn is not given back")
	}
}
