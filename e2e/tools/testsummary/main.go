// Command testsummary reads `go test -json` on standard input, prints a line a package and the output of what failed, and closes with one line that counts tests.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
)

type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
}

type summary struct {
	out                     io.Writer
	output                  map[string][]string
	passed, failed, skipped int
	broken                  bool
}

func main() {
	name := "tests"
	if len(os.Args) > 1 {
		name = os.Args[1]
	}
	s := &summary{out: os.Stdout, output: map[string][]string{}}
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 16<<20)
	for in.Scan() {
		var e event
		if err := json.Unmarshal(in.Bytes(), &e); err != nil {
			fmt.Fprintln(s.out, in.Text())
			continue
		}
		s.add(e)
	}
	if in.Err() != nil {
		s.broken = true
		fmt.Fprintln(s.out, "testsummary:", in.Err())
	}
	fmt.Fprintf(s.out, "%s: %d passed, %d failed, %d skipped\n", name, s.passed, s.failed, s.skipped)
	if s.failed > 0 || s.broken || s.passed == 0 {
		os.Exit(1)
	}
}

func (s *summary) add(e event) {
	id := e.Package + " " + e.Test
	switch e.Action {
	case "output", "build-output":
		s.output[id] = append(s.output[id], e.Output)
	case "build-fail":
		s.broken = true
		fmt.Fprint(s.out, strings.Join(s.output[id], ""))
	case "pass", "fail", "skip":
		s.close(e, id)
	}
}

func (s *summary) close(e event, id string) {
	lines := strings.Join(s.output[id], "")
	delete(s.output, id)
	if e.Test == "" {
		if e.Action != "skip" {
			fmt.Fprintf(s.out, "%-4s %-60s %6.1fs\n", e.Action, strings.TrimPrefix(e.Package, "github.com/waxwing-io/waxwing/"), e.Elapsed)
		}
		if e.Action == "fail" {
			s.broken = true
			fmt.Fprint(s.out, lines)
		}
		return
	}
	switch e.Action {
	case "pass":
		s.passed++
		// A test that did less than it could says so in a line of its own; it must not be lost.
		for line := range strings.Lines(lines) {
			if strings.Contains(line, "did not run") {
				fmt.Fprint(s.out, line)
			}
		}
	case "skip":
		s.skipped++
		fmt.Fprint(s.out, lines)
	case "fail":
		s.failed++
		fmt.Fprint(s.out, lines)
	}
}
