package harness

import (
	"context"
	"net"
	"strconv"
	"testing"
)

func TestAnAddressIsATestsOwn(t *testing.T) {
	one := FreeAddress(t)
	// Nobody else is given this port meanwhile, so a pool of its own can be about it alone.
	pool := ports{dir: t.TempDir()}
	_, port, err := net.SplitHostPort(one)
	if err != nil {
		t.Fatal(err)
	}
	if pool.first, err = strconv.Atoi(port); err != nil {
		t.Fatal(err)
	}
	pool.last = pool.first
	if all := allPorts(); pool.first < all.first || pool.last > all.last {
		t.Errorf("port %s is not of %+v", port, all)
	}
	all := allPorts()
	all.first, all.last = pool.first, pool.last
	if _, _, err := all.hold(); err == nil {
		t.Error("it was given out again")
	}
	_, held, err := pool.hold()
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := pool.hold(); err == nil {
		t.Error("one that is held was given out")
	}
	if err := held.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", one)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := pool.hold(); err == nil {
		t.Error("one at which somebody listens was given out")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, held, err = pool.hold(); err != nil {
		t.Fatalf("one that was let go of: %v", err)
	}
	_ = held.Close()
}

func TestAnAddressEndsWithItsTest(t *testing.T) {
	all := allPorts()
	t.Run("inner", func(t *testing.T) {
		_, port, _ := net.SplitHostPort(FreeAddress(t))
		all.first, _ = strconv.Atoi(port)
	})
	all.last = all.first
	// Another process may have been given it since.
	Eventually(t.Context(), t, "it is given out again", func(context.Context) error {
		_, held, err := all.hold()
		if err != nil {
			return err
		}
		return held.Close()
	})
}

func TestPortsAreOutsideTheKernelsRange(t *testing.T) {
	for ephemeral, want := range map[string]ports{
		"32768\t60999\n": {first: 10000, last: 19999},
		"":               {first: 10000, last: 19999},
		"16000 65535":    {first: 10000, last: 15999},
		"1024 15000":     {first: 15001, last: 19999},
		"1024 9000":      {first: 10000, last: 19999},
		"10500 15000":    {first: 15001, last: 19999},
		"1024 65535":     {first: 10000, last: 19999}, // there are no others
	} {
		if got := outside(ephemeral); got != want {
			t.Errorf("%q: %+v, want %+v", ephemeral, got, want)
		}
	}
}
