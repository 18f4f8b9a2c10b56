package audit_test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
)

func TestAStreamHasEveryRecordOnALine(t *testing.T) {
	var out bytes.Buffer
	s := audit.NewStream(&out)
	s.Durable([][]byte{[]byte(`{"v":1}`), []byte(`{"v":2}`)})
	s.Durable([][]byte{[]byte(`{"v":3}`)})
	s.Close(t.Context())
	if got := out.String(); got != "{\"v\":1}\n{\"v\":2}\n{\"v\":3}\n" || s.Dropped() != 0 {
		t.Errorf("%q, %d dropped", got, s.Dropped())
	}
}

// TestAStreamThatNobodyReadsHoldsNothingUp has a reader that never reads. Without a bound, the calls would not return.
func TestAStreamThatNobodyReadsHoldsNothingUp(t *testing.T) {
	_, stuck := io.Pipe()
	s := audit.NewStream(stuck)
	record := bytes.Repeat([]byte("x"), 60<<10)
	for range 200 { // 12 MB
		s.Durable([][]byte{record})
	}
	if n := s.Dropped(); n < 40 || n > 100 {
		t.Errorf("%d dropped", n)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	s.Close(ended)
	if err := stuck.Close(); err != nil {
		t.Error(err)
	}
}

// TestAStreamThatWasClosedTakesNoMore has a store answer that was given up waiting for: its records come after the end.
func TestAStreamThatWasClosedTakesNoMore(t *testing.T) {
	var out bytes.Buffer
	s := audit.NewStream(&out)
	s.Close(t.Context())
	s.Durable([][]byte{[]byte(`{"v":1}`)})
	if out.Len() != 0 || s.Dropped() != 1 {
		t.Errorf("%q, %d dropped", out.String(), s.Dropped())
	}
}
