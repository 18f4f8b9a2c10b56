package harness

import (
	"cmp"
	"os"
	"slices"
	"sync"
	"testing"
)

// Output is what one program printed, or other bytes that a test recorded.
type Output struct {
	// Name of the program or of what was recorded.
	Name string
	// Test that started it; empty for what all tests share.
	Test string
	Data []byte
}

// recorder keeps outputs for the length of the test process. Its zero value is ready.
type recorder struct {
	mu   sync.Mutex
	list []source
}

// source is an output that may still grow; it is read when it is asked for.
type source struct {
	name, test string
	read       func() []byte
}

func (r *recorder) add(name, test string, read func() []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, source{name, test, read})
}

func (r *recorder) addFile(name, test, path string) {
	r.add(name, test, func() []byte {
		b, _ := os.ReadFile(path) // not written yet means nothing printed
		return b
	})
}

func (r *recorder) all() []Output {
	r.mu.Lock()
	list := slices.Clone(r.list)
	r.mu.Unlock()
	var out []Output
	for _, s := range list {
		out = append(out, Output{Name: s.name, Test: s.test, Data: s.read()})
	}
	slices.SortStableFunc(out, func(a, b Output) int { return cmp.Compare(a.Test, b.Test) })
	return out
}

// Outputs is everything printed so far by the processes of all tests (running ones included) and by the control
// plane's components, and what was recorded besides.
func (c *Cluster) Outputs() []Output { return c.suite.outputs.all() }

// Record adds bytes to Outputs, such as the events, statuses or metrics that a test saw.
func (c *Cluster) Record(t testing.TB, name string, data []byte) {
	kept := slices.Clone(data)
	c.suite.outputs.add(name, t.Name(), func() []byte { return kept })
}

// NoCanary fails the test for every output that holds the canary in any form of FindCanary. It names the output and
// the form, never what stands there.
func (c *Cluster) NoCanary(t testing.TB, canary string) {
	t.Helper()
	for _, o := range c.Outputs() {
		if form, found := FindCanary(canary, o.Data); found {
			t.Errorf("the output %q of test %q holds the canary (%s)", o.Name, o.Test, form)
		}
	}
}
