package harness

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
)

// WaitForLine waits until the process has printed a line that matches the regular expression, and returns the line.
func (p *Process) WaitForLine(t testing.TB, pattern string) string {
	t.Helper()
	return p.WaitForLineUntil(t.Context(), t, pattern)
}

// WaitForLineUntil is WaitForLine for as long as the context lasts, where that has a deadline.
func (p *Process) WaitForLineUntil(ctx context.Context, t testing.TB, pattern string) string {
	t.Helper()
	re := regexp.MustCompile(pattern)
	var line string
	Eventually(ctx, t, fmt.Sprintf("%s prints a line like %q", p.name, pattern), func(context.Context) error {
		running := p.Running() // asked before its output is read, so that nothing printed in between is missed
		for l := range strings.Lines(p.Output()) {
			if l = strings.TrimRight(l, "\r\n"); re.MatchString(l) {
				line = l
				return nil
			}
		}
		return p.unless(running, errors.New("no such line"))
	})
	return line
}

// WaitForHTTP waits until the URL answers with 200.
func (p *Process) WaitForHTTP(t testing.TB, url string) {
	t.Helper()
	Eventually(t.Context(), t, fmt.Sprintf("%s answers at %s", p.name, url), func(ctx context.Context) error {
		running := p.Running()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return Permanent(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return p.unless(running, err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return p.unless(running, fmt.Errorf("it answers %s", resp.Status))
		}
		return nil
	})
}

// unless returns the reason, as a permanent one if the process had ended.
func (p *Process) unless(running bool, reason error) error {
	if running {
		return reason
	}
	<-p.exited
	return Permanent(fmt.Errorf("%w, and %s has ended: %s", reason, p.name, p.State()))
}
