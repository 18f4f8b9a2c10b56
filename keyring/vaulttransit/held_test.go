package vaulttransit

import (
	"encoding/binary"
	"testing"
	"testing/synctest"
	"time"
)

func placeNumber(n int) place {
	return placeOf("prod-1", binary.BigEndian.AppendUint64(nil, uint64(n)))
}

// Who has more objects with many envelopes than there is room for would otherwise have everybody else's asked for again and again.
func TestOneThatIsNewHasRoomAmongThoseThatAreNeverUsed(t *testing.T) {
	h := &held{now: time.Now, entries: map[place]entry{}}
	for n := range maxHeld + 100 {
		h.put(placeNumber(n), entry{plain: []byte("a file key")}, 1)
		if !h.touch(placeNumber(n)) {
			t.Fatalf("entry %d found no room", n)
		}
	}
	if len(h.entries) > maxHeld {
		t.Errorf("%d are kept", len(h.entries))
	}
}

func TestWhatIsNotUsedIsGoneAfterAMinuteWhoeverElseAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := &held{now: time.Now, entries: map[place]entry{}}
		key := []byte("a file key")
		for n := range 1000 { // each finds nothing there
			h.put(placeNumber(n), entry{plain: []byte("another")}, 1)
			h.take(placeNumber(n))
		}
		h.put(placeNumber(1), entry{plain: key}, 3)
		first, _ := h.take(placeNumber(1))
		time.Sleep(keptFor + keptFor/2)
		synctest.Wait()
		if len(h.entries) != 0 || key[0] != 0 {
			t.Errorf("%d are kept: %q", len(h.entries), key)
		}
		if string(first.plain) != "a file key" {
			t.Error("what somebody has taken is cleared under his hands")
		}
		if h.sweeping {
			t.Error("it goes on sweeping")
		}
	})
}
