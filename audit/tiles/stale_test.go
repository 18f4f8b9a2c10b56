package tiles

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// Tessera has cut a batch, failed with its first half after it had written a bundle, and taken the second: the bundle has records that are elsewhere in the tree, if anywhere, and whoever
// verifies the log finds two files that contradict each other.
func TestABundleOfAFailedHalfOfABatchIsSwept(t *testing.T) {
	s := begun(t)
	letGo := held(s)
	record(t, s, intent(0), intent(1), intent(2))
	letGo()
	if err := s.open.feed.hand(); err != nil {
		t.Fatal(err)
	}
	after := killed(t, s)
	in := func(name string) string { return filepath.Join(after.cfg.Dir, "0001", "tile", name) }
	first, err := os.ReadFile(in("entries/000.p/1"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"entries/000.p/2": append(first, "\x00\x05wrong"...), // of the failed half
		"0/000.p/2":       []byte("wrong"),
		"entries/000.p/1": []byte("\x00\x05older"), // was there before: it is not ours to take away
	} {
		if err := os.WriteFile(in(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	opens(t, after)
	for name, stays := range map[string]bool{"entries/000.p/1": true, "entries/000.p/2": false, "entries/000.p/4": true, "0/000.p/2": false, "0/000.p/4": true} {
		if _, err := os.Stat(in(name)); errors.Is(err, os.ErrNotExist) == stays {
			t.Errorf("%s: %v", name, err)
		}
	}
}
