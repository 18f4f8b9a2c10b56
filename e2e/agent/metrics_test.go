package agent_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// metric is what the agent's metrics say of a series, such as waxwing_agent_hooks_total{result="taken"}; ok is false where they say nothing.
func (w *world) metric(ctx context.Context, series string) (value float64, ok bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.metrics, nil)
	if err != nil {
		return 0, false, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, false, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, false, fmt.Errorf("the metrics say %s", resp.Status)
	}
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		if text, is := strings.CutPrefix(lines.Text(), series+" "); is {
			value, err := strconv.ParseFloat(text, 64)
			return value, true, err
		}
	}
	return 0, false, nil
}

// counted is a counter's value; 0 where it has not counted yet.
func (w *world) counted(series string) float64 {
	w.t.Helper()
	value, _, err := w.metric(w.ctx, series)
	if err != nil {
		w.t.Fatal(err)
	}
	return value
}

// shows waits until the metrics have a series with a value.
func (w *world) shows(series string, want float64) {
	w.t.Helper()
	w.eventually(fmt.Sprintf("the metrics have %s %g", series, want), func(ctx context.Context) error {
		value, ok, err := w.metric(ctx, series)
		if err == nil && (!ok || value != want) {
			err = fmt.Errorf("it is there: %t, and is %g", ok, value)
		}
		return err
	})
}

// fetches and rejected are counters of fetches, of those that brought a commit and of those whose credentials were not taken.
const (
	fetches  = `waxwing_agent_fetches_total{result="ok"}`
	rejected = `waxwing_agent_fetches_total{result="AuthenticationFailed"}`
)

// ofSync is a series of the SecretSync.
func (w *world) ofSync(name string) string {
	return fmt.Sprintf("waxwing_agent_%s{name=%q,namespace=%q}", name, syncName, w.team)
}
