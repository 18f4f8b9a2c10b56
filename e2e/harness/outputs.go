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
	list []*source
}

// source is an output that may still grow, and changes in no other way; it is read when it is asked for.
type source struct {
	name, test string
	read       func() []byte

	mu sync.Mutex
	// without says of each canary how many bytes were searched and do not hold it.
	without map[string]int
}

func (r *recorder) add(name, test string, read func() []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, &source{name: name, test: test, read: read, without: map[string]int{}})
}

func (r *recorder) addFile(name, test, path string) {
	r.add(name, test, func() []byte {
		b, _ := os.ReadFile(path) // not written yet means nothing printed
		return b
	})
}

// sources are those of all tests, in the order of the tests' names.
func (r *recorder) sources() []*source {
	r.mu.Lock()
	list := slices.Clone(r.list)
	r.mu.Unlock()
	slices.SortStableFunc(list, func(a, b *source) int { return cmp.Compare(a.test, b.test) })
	return list
}

// holds looks for a canary in what is there by now. What has not grown since it was found to be without is not searched again: every test looks through the
// outputs of all tests before it.
func (s *source) holds(canary string) (form string, found bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	data := s.read()
	if s.without[canary] == len(data) {
		return "", false
	}
	if form, found = FindCanary(canary, data); !found {
		s.without[canary] = len(data)
	}
	return form, found
}

// Outputs is everything printed so far by the processes of all tests (running ones included) and by the control
// plane's components, and what was recorded besides.
func (c *Cluster) Outputs() []Output {
	var out []Output
	for _, s := range c.suite.outputs.sources() {
		out = append(out, Output{Name: s.name, Test: s.test, Data: s.read()})
	}
	return out
}

// Record adds bytes to Outputs, such as the events, statuses or metrics that a test saw.
func (c *Cluster) Record(t testing.TB, name string, data []byte) {
	kept := slices.Clone(data)
	c.suite.outputs.add(name, t.Name(), func() []byte { return kept })
}

// NoCanary fails the test for every output that holds the canary in any form of FindCanary. It names the output and
// the form, never what stands there.
func (c *Cluster) NoCanary(t testing.TB, canary string) {
	t.Helper()
	for _, s := range c.suite.outputs.sources() {
		if form, found := s.holds(canary); found {
			t.Errorf("the output %q of test %q holds the canary (%s)", s.name, s.test, form)
		}
	}
}
