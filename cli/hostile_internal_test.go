package cli

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/manifest"
)

// allocated is how many bytes f allocates: a measure of its work that does not depend on the machine.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestListsAreTakenApartInLinearWork(t *testing.T) {
	const n = 2000
	cases := map[string]struct {
		item string
		want int
	}{
		"many items of a nested list": {"{apiVersion: v1, kind: List, items: [" + strings.Repeat("{},", n) + "]}", n},
		"many nested lists":           {strings.Repeat("{apiVersion: v1, kind: List, items: [{}]},", n), n},
		"many things named List":      {strings.Repeat("{kind: FooList, a: {kind: Secret}},", n), n},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			file, err := manifest.Parse("f", []byte("apiVersion: v1\nkind: List\nitems: ["+tc.item+"]\n"))
			if err != nil {
				t.Fatal(err)
			}
			for _, limit := range []int{0, maxItemEdits, 1 << 30} {
				var all []object
				if b := allocated(func() { all = objects("f", file, limit) }); b > 128<<20 {
					t.Errorf("limit %d: %d MiB were allocated", limit, b>>20)
				}
				if len(all) != tc.want {
					t.Errorf("limit %d: there are %d objects, not %d", limit, len(all), tc.want)
				}
			}
		})
	}
}

func TestManyCommentsAndLargeValuesAreHeldAgainstEachOtherInLinearWork(t *testing.T) {
	text := bytes.Repeat([]byte("# a comment\n"), 5000)
	text = append(text, "a: b # has canary-not-a-secret\n"...)
	values := seal.Values{"large": seal.NewValue(bytes.Repeat([]byte("x"), 500<<10)), "small": seal.NewValue([]byte("canary-not-a-secret\n"))}
	for i := range 10 {
		values[fmt.Sprintf("v%d", i)] = seal.NewValue(bytes.Repeat([]byte{byte('a' + i)}, 40<<10))
	}
	var got []string
	if b := allocated(func() { got = tellingComments("f", text, []seal.Values{values}) }); b > 64<<20 {
		t.Errorf("%d MiB were allocated", b>>20)
	}
	if len(got) != 1 || got[0] != "f:5001: a comment repeats the value of small, and stays readable" {
		t.Errorf("the warnings are %q", got)
	}
}

func TestWarningsOfCommentsAreBounded(t *testing.T) {
	values := []seal.Values{{"a": seal.NewValue([]byte("canary-not-a-secret")), "b": seal.NewValue([]byte("not-a-secret"))}}
	got := tellingComments("f", bytes.Repeat([]byte("# canary-not-a-secret\n"), 1000), values)
	if len(got) != maxTelling+1 || got[maxTelling] != "f: more comments do so" {
		t.Errorf("the warnings are %q", got)
	}
}

// countingEditor counts edits by what they do.
type countingEditor struct{ set, deleted int }

func (e *countingEditor) Set([]string, []byte) error { e.set++; return nil }
func (e *countingEditor) Delete([]string) error      { e.deleted++; return nil }

func TestEnvelopesThatGoAreDeletedByFewEdits(t *testing.T) {
	cases := map[string]struct{ gone, set, deleted int }{
		"none":                  {0, 1, 0},
		"one, by its own lines": {1, 1, 1},
		"a few":                 {maxDeletions, 1, maxDeletions},
		"thousands, at once":    {4000, 1, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			old, next := map[string]seal.Envelope{"stays": {}}, map[string]seal.Envelope{"stays": {}, "new": {}}
			for i := range tc.gone {
				old[fmt.Sprintf("gone%d", i)] = seal.Envelope{}
			}
			var e countingEditor
			if err := writeEnvelopes(&e, old, next); err != nil {
				t.Fatal(err)
			}
			if e.set != tc.set || e.deleted != tc.deleted {
				t.Errorf("%d entries were set and %d deleted", e.set, e.deleted)
			}
		})
	}
}

func TestFilesThatCannotBeReplacedComeWithAWayOut(t *testing.T) {
	cases := map[string]struct {
		err  error
		want string
	}{
		"a mounted file":       {fmt.Errorf("writing f: %w", syscall.EBUSY), "mounted"},
		"a folder":             {&fs.PathError{Op: "open", Path: "f", Err: syscall.EACCES}, "that folder is not writable"},
		"a read-only system":   {fmt.Errorf("writing f: %w", syscall.EROFS), "--out -"},
		"after others":         {errors.Join(os.ErrInvalid, fmt.Errorf("writing f: %w", syscall.EBUSY)), "mounted"},
		"what nobody can help": {os.ErrInvalid, ""},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			var b bytes.Buffer
			report(&b, withWayOut(tc.err))
			_, hint, hinted := strings.Cut(b.String(), "hint: ")
			if hinted != (tc.want != "") || !strings.Contains(hint, tc.want) {
				t.Errorf("the report is %q", b.String())
			}
		})
	}
}
