package harness

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// FreeAddress gives an address of the loopback at which nobody listens, for a program that is to be told where it listens. It is the test's own until the test ends, whether somebody
// listens there or not: no other call gives it out, in no process, and the kernel gives its port to nobody who asks for any.
func FreeAddress(t testing.TB) string {
	t.Helper()
	port, held, err := allPorts().hold()
	if err != nil {
		t.Fatalf("harness: %v", err)
	}
	t.Cleanup(func() { _ = held.Close() })
	return loopback(port)
}

func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

// ports are those from first to last. Whoever holds one has the lock on the file of its number in dir, which goes when the file is closed, and with the process; the file stays,
// because another process may be about to lock it.
type ports struct {
	dir         string
	first, last int
}

func allPorts() ports {
	// Other systems than Linux choose from high ports.
	ephemeral, _ := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	p := outside(string(ephemeral))
	// The folder is a user's own, because another could not write to it.
	p.dir = filepath.Join(os.TempDir(), fmt.Sprintf("waxwing-ports-%d", os.Getuid()))
	return p
}

// outside gives ports that the kernel does not choose for connections and listeners that ask for any, when it chooses from the range of this text.
func outside(ephemeral string) ports {
	all := ports{first: 10000, last: 19999} // e2e/demo-vault.sh takes one from 20000 on
	var low, high int
	if n, _ := fmt.Sscan(ephemeral, &low, &high); n != 2 {
		return all
	}
	const enough = 1000
	switch {
	case low-all.first >= enough:
		all.last = min(all.last, low-1)
	case all.last-high >= enough:
		all.first = max(all.first, high+1)
	}
	// The kernel may choose from all of them. Then the locks keep at least tests apart.
	return all
}

// hold takes one at random, so that calls seldom try the same.
func (p ports) hold() (int, *os.File, error) {
	if err := os.MkdirAll(p.dir, 0o700); err != nil {
		return 0, nil, err
	}
	n := p.last - p.first + 1
	start := rand.IntN(n)
	for i := range n {
		port := p.first + (start+i)%n
		held, err := p.try(port)
		if err != nil {
			return 0, nil, err
		}
		if held != nil {
			return port, held, nil
		}
	}
	return 0, nil, fmt.Errorf("no port from %d to %d is free", p.first, p.last)
}

// try gives no file where the port is held, or somebody who knows nothing of locks listens there.
func (p ports) try(port int) (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(p.dir, strconv.Itoa(port)), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		var l net.Listener
		if l, err = net.Listen("tcp", loopback(port)); err == nil {
			return file, l.Close()
		}
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil
	}
	return nil, fmt.Errorf("holding port %d: %w", port, err)
}
