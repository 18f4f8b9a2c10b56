// Command bench prints what Waxwing costs beside a named baseline that is measured in the same run. `make bench` runs it.
//
//	go run ./e2e/bench [-only crypto,process,coldstart] [-objects 200]
//
// Every row is a median with a ratio baseline/Waxwing: above 1 Waxwing is cheaper.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

// row is one figure with its baseline, in the same unit.
type row struct {
	what, baseline string
	ours, theirs   time.Duration
	note           string
}

type section struct {
	name, about string
	run         func(context.Context, config) ([]row, error)
}

type config struct {
	objects int
	log     io.Writer
}

func sections() []section {
	return []section{
		{"crypto", "5-key Secret in process", cryptoRows},
		{"process", "5-key Secret, whole processes", processRows},
		{"coldstart", "GitSecrets from cold start to Ready, on a real API server", coldStartRows},
	}
}

func main() {
	only := flag.String("only", "", "sections to run, comma-separated (default all)")
	objects := flag.Int("objects", 200, "GitSecrets of the cold start")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, config{objects: *objects, log: os.Stderr}, *only, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, c config, only string, out io.Writer) error {
	for _, s := range sections() {
		if only != "" && !slices.Contains(strings.Split(only, ","), s.name) {
			continue
		}
		fmt.Fprintf(c.log, "bench: %s: %s\n", s.name, s.about)
		rows, err := s.run(ctx, c)
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		fmt.Fprintf(out, "\n%s: %s\n", s.name, s.about)
		for _, r := range rows {
			fmt.Fprintf(out, "  %-34s %12s   %-44s %12s   ratio %7.2f  %s\n", r.what, round(r.ours), r.baseline, round(r.theirs), float64(r.theirs)/float64(r.ours), r.note)
		}
	}
	return nil
}

func round(d time.Duration) time.Duration {
	switch {
	case d > time.Second:
		return d.Round(10 * time.Millisecond)
	case d > time.Millisecond:
		return d.Round(10 * time.Microsecond)
	}
	return d.Round(100 * time.Nanosecond)
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}
