package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"time"
)

// editorPatience is how long an editor that is told to end may take for it.
const editorPatience = 5 * time.Second

// signalPatience is how long our own signal may take to come after the one that has ended the editor.
const signalPatience = time.Second

// editorCommand is the person's editor with its flags, as $VISUAL and $EDITOR say it.
type editorCommand struct {
	name string // for messages
	args []string
	vim  bool
}

// editor finds the person's editor.
func (e *Env) editor() (*editorCommand, error) {
	for _, variable := range []string{"VISUAL", "EDITOR"} {
		if text := strings.TrimSpace(e.Getenv(variable)); text != "" {
			return &editorCommand{name: editorName(text), args: splitEditor(text, runtime.GOOS), vim: isVim(text)}, nil
		}
	}
	fallbacks := []string{"vi", "nano"}
	if runtime.GOOS == "windows" {
		fallbacks = []string{"notepad"}
	}
	for _, name := range fallbacks {
		if _, err := exec.LookPath(name); err == nil {
			return &editorCommand{name: name, args: []string{name}, vim: isVim(name)}, nil
		}
	}
	return nil, failed("set EDITOR, for example EDITOR=nano", "no editor found")
}

// shellChars are the characters for which git, too, gives an editor to the shell.
const shellChars = "|&;<>()$`\\\"'*?[#~=%"

// splitEditor splits an editor from its flags. One with quotes or such is left to the shell, as git does it; Windows has none, so there double quotes are taken apart here.
func splitEditor(text, goos string) []string {
	switch {
	case goos == "windows":
		return splitQuoted(text)
	case strings.ContainsAny(text, shellChars):
		return []string{"sh", "-c", text + ` "$@"`, text}
	}
	return strings.Fields(text)
}

func splitQuoted(text string) []string {
	var args []string
	var arg strings.Builder
	quoted, any := false, false
	for _, r := range text {
		switch {
		case r == '"':
			quoted, any = !quoted, true
		case r == ' ' && !quoted:
			if any {
				args = append(args, arg.String())
			}
			arg.Reset()
			any = false
		default:
			arg.WriteRune(r)
			any = true
		}
	}
	if any {
		args = append(args, arg.String())
	}
	return args
}

// editorName is the program in the text of $EDITOR.
func editorName(text string) string {
	if quote := text[:1]; quote == `"` || quote == "'" {
		if name, _, ok := strings.Cut(text[1:], quote); ok && name != "" {
			return name
		}
	}
	return strings.Fields(text)[0]
}

// vimNames are those of vim and its kin. Another name counts where it is a link to one of them.
const vimNames = " vim nvim gvim rvim mvim vim.exe nvim.exe gvim.exe "

// editorWords matches what stands in quotes as a whole, and words that are neither in quotes nor the shell's.
const editorWords = `"[^"]*"|'[^']*'|[^\s"'$(){}` + "`" + `;&|]+`

// interpreters run a script that is called by its path: what has its name in PATH is another program.
const interpreters = " sh bash dash zsh ksh fish python python3 perl ruby node "

// isVim says whether the text of $EDITOR runs vim or one of its kin: the program itself, or a word after it where that is env, sudo or such.
func isVim(text string) bool {
	scripted := strings.Contains(interpreters, " "+filepath.Base(editorName(text))+" ")
	for _, word := range regexp.MustCompile(editorWords).FindAllString(text, -1) {
		word = strings.Trim(word, `"'`)
		if strings.HasPrefix(word, "-") || strings.Contains(word, "=") {
			continue
		}
		if isVimName(word) {
			return true
		}
		path, err := exec.LookPath(word)
		if err != nil || scripted {
			continue
		}
		if to, err := filepath.EvalSymlinks(path); err == nil && strings.Contains(filepath.Base(to), "vim") {
			return true
		}
	}
	return false
}

func isVimName(word string) bool {
	base := strings.ToLower(word[strings.LastIndexAny(word, `/\`)+1:])
	return strings.Contains(vimNames, " "+base+" ")
}

// vimFlags keep vim from writing what it edits anywhere else: no swap file, viminfo or shada, no backup, no undo file. Options are set after vimrc was read, which might turn
// them on. Modelines are off as values are no place to take settings from.
func vimFlags() []string {
	return []string{"-n", "-i", "NONE", "--cmd", "set nomodeline", "-c", "silent! set noswapfile nobackup nowritebackup noundofile nomodeline"}
}

// edit runs the editor on a file until it ends. When ctx ends, the editor is told to end, too.
func (e *Env) edit(ctx context.Context, editor *editorCommand, path string) error {
	args := editor.args
	if editor.vim {
		args = append(append([]string{}, args...), vimFlags()...)
	}
	cmd := exec.CommandContext(ctx, args[0], append(append([]string{}, args[1:]...), path)...)
	cmd.Dir = e.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	if editor.vim {
		// Filters (:!sort) go through files.
		cmd.Env = append(cmd.Environ(), "TMPDIR="+filepath.Dir(path))
	}
	cmd.WaitDelay = editorPatience
	cmd.Cancel = func() error { return cmd.Process.Signal(endSignal()) }
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) && signalled(exit) {
		// Ctrl-C goes to the editor and to us, and the editor may have ended before it is known here.
		select {
		case <-ctx.Done():
		case <-time.After(signalPatience):
		}
	}
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &exit):
		return failed("nothing is written", "the editor %s failed: %v", shown(editor.name), exit)
	case errors.Is(err, exec.ErrNotFound), errors.Is(err, os.ErrNotExist):
		return failed("set EDITOR to a program that is there", "the editor %s is not found", shown(editor.name))
	case err != nil:
		return fmt.Errorf("running the editor %s: %w", shown(editor.name), pathCause(err))
	}
	return nil
}

// signalled says whether a signal has ended a program, or one that it ran: a shell then ends with 128 and the signal's number.
func signalled(exit *exec.ExitError) bool { return exit.ExitCode() < 0 || exit.ExitCode() > 128 }
