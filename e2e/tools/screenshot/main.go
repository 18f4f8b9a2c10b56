// Command screenshot turns the content of a terminal (text with SGR escape sequences, as `tmux capture-pane -e -p` prints it) on standard input into an
// SVG picture on standard output. It knows the 16 colours, bold and faint; other sequences are dropped.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	charWidth  = 8.43 // of a 14 px monospaced font
	lineHeight = 19
	margin     = 18
	titleBar   = 34
)

func main() {
	title := flag.String("title", "", "the window's title")
	flag.Parse()
	if err := render(os.Stdout, os.Stdin, *title); err != nil {
		fmt.Fprintln(os.Stderr, "screenshot:", err)
		os.Exit(1)
	}
}

// style is how text is drawn.
type style struct {
	colour string
	bold   bool
	faint  bool
}

func (s style) attributes() string {
	var b strings.Builder
	if s.colour != "" {
		fmt.Fprintf(&b, ` fill="%s"`, s.colour)
	}
	if s.bold {
		b.WriteString(` font-weight="bold"`)
	}
	if s.faint {
		b.WriteString(` opacity="0.6"`)
	}
	return b.String()
}

// run is text of one style.
type run struct {
	style
	text string
}

func render(w io.Writer, r io.Reader, title string) error {
	var lines [][]run
	var now style
	widest := utf8.RuneCountInString(title) + 12
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		runs, next := parse(scan.Text(), now)
		now = next
		width := 0
		for _, part := range runs {
			width += utf8.RuneCountInString(part.text)
		}
		widest = max(widest, width)
		lines = append(lines, runs)
	}
	if err := scan.Err(); err != nil {
		return err
	}
	for len(lines) > 0 && len(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	return draw(w, lines, widest, title)
}

// parse splits a line into runs; the style goes on into the next line.
func parse(line string, now style) ([]run, style) {
	var runs []run
	for line != "" {
		before, after, found := strings.Cut(line, "\x1b")
		if before = strings.Map(printable, before); before != "" {
			runs = append(runs, run{now, before})
		}
		if !found {
			break
		}
		line = after
		body, isCSI := strings.CutPrefix(after, "[")
		if !isCSI {
			continue
		}
		end := strings.IndexFunc(body, func(c rune) bool { return c >= '@' && c <= '~' })
		if end < 0 {
			break
		}
		if body[end] == 'm' {
			now = now.apply(body[:end])
		}
		line = body[end+1:]
	}
	return runs, now
}

// printable drops what XML does not take.
func printable(r rune) rune {
	if !unicode.IsPrint(r) {
		return -1
	}
	return r
}

// apply follows one SGR sequence (ECMA-48, 8.3.117).
func (s style) apply(codes string) style {
	for _, code := range strings.Split(codes, ";") {
		n, err := strconv.Atoi(code)
		switch {
		case err != nil || n == 0:
			s = style{}
		case n == 1:
			s.bold = true
		case n == 2:
			s.faint = true
		case n == 22:
			s.bold, s.faint = false, false
		case n >= 30 && n <= 37:
			s.colour = colour(n - 30)
		case n == 39:
			s.colour = ""
		case n >= 90 && n <= 97:
			s.colour = colour(n - 90)
		}
	}
	return s
}

func colour(n int) string {
	return [8]string{"#6b7280", "#f87171", "#4ade80", "#facc15", "#60a5fa", "#e879f9", "#22d3ee", "#e5e7eb"}[n]
}

func draw(w io.Writer, lines [][]run, columns int, title string) error {
	out := bufio.NewWriter(w)
	width, height := int(float64(columns)*charWidth)+2*margin, titleBar+len(lines)*lineHeight+2*margin-4
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" aria-label="%s">`+"\n",
		width, height, html.EscapeString(title))
	fmt.Fprintf(out, `<rect width="100%%" height="100%%" rx="8" fill="#111827"/>`+"\n")
	fmt.Fprintf(out, `<g font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="14" fill="#e5e7eb" xml:space="preserve">`+"\n")
	fmt.Fprintf(out, `<text x="%d" y="23" opacity="0.6">%s</text>`+"\n", margin, html.EscapeString(title))
	for i, runs := range lines {
		if len(runs) == 0 {
			continue
		}
		fmt.Fprintf(out, `<text x="%d" y="%d">`, margin, titleBar+margin+i*lineHeight)
		for _, part := range runs {
			fmt.Fprintf(out, `<tspan%s>%s</tspan>`, part.attributes(), html.EscapeString(part.text))
		}
		fmt.Fprint(out, "</text>\n")
	}
	fmt.Fprint(out, "</g>\n</svg>\n")
	return out.Flush()
}
