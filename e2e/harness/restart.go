package harness

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// planeOptions say how the control plane of this process runs. One that is to be started again has a folder and a port of its own.
func (s *suite) planeOptions(binary string) (ControlPlaneOptions, error) {
	o := ControlPlaneOptions{Binary: binary, APIServerFlags: s.apiServerFlags, Controllers: s.controllers}
	o.Args = append(o.Args, "--log="+filepath.Join(s.dir, "controlplane.log"))
	if !s.restarts {
		// If this process is killed, the control plane is who is left to tidy up.
		o.Args = append(o.Args, "--remove-at-exit="+s.dir)
		return o, nil
	}
	dir := filepath.Join(s.dir, "plane")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return o, err
	}
	port, err := freePort()
	if err != nil {
		return o, err
	}
	o.Args = append(o.Args, "--dir="+dir, fmt.Sprintf("--port=%d", port))
	return o, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// WhileStopped stops the control plane, calls during with the folder of etcd's data, and starts the control plane again, at the same address and with what is
// in the folder then. It needs WithRestarts. No other test may run meanwhile.
func (c *Cluster) WhileStopped(t testing.TB, during func(etcd string)) {
	t.Helper()
	s := c.suite
	s.mu.Lock()
	plane, options := s.plane, s.options
	s.mu.Unlock()
	if plane == nil || !s.restarts {
		t.Fatal("harness: stopping the control plane needs WithRestarts")
	}
	if err := plane.Stop(); err != nil {
		t.Fatalf("harness: %v", err)
	}
	during(filepath.Join(plane.Dir, "etcd"))
	// It serves all tests, so it does not end with this one.
	plane, err := LaunchControlPlane(context.WithoutCancel(t.Context()), options)
	if err != nil {
		t.Fatalf("harness: %v", err)
	}
	s.mu.Lock()
	s.plane = plane
	s.mu.Unlock()
}
