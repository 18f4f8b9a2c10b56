package journal_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/journal"
)

const origin = "test/replica-0/0001"

func key(seed byte) ed25519.PrivateKey {
	return ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
}

func public(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// root is any.
func root() [sha256.Size]byte { return sha256.Sum256([]byte("a tree")) }

// write gives the frames of a journal of this part; each has two records.
func write(t *testing.T, k ed25519.PrivateKey, origin string, base int64, frames int) [][]byte {
	t.Helper()
	w, first, err := journal.NewWriter(k, origin, base, root())
	if err != nil {
		t.Fatal(err)
	}
	all := [][]byte{first}
	for i := range frames {
		frame, kept, err := w.Frame([][]byte{fmt.Appendf(nil, "record %d", 2*i), fmt.Appendf(nil, "record %d", 2*i+1)})
		if err != nil || len(kept) != 2 || string(kept[1]) != fmt.Sprintf("record %d", 2*i+1) {
			t.Fatalf("%q, %v", kept, err)
		}
		all = append(all, frame)
	}
	return all
}

func text(j journal.Journal) string { return string(bytes.Join(j.Records, []byte(", "))) }

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

func TestAJournalIsReadAsItWasWritten(t *testing.T) {
	b := join(write(t, key(1), origin, 7, 3)...)
	for name, k := range map[string]ed25519.PublicKey{"with the key": public(key(1)), "without": nil} {
		j, err := journal.Read(b, k, origin)
		if err != nil || j.Base != 7 || j.Root != root() || j.Torn != 0 || text(j) != "record 0, record 1, record 2, record 3, record 4, record 5" {
			t.Errorf("%s: base %d, %d torn, %s: %v", name, j.Base, j.Torn, text(j), err)
		}
	}
}

// A process can die at any byte of a frame that it writes. What was written before is there, whatever is at the end.
func TestAFrameThatIsTornIsCutOff(t *testing.T) {
	frames := write(t, key(1), origin, 7, 3)
	good, last := join(frames[:3]...), frames[3]
	for n := range len(last) {
		for name, tail := range map[string][]byte{"cut": last[:n], "with zeros behind": join(last[:n], make([]byte, len(last)-n)), "of zeros": make([]byte, n)} {
			if bytes.Equal(tail, last) {
				continue
			}
			j, err := journal.Read(join(good, tail), public(key(1)), origin)
			if err != nil || text(j) != "record 0, record 1, record 2, record 3" || j.Torn != len(tail) {
				t.Fatalf("%s at %d: %s, %d torn: %v", name, n, text(j), j.Torn, err)
			}
		}
	}
}

// A changed byte in a frame with others behind it is no crash. Without the look at what is behind, all records from there on would be lost without a word.
func TestAFrameInTheMiddleThatWasAlteredIsRefused(t *testing.T) {
	frames := write(t, key(1), origin, 7, 3)
	start := len(frames[0])
	for i := range frames[1] {
		b := join(frames...)
		b[start+i] ^= 1
		if j, err := journal.Read(b, public(key(1)), origin); err == nil {
			t.Fatalf("byte %d was changed, and it reads %s", i, text(j))
		}
	}
	for i := range frames[0] { // the first one was whole before the file had its name
		b := join(frames...)
		b[i] ^= 1
		if j, err := journal.Read(b, public(key(1)), origin); err == nil {
			t.Fatalf("byte %d of the first frame was changed, and it reads %s", i, text(j))
		}
	}
}

func TestFramesOfSomethingElseAreRefused(t *testing.T) {
	frames := write(t, key(1), origin, 7, 3)
	forged, part, older := write(t, key(2), origin, 7, 3), write(t, key(1), "test/replica-0/0002", 7, 3), write(t, key(1), origin, 6, 3)
	for name, b := range map[string][]byte{
		"empty":                           {},
		"of another key":                  join(forged...),
		"of another part":                 join(part...),
		"without its first frame":         join(frames[1:]...),
		"a frame left out":                join(frames[0], frames[1], frames[3]),
		"the first one left out":          join(frames[0], frames[2]),
		"a frame twice":                   join(frames[0], frames[1], frames[1]),
		"changed places":                  join(frames[0], frames[2], frames[1]),
		"a frame of an older journal":     join(frames[0], frames[1], older[2]),
		"a forged one in the middle":      join(frames[0], forged[1], frames[2]),
		"another part's in the middle":    join(frames[0], part[1], frames[2]),
		"more than any":                   join(join(frames...), make([]byte, journal.MaxSize)),
		"many that may be frames at last": join(frames[0], bytes.Repeat([]byte("\x00wxjrnl\x01"), 1<<18)),
	} {
		if j, err := journal.Read(b, public(key(1)), origin); err == nil {
			t.Errorf("%s: it reads %s, %d torn", name, text(j), j.Torn)
		}
	}
	// At the end, a frame that is not signed is one that is torn: nothing of it is read.
	for name, last := range map[string][]byte{"forged": forged[2], "another part's": part[2]} {
		j, err := journal.Read(join(frames[0], frames[1], last), public(key(1)), origin)
		if err != nil || text(j) != "record 0, record 1" || j.Torn != len(last) {
			t.Errorf("%s at the end: %s, %d torn: %v", name, text(j), j.Torn, err)
		}
	}
}

func TestARecordThatIsTooLongIsNotTaken(t *testing.T) {
	w, _, err := journal.NewWriter(key(1), origin, 0, root())
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.Frame([][]byte{make([]byte, audit.MaxRecord)}); err != nil {
		t.Error(err)
	}
	if _, _, err := w.Frame([][]byte{make([]byte, audit.MaxRecord+1)}); err == nil || !strings.Contains(err.Error(), "longer than 65535") {
		t.Errorf("a record that is too long: %v", err)
	}
}

func TestBehindIsWhatTheTreeDoesNotHave(t *testing.T) {
	records := func(text string) (all [][]byte) {
		for _, r := range strings.Fields(text) {
			all = append(all, []byte(r))
		}
		return all
	}
	for _, c := range []struct {
		journal, tree, behind string
		ok                    bool
	}{
		{"a b c", "", "a b c", true},
		{"a b c", "a", "b c", true},
		{"a b c", "c a", "b", true}, // a batch that was cut may change places
		{"a b c", "a b c", "", true},
		{"a a b", "a", "a b", true},
		{"a b", "a x", "b", false},
		{"a b", "a b c", "", false},
		{"a", "a a", "", false},
	} {
		behind, ok := journal.Journal{Records: records(c.journal)}.Behind(records(c.tree))
		if got := string(bytes.Join(behind, []byte(" "))); got != c.behind || ok != c.ok {
			t.Errorf("of %q with the tree %q: %q, %t", c.journal, c.tree, got, ok)
		}
	}
}

// Whoever can write to the volume can leave a file that seems to have a frame at every byte, each as long as the file: a look at all of them takes minutes, once a second.
func TestWhatSeemsToHoldManyLongFramesIsGivenUpSoon(t *testing.T) {
	first := write(t, key(1), origin, 7, 0)[0]
	head := append([]byte("\x00wxjrnl\x01"), 0, 0x7f, 0, 0) // 8 MiB of records
	b := append(join(first, bytes.Repeat(head, 100)), make([]byte, 8<<20)...)
	var err error
	var j journal.Journal
	// Each frame that is looked at takes a few.
	allocs := testing.AllocsPerRun(1, func() { j, err = journal.Read(b, public(key(1)), origin) })
	if err == nil || allocs > 100 {
		t.Errorf("it reads %s, %d torn, after %v allocations: %v", text(j), j.Torn, allocs, err)
	}
}
