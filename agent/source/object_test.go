package source

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

func TestFieldsOfSeveralLines(t *testing.T) {
	head, body, err := fields([]byte("gpgsig a b\n c\n  d\n \n e\nbare\nlater\n f\nempty \n\nbody\n x\n"))
	if err != nil || string(body) != "body\n x\n" {
		t.Fatalf("the body is %q (%v)", body, err)
	}
	var got []string
	for _, h := range head {
		got = append(got, h.key+"="+h.value)
	}
	want := []string{"gpgsig=a b\nc\n d\n\ne", "bare=", "later=\nf", "empty="}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("they are %q, and should be %q", got, want)
	}
}

// TestAFieldOfManyLinesIsReadInOneGo has commits whose heads are one field with nothing but lines that go on: one four times as large takes four times the memory, not sixteen times.
func TestAFieldOfManyLinesIsReadInOneGo(t *testing.T) {
	made := func(size int) uint64 {
		text := []byte("tree x\n" + strings.Repeat(" \n", size/2) + "\n")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		head, _, err := fields(text)
		runtime.ReadMemStats(&after)
		if err != nil || len(head) != 1 || head[0].value != "x"+strings.Repeat("\n", size/2) {
			t.Fatalf("%d fields (%v)", len(head), err)
		}
		return after.TotalAlloc - before.TotalAlloc
	}
	small, large := made(maxCommit/4), made(maxCommit)
	if t.Logf("%d and %d bytes were made", small, large); large > 6*small {
		t.Errorf("a quarter takes %d bytes, all of it %d", small, large)
	}
}

// FuzzObjects holds that no commit, tag or tree, however broken, does more than give an error, and that what a signature is over is all of a commit but the signature.
func FuzzObjects(f *testing.F) {
	f.Add([]byte("tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\nauthor A <a@example.com> 1 +0000\ncommitter A <a@example.com> 1 +0000\ngpgsig -----BEGIN SSH SIGNATURE-----\n x\n -----END SSH SIGNATURE-----\n\nm\n"))
	f.Add([]byte("object 4b825dc642cb6eb9a060e54bf8d69288fbee4904\ntype tree\ntag v1\n\nm\n-----BEGIN PGP SIGNATURE-----\n"))
	f.Add(append([]byte("100644 a\x00"), make([]byte, 20)...))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = parseCommit(pack.ID{}, text)
		_, _, _ = tagged(text)
		_, _ = parseTree(text, 1000)
		if s := ofTag(text); !bytes.Equal(append(bytes.Clone(s.text), s.signature...), text) {
			t.Error("a tag is not what is signed and the signature")
		}
		head, body, err := fields(text)
		if err != nil {
			return
		}
		var all []byte
		for _, h := range head {
			all = append(all, h.raw...)
		}
		if all = append(append(all, '\n'), body...); !bytes.Equal(all, text) {
			t.Errorf("%q is read as %q", text, all)
		}
		s, err := ofCommit(text)
		if err == nil && s.signature == nil && !bytes.Contains(text, []byte("gpgsig")) && !bytes.Equal(s.text, text) {
			t.Errorf("of %q is signed %q", text, s.text)
		}
	})
}
