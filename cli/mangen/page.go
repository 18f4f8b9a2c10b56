package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// commands are root and all that people can call below it.
func commands(root *cobra.Command) []*cobra.Command {
	all := []*cobra.Command{root}
	for _, c := range root.Commands() {
		if c.IsAvailableCommand() {
			all = append(all, commands(c)...)
		}
	}
	return all
}

// pageName is the name of a command's page, such as seal-keys-fetch.
func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// page is a command's manual page in roff.
func page(cmd *cobra.Command) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	// No date: the same source gives the same page.
	line(`.TH "%s" "1" "" "Waxwing" "seal"`, strings.ToUpper(pageName(cmd)))
	line(".SH NAME")
	line(`%s \- %s`, escape(pageName(cmd)), escape(lowerFirst(cmd.Short)))
	line(".SH SYNOPSIS")
	line(`\fB%s\fR`, escape(cmd.UseLine()))
	line(".SH DESCRIPTION")
	prose(&b, cmd.Long)
	if cmd.Example != "" {
		line(".SH EXAMPLES")
		verbatim(&b, strings.Split(cmd.Example, "\n"))
	}
	options(&b, cmd)
	related(&b, cmd)
	return b.Bytes()
}

func lowerFirst(s string) string {
	if s == "" {
		return s
	}
	return strings.ToLower(s[:1]) + s[1:]
}

// prose writes help: a line of capitals is a heading, lines that are indented keep their layout.
func prose(b *bytes.Buffer, text string) {
	var table []string
	flush := func() {
		if len(table) > 0 {
			verbatim(b, table)
		}
		table = nil
	}
	for _, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "  "):
			table = append(table, line)
			continue
		case line == "":
			flush()
			b.WriteString(".PP\n")
		case strings.ToUpper(line) == line && strings.Trim(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZ ") == "":
			flush()
			fmt.Fprintf(b, ".SH %s\n", line)
		default:
			flush()
			b.WriteString(escape(line) + "\n")
		}
	}
	flush()
}

func verbatim(b *bytes.Buffer, lines []string) {
	b.WriteString(".nf\n")
	for _, line := range lines {
		b.WriteString(escape(line) + "\n")
	}
	b.WriteString(".fi\n")
}

func options(b *bytes.Buffer, cmd *cobra.Command) {
	cmd.InitDefaultHelpFlag()
	b.WriteString(".SH OPTIONS\n")
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, text := pflag.UnquoteUsage(f)
		name := `\fB` + escape("--"+f.Name) + `\fR`
		if f.Shorthand != "" {
			name = `\fB` + escape("-"+f.Shorthand) + `\fR, ` + name
		}
		if value != "" {
			name += ` \fI` + escape(value) + `\fR`
		}
		fmt.Fprintf(b, ".TP\n%s\n%s\n", name, escape(text))
	})
}

// related names the pages above and below.
func related(b *bytes.Buffer, cmd *cobra.Command) {
	var names []string
	if cmd.HasParent() {
		names = append(names, pageName(cmd.Parent()))
	}
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, pageName(c))
		}
	}
	if len(names) == 0 {
		return
	}
	b.WriteString(".SH SEE ALSO\n")
	for i, name := range names {
		end := ","
		if i == len(names)-1 {
			end = ""
		}
		fmt.Fprintf(b, ".BR %s (1)%s\n", escape(name), end)
	}
}

// escape makes text stand for itself in roff: a point or a quote that begins a line would be a request.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}
