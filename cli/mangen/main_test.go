package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/cli"
)

func TestEveryCommandHasAPage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "man")
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	pages := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.HasParent() && !cmd.IsAvailableCommand() {
			return
		}
		pages++
		name := strings.ReplaceAll(cmd.CommandPath(), " ", "-")
		b, err := os.ReadFile(filepath.Join(dir, name+".1"))
		if err != nil {
			t.Fatal(err)
		}
		page := string(b)
		for _, want := range []string{".TH \"" + strings.ToUpper(name) + "\" \"1\"", ".SH NAME\n", ".SH SYNOPSIS\n", ".SH DESCRIPTION\n", ".SH OPTIONS\n"} {
			if !strings.Contains(page, want) {
				t.Errorf("%s has no %q", name, want)
			}
		}
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if want := `\fB` + strings.ReplaceAll("--"+f.Name, "-", `\-`) + `\fR`; strings.Contains(page, want) == f.Hidden {
				t.Errorf("%s: --%s is explained: %v", name, f.Name, f.Hidden)
			}
		})
		for _, c := range cmd.Commands() {
			visit(c)
		}
	}
	visit(cli.New(cli.Env{}))
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != pages || pages < 5 {
		t.Errorf("there are %d pages for %d commands (%v)", len(entries), pages, err)
	}
}

func TestTextStandsForItself(t *testing.T) {
	cmd := &cobra.Command{Use: "tool", Short: "Do it", Long: ".not a request\n'nor this\na\\b -x\n\n  table  kept\n\nEXIT STATUS\n  0  well", Run: func(*cobra.Command, []string) {}}
	got := string(page(cmd))
	for _, want := range []string{"\\&.not a request\n", "\\&'nor this\n", "a\\eb \\-x\n", ".nf\n  table  kept\n.fi\n", ".SH EXIT STATUS\n.nf\n  0  well\n.fi\n", "tool \\- do it\n"} {
		if !strings.Contains(got, want) {
			t.Errorf("the page has no %q:\n%s", want, got)
		}
	}
}

func TestWrongArguments(t *testing.T) {
	for _, args := range [][]string{nil, {"-x"}, {"a", "b"}} {
		if err := run(args); err == nil {
			t.Errorf("%q is taken", args)
		}
	}
}
