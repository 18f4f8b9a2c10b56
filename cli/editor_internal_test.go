package cli

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
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

// Without its flags vim writes what it edits into a swap file, an undo file and viminfo.
func TestVimIsKnownHoweverItIsCalled(t *testing.T) {
	dir := t.TempDir()
	vim, plain := filepath.Join(dir, "vim.basic"), filepath.Join(dir, "plain")
	for _, program := range []string{vim, plain} {
		if err := os.WriteFile(program, []byte("#!/bin/sh\n"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(vim, filepath.Join(dir, "myvi")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	for _, text := range []string{
		"vim", "nvim -u NONE", "/usr/bin/vim", `"/opt/my editors/vim"`, `'/opt/my editors/nvim' -R`, "$HOME/bin/vim", "~/bin/nvim",
		"myvi", "plain myvi", "TERM=xterm vim", "env TERM=xterm vim", "env -i myvi", "$(which vim)", "plain gvim -f", "exec vim", `\vim`,
	} {
		if !isVim(text) {
			t.Errorf("%s is not taken for vim", text)
		}
	}
	for _, text := range []string{"plain", "emacs -l ~/vim.el", "plain --mode=vim", "code --wait", "emacs --eval '(vim-mode)'", "nano ~/vimrc", "sh myvi", "/bin/bash -e myvi"} {
		if isVim(text) {
			t.Errorf("%s is taken for vim", text)
		}
	}
}

func TestMessagesNameTheEditorAsItIsWritten(t *testing.T) {
	for text, want := range map[string]string{
		"vi": "vi", "code --wait": "code", `"/opt/my editors/e" -w`: "/opt/my editors/e", `'/opt/my editors/e'`: "/opt/my editors/e", `'unterminated`: `'unterminated`,
		`"C:\Program Files\e.exe" --wait`: `C:\Program Files\e.exe`,
	} {
		if got := editorName(text); got != want {
			t.Errorf("%s: %q", text, got)
		}
	}
}

// Ctrl-C goes to the editor and to seal: which of the two comes to know of it first is the system's affair. Here it is another signal, because SIGINT may be ignored by what runs the tests.
func TestAnEditorThatASignalHasEndedIsJudgedWhenOurOwnHasCome(t *testing.T) {
	for name, c := range map[string]struct {
		script string
		ours   time.Duration // after the editor has ended
		want   string
	}{
		"ours comes later":             {"kill -TERM $$", signalPatience / 2, "context canceled"},
		"ours, after that of a shell":  {"exit 130", signalPatience / 2, "context canceled"},
		"the editor's alone":           {"kill -TERM $$", time.Hour, "the editor sh failed: signal: terminated"},
		"an error is told without one": {"exit 1", time.Nanosecond, "the editor sh failed: exit status 1"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { // time stands still while the editor runs
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(c.ours, cancel)
				err := (&Env{Dir: t.TempDir()}).edit(ctx, &editorCommand{name: "sh", args: []string{"sh", "-c", c.script}}, "file")
				if err == nil || !strings.HasPrefix(err.Error(), c.want) || errors.Is(err, context.Canceled) != (c.want == "context canceled") {
					t.Errorf("%v, want %s", err, c.want)
				}
			})
		})
	}
}
