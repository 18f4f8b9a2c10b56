package main

import (
	"bytes"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"
)

// TestTheFlagsAreInTheirTable holds the flags, in their order and with their defaults, against the table of docs/agent.md.
func TestTheFlagsAreInTheirTable(t *testing.T) {
	b, err := os.ReadFile("../../docs/agent.md")
	if err != nil {
		t.Fatal(err)
	}
	var listed, flags []string
	defaults := map[string]string{}
	for _, m := range regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\|([^|]*)\\|").FindAllStringSubmatch(string(b), -1) {
		listed, defaults[m[1]] = append(listed, m[1]), strings.TrimSpace(m[2])
	}
	command("v1", func(string) string { return "" }, &bytes.Buffer{}).Flags().VisitAll(func(f *pflag.Flag) {
		flags = append(flags, f.Name)
		// What an empty default stands for is said in words; that of --replica is the machine's.
		if is := f.DefValue; !slices.Contains([]string{"", "[]", "false"}, is) && f.Name != "replica" && defaults[f.Name] != "`"+is+"`" {
			t.Errorf("the default of --%s is %s, and the table says %q", f.Name, is, defaults[f.Name])
		}
	})
	if diff := cmp.Diff(flags, listed); diff != "" {
		t.Errorf("the flags (-) and the table (+) differ: %s", diff)
	}
}
