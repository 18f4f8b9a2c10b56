package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"unicode"

	"github.com/waxwing-io/waxwing/repo/change"
)

// fakeTerminal says what it is told about the standard streams; nobody can be asked at it.
type fakeTerminal struct {
	Terminal
	stdout bool
}

func (f fakeTerminal) Interactive() (stdin, stdout bool) { return false, f.stdout }

func TestColoursAreForTerminalsOnly(t *testing.T) {
	cases := map[string]struct {
		terminal Terminal
		environ  map[string]string
		want     bool
	}{
		"a terminal":             {fakeTerminal{stdout: true}, nil, true},
		"a pipe":                 {fakeTerminal{}, nil, false},
		"no terminal at all":     {nil, nil, false},
		"a terminal, NO_COLOR":   {fakeTerminal{stdout: true}, map[string]string{"NO_COLOR": "1"}, false},
		"a terminal that is old": {fakeTerminal{stdout: true}, map[string]string{"TERM": "dumb"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			e := &Env{Terminal: tc.terminal, Getenv: func(name string) string { return tc.environ[name] }}
			if tc.want && runtime.GOOS == "windows" {
				tc.environ = map[string]string{"WT_SESSION": "1"}
			}
			if got := e.colours(); got != tc.want {
				t.Errorf("%v, not %v", got, tc.want)
			}
		})
	}
}

func TestAReportPrintsNothingButItsOwnColours(t *testing.T) {
	const evil = "a\x1b[31m\u202e\u0085\nb"
	d := change.Difference{Namespace: evil, Name: evil, Change: change.Changed, For: "strict " + evil, Problem: evil,
		Items: []change.Item{{Name: evil, Change: change.Changed, Old: &change.Sealing{Envelope: evil, SealedAt: evil, Holders: []change.Holder{{Name: evil + "2"}}},
			New: &change.Sealing{Envelope: evil + "n", SealedAt: evil, Holders: []change.Holder{{Name: evil, Keys: []string{evil, strings.Repeat("\x1b", 32)}, WrappedBefore: []string{evil}}}}}},
		Wraps:     []change.Wrap{{Holder: evil, Change: change.Changed, Old: []string{evil}, New: []string{evil + "3"}, Items: []string{evil}}},
		Fields:    []change.Field{{Path: evil, Change: change.Changed, Old: evil, New: evil + "4"}},
		Signature: &change.Signature{Change: change.Changed, Old: evil, New: evil + "5"},
	}
	files := diffReport{Files: []fileDiff{{Path: evil, From: evil + "6", Problem: []string{evil}, Objects: []objectDiff{{Difference: d}}}}}
	commit := commitChange{ID: evil, Date: evil, Author: evil, Subject: evil, Path: evil, From: evil, Problems: []string{evil}, Objects: []change.Difference{d}}
	for _, colour := range []bool{false, true} {
		var out bytes.Buffer
		r := &reportText{out: &out, colour: colour}
		files.text(r)
		commit.text(r)
		text := out.String()
		if !strings.Contains(text, "b") || colour == !strings.Contains(text, plain) {
			t.Errorf("colour %v: the report is %q", colour, text)
		}
		for _, code := range []string{red, green, yellow, strong, plain} {
			if !colour {
				break
			}
			text = strings.ReplaceAll(text, code, "")
		}
		if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
			t.Errorf("colour %v: %q is printed", colour, text[max(0, i-20):i+1])
		}
		if strings.Contains(text, "\nb") {
			t.Errorf("colour %v: a name begins a line of its own", colour)
		}
	}
}

func TestJSONIsPrintableAndTheSame(t *testing.T) {
	for _, text := range []string{"", "plain <&>", "a\x1b[31m\x00\n\t\u007f", "\u0085\u202e\ufeff\u2028", "\U000e0001 \U0001f600", "ü"} {
		b, err := printableJSON(map[string]string{"text": text})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range string(b) {
			if r != '\n' && !unicode.IsPrint(r) {
				t.Errorf("%q: %q is printed", text, r)
			}
		}
		var back map[string]string
		if err := json.Unmarshal(b, &back); err != nil || back["text"] != text {
			t.Errorf("%q comes back as %q, %v", text, back["text"], err)
		}
	}
}

func TestRecentVersionsAreBounded(t *testing.T) {
	var r recentVersions
	large := fileVersion{sealed: []change.Object{{Doc: make([]byte, 1<<20)}}}
	for i := range 100 {
		r.keep(fmt.Sprintf("large %d", i), large)
	}
	if r.bytes > maxRecent || len(r.byID) != maxRecent>>20 || len(r.ids) != len(r.byID) {
		t.Errorf("%d versions of %d bytes are kept", len(r.byID), r.bytes)
	}
	if _, ok := r.byID["large 99"]; !ok {
		t.Error("the newest is forgotten")
	}
	for i := range 1000 {
		r.keep(fmt.Sprintf("small %d", i), fileVersion{})
	}
	if r.bytes != 0 || len(r.byID) != mostRecent {
		t.Errorf("%d versions of %d bytes are kept", len(r.byID), r.bytes)
	}
}
