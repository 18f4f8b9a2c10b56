package cli

import (
	"slices"
	"testing"
)

func TestEditorsAreSplitFromTheirFlags(t *testing.T) {
	for text, want := range map[string][]string{
		"vi":                 {"vi"},
		"code --wait":        {"code", "--wait"},
		`emacs -nw`:          {"emacs", "-nw"},
		`"my editor" --wait`: {"sh", "-c", `"my editor" --wait "$@"`, `"my editor" --wait`},
		`$HOME/bin/e`:        {"sh", "-c", `$HOME/bin/e "$@"`, `$HOME/bin/e`},
	} {
		if got := splitEditor(text, "linux"); !slices.Equal(got, want) {
			t.Errorf("%s: %q", text, got)
		}
	}
	for text, want := range map[string][]string{
		`notepad`: {"notepad"},
		`"C:\Program Files\Code\code.exe" --wait`: {`C:\Program Files\Code\code.exe`, "--wait"},
		`C:\e.exe  "" -x`:                         {`C:\e.exe`, "", "-x"},
	} {
		if got := splitEditor(text, "windows"); !slices.Equal(got, want) {
			t.Errorf("%s on Windows: %q", text, got)
		}
	}
}
