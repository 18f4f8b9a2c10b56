package main

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestAScreenBecomesAPicture(t *testing.T) {
	in := "plain <&>\n\x1b[1;31mred\x1b[0m and \x1b[2mfaint\nstill faint\x1b[22m \x1b]0;x\x07\x1b[4Kend\n\n\n"
	var out strings.Builder
	if err := render(&out, strings.NewReader(in), "a <title>"); err != nil {
		t.Fatal(err)
	}
	got := out.String()
	for _, want := range []string{
		`aria-label="a &lt;title&gt;"`, `plain &lt;&amp;&gt;`, `<tspan fill="#f87171" font-weight="bold">red</tspan>`,
		`<tspan> and </tspan>`, `<tspan opacity="0.6">faint</tspan>`, `<tspan opacity="0.6">still faint</tspan>`, `end</tspan>`,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the picture lacks %q:\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Error("the picture has an escape character in it")
	}
	if lines := strings.Count(got, "<text"); lines != 4 {
		t.Errorf("there are %d texts; the title and three lines are wanted", lines)
	}
	for dec := xml.NewDecoder(strings.NewReader(got)); ; {
		if _, err := dec.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("the picture is no XML: %v", err)
		}
	}
}
