package controller

import (
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/keyring"
)

func TestConfigNamesWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a cluster":               {func(c *Config) { c.REST = nil }, "no cluster"},
		"a namespace":             {func(c *Config) { c.Namespace = "" }, "--namespace"},
		"an audit log":            {func(c *Config) { c.AuditLog = "" }, "--audit-log"},
		"somebody to do the work": {func(c *Config) { c.Workers = 0 }, "--workers"},
		"nothing":                 {func(*Config) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{REST: &rest.Config{}, Namespace: "waxwing-system", AuditLog: "audit.jsonl", Workers: 1}
			c.change(&cfg)
			err := cfg.check()
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

type logState struct{ err error }

func (l logState) Err() error { return l.err }

func TestReadyOnceThereIsSomethingToDoItsPartWith(t *testing.T) {
	start := time.Date(2026, 11, 23, 2, 30, 0, 0, time.UTC)
	whole, partial := keyring.NewRing(nil, nil), keyring.NewRing(nil, []string{"prod-eu"})
	for name, c := range map[string]struct {
		leads bool
		ring  *keyring.Ring
		after time.Duration
		want  bool
	}{
		"a leader without keys is not ready":                      {true, nil, time.Hour, false},
		"a leader with its keys is":                               {true, whole, 0, true},
		"a leader that still reads a source is not":               {true, partial, 29 * time.Second, false},
		"a leader whose source stays away serves the others":      {true, partial, 30 * time.Second, true},
		"a replica that may yet lead is not":                      {false, nil, 14 * time.Second, false},
		"a replica that waits for the lead is, without any keys":  {false, nil, 15 * time.Second, true},
		"a replica that waits is, whatever it has of other times": {false, partial, 20 * time.Second, true},
	} {
		t.Run(name, func(t *testing.T) {
			elected, live := make(chan struct{}), &keyring.Live{}
			if c.leads {
				close(elected)
			}
			if c.ring != nil {
				live.Store(c.ring)
			}
			r := &readiness{
				elected: elected, ring: live, log: logState{}, now: func() time.Time { return start.Add(c.after) },
				waits: start.Add(15 * time.Second), startupEnds: start.Add(30 * time.Second),
			}
			if err := r.keys(nil); (err == nil) != c.want {
				t.Errorf("got %v", err)
			}
			if err := r.audit(nil); err != nil {
				t.Errorf("the audit log: %v", err)
			}
		})
	}
}
