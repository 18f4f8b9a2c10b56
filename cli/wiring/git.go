package wiring

import (
	"bytes"
	"slices"
	"strings"
)

// Setting is one line of Git's configuration.
type Setting struct{ Key, Value string }

// Drivers are the settings of Git's drivers that show and merge sealed files. Git runs them through a shell, with seal from the PATH.
func Drivers() []Setting {
	return []Setting{
		{"diff.seal.textconv", "seal textconv"},
		// A cache of what textconv gives would lie in the repository.
		{"diff.seal.cachetextconv", "false"},
		{"merge.seal.name", "merge sealed Secrets item by item"},
		{"merge.seal.driver", "seal merge-driver %O %A %B --marker-size %L --path %P"},
	}
}

// noteLine keeps Git from converting the line ends of notes, which are signed to the byte.
const noteLine = "*.note -text"

// NoteAttributes is the block of .gitattributes that seal init writes.
func NoteAttributes() Block { return Block{Name: "seal init", Lines: []string{noteLine}} }

// Attributes is the block of .gitattributes for the drivers, to be added to text. It says nothing twice that NoteAttributes says in it already.
func Attributes(text []byte) Block {
	b := Block{Name: "seal install"}
	for _, glob := range []string{"*.yaml", "*.yml", "*.json"} {
		b.Lines = append(b.Lines, glob+" diff=seal merge=seal")
	}
	if _, ok, err := NoteAttributes().find(text); err != nil || !ok {
		b.Lines = append(b.Lines, noteLine)
	}
	return b
}

// Hook is the block of a pre-commit hook. A seal that is not there stops the commit: nobody would notice a check that is left out.
func Hook() Block {
	return Block{Name: "seal install", Lines: []string{
		"command -v seal >/dev/null 2>&1 || { echo 'seal: is not in the PATH, and this hook needs it' >&2; exit 1; }",
		"seal check --staged || exit $?",
	}}
}

// hookStart is the first line of a hook that seal makes.
const hookStart = "#!/bin/sh\n"

// NewHook is a hook that has nothing but the block.
func NewHook() []byte { return join([]byte(hookStart), Hook().render(madeFile, "\n")) }

// IsShell says whether a hook is a script of a POSIX shell, by its first line.
func IsShell(text []byte) bool {
	line, _, _ := bytes.Cut(text, []byte("\n"))
	rest, ok := strings.CutPrefix(string(line), "#!")
	if !ok || bytes.IndexByte(text, 0) >= 0 {
		return false
	}
	words := strings.Fields(rest)
	if len(words) > 0 && baseName(words[0]) == "env" {
		words = slices.DeleteFunc(words[1:], func(w string) bool { return strings.HasPrefix(w, "-") })
	}
	return len(words) > 0 && slices.Contains([]string{"sh", "bash", "dash", "ash", "ksh", "mksh", "zsh"}, baseName(words[0]))
}

// baseName also knows the separators and the .exe of Windows, whatever system this is.
func baseName(path string) string {
	return strings.TrimSuffix(path[strings.LastIndexAny(path, `/\`)+1:], ".exe")
}

// HasCarriageReturns says whether lines end as on Windows, where a shell takes the carriage return for a part of the last word.
func HasCarriageReturns(text []byte) bool { return bytes.Contains(text, []byte("\r\n")) }
