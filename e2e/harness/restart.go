package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// planeOptions say how the control plane of this process runs. One that is to be started again has a folder and a port of its own.
func (s *suite) planeOptions(binary string) (ControlPlaneOptions, error) {
	logging, err := s.apiLogFlags()
	if err != nil {
		return ControlPlaneOptions{}, err
	}
	o := ControlPlaneOptions{Binary: binary, APIServerFlags: append(logging, s.apiServerFlags...), Controllers: s.controllers}
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
	// It is held as long as this process lasts.
	port, held, err := allPorts().hold()
	if err != nil {
		return o, err
	}
	s.port = held
	o.Args = append(o.Args, "--dir="+dir, fmt.Sprintf("--port=%d", port))
	return o, nil
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
