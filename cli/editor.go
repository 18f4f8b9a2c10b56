package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// editorPatience is how long an editor that is told to end may take for it.
const editorPatience = 5 * time.Second

// editorCommand is the person's editor with its flags, as $VISUAL and $EDITOR say it.
type editorCommand struct {
	name string // for messages
	args []string
}

// editor finds the person's editor.
func (e *Env) editor() (*editorCommand, error) {
	for _, variable := range []string{"VISUAL", "EDITOR"} {
		if text := strings.TrimSpace(e.Getenv(variable)); text != "" {
			return &editorCommand{name: strings.Trim(strings.Fields(text)[0], `"'`), args: splitEditor(text, runtime.GOOS)}, nil
		}
	}
	fallbacks := []string{"vi", "nano"}
	if runtime.GOOS == "windows" {
		fallbacks = []string{"notepad"}
	}
	for _, name := range fallbacks {
		if _, err := exec.LookPath(name); err == nil {
			return &editorCommand{name: name, args: []string{name}}, nil
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

// isVim says whether a program is vim or one of its kin, whatever link leads to it.
func isVim(program string) bool {
	path, err := exec.LookPath(program)
	if err != nil {
		return false
	}
	if to, err := filepath.EvalSymlinks(path); err == nil {
		path = to
	}
	return strings.Contains(filepath.Base(program), "vim") || strings.Contains(filepath.Base(path), "vim")
}

// vimFlags keep vim from writing what it edits anywhere else: no swap file, viminfo or shada, no backup, no undo file. Options are set after vimrc was read, which might turn
// them on. Modelines are off as values are no place to take settings from.
func vimFlags() []string {
	return []string{"-n", "-i", "NONE", "--cmd", "set nomodeline", "-c", "silent! set noswapfile nobackup nowritebackup noundofile nomodeline"}
}

// edit runs the editor on a file until it ends. When ctx ends, the editor is told to end, too.
func (e *Env) edit(ctx context.Context, editor *editorCommand, path string) error {
	args := editor.args
	vim := isVim(editor.name)
	if vim {
		args = append(append([]string{}, args...), vimFlags()...)
	}
	cmd := exec.CommandContext(ctx, args[0], append(append([]string{}, args[1:]...), path)...)
	cmd.Dir = e.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = e.Stdin, e.Stdout, e.Stderr
	if vim {
		// Filters (:!sort) go through files.
		cmd.Env = append(cmd.Environ(), "TMPDIR="+filepath.Dir(path))
	}
	cmd.WaitDelay = editorPatience
	cmd.Cancel = func() error { return cmd.Process.Signal(endSignal()) }
	err := cmd.Run()
	var exit *exec.ExitError
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
