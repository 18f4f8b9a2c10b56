package cli

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

func TestAWrapIsStaleWhereTheSetOfKeysDiffers(t *testing.T) {
	var recipients []seal.Recipient
	for i := range 2 {
		recipients = append(recipients, seal.NewRecipient(fmt.Sprintf("age1test%d", i), nil, seal.Classical))
	}
	a, b := recipients[0].KeyID(), recipients[1].KeyID()
	for _, tc := range []struct {
		keys []string
		want wrapState
	}{
		{[]string{a, b}, wrapCurrent},
		{[]string{b, a}, wrapCurrent},
		{[]string{a}, wrapStale},
		{[]string{a, a}, wrapStale},
		{[]string{a, b, "x"}, wrapStale},
		{nil, wrapStale},
	} {
		if got := stateOf(seal.Wrap{Keys: tc.keys}, recipients); got != tc.want {
			t.Errorf("%v is %s", tc.keys, got)
		}
	}
}

func TestHoldersOfAllAndOfSomeEnvelopes(t *testing.T) {
	wraps := func(names ...string) map[string]seal.Wrap {
		m := map[string]seal.Wrap{}
		for _, n := range names {
			m[n] = seal.Wrap{}
		}
		return m
	}
	spec := &seal.Spec{
		Items:     map[string]seal.Item{"x": {Envelope: "1"}, "y": {Envelope: "2"}},
		Envelopes: map[string]seal.Envelope{"1": {Wraps: wraps("a", "b")}, "2": {Wraps: wraps("b", "c")}, "3": {Wraps: wraps("unused")}},
	}
	some, every := wrapHolders(spec)
	if fmt.Sprint(some) != "[a b c]" || fmt.Sprint(every) != "[b]" {
		t.Errorf("some are %v, all have %v", some, every)
	}
}

// TestInstallTakesBackWhatItHasDone lets the last step fail: a file that is to be removed is not there any more.
func TestInstallTakesBackWhatItHasDone(t *testing.T) {
	env := &Env{Getenv: os.Getenv, Dir: t.TempDir()}
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", env.Dir).CombinedOutput(); err != nil {
		t.Fatalf("git init: %v %s", err, out)
	}
	r, err := env.repository(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(env.Dir, "kept")
	if err := os.WriteFile(kept, []byte("kept"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &installPlan{repo: r, settings: []settingChange{{key: "diff.seal.textconv", new: "seal textconv"}}, files: []fileChange{
		{path: filepath.Join(env.Dir, "new"), name: "new", new: []byte("new"), mode: sealedMode},
		{path: kept, name: "kept", old: []byte("kept"), mode: sealedMode},
		{path: filepath.Join(env.Dir, "gone"), name: "gone", old: []byte("x")},
	}}
	if err := p.apply(t.Context()); err == nil {
		t.Fatal("a file that is not there was removed")
	}
	if value, err := r.Output(t.Context(), "config", "--local", "--get", "diff.seal.textconv"); err == nil {
		t.Errorf("the setting stays: %s", value)
	}
	if b, err := os.ReadFile(kept); err != nil || string(b) != "kept" {
		t.Errorf("the file that was removed first is %q (%v)", b, err)
	}
	if _, err := os.Lstat(filepath.Join(env.Dir, "new")); err == nil {
		t.Error("the new file is there")
	}
}
