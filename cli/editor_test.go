package cli_test

import (
	"bufio"
	"os"
	"strings"
)

// editorForTests is the name of an editor for machines without vi. It knows "s/OLD/NEW/", "p", "w", "q", one a line, and draws nothing.
const editorForTests = "editor-for-tests"

func editorForTestsMain() {
	path := os.Args[1]
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	text := string(b)
	os.Stdout.WriteString("EDITING\n" + text + "EDIT> ")
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch line := in.Text(); {
		case line == "w":
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				panic(err)
			}
		case line == "q":
			return
		case strings.HasPrefix(line, "s/"):
			part := strings.Split(line, "/")
			text = strings.ReplaceAll(text, part[1], part[2])
		}
		os.Stdout.WriteString("EDIT> ")
	}
}
