package controller

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/keyring"
)

func TestConfigNamesWhatIsMissing(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"a cluster":               {func(c *Config) { c.REST = nil }, "no cluster"},
		"a namespace":             {func(c *Config) { c.Namespace = "" }, "--namespace"},
		"a namespace's own name":  {func(c *Config) { c.Namespace = "Not A Namespace" }, `"Not A Namespace", is not the name`},
		"a name of its own":       {func(c *Config) { c.Replica = "" }, "--replica"},
		"a name for objects":      {func(c *Config) { c.Replica = "My_Host" }, `"My_Host" cannot be a part of the names of objects`},
		"anchors":                 {func(c *Config) { c.AuditAnchors = nil }, "--audit-log"},
		"half a certificate":      {func(c *Config) { c.AuditCertFile = "tls.crt" }, "--audit-tls-key-file go together"},
		"an audit log":            {func(c *Config) { c.AuditStore = nil }, "--audit-log"},
		"somebody to do the work": {func(c *Config) { c.Workers = 0 }, "--workers"},
		"a namespace of others":   {func(c *Config) { c.Namespaces = []string{"a", "waxwing-system"} }, "the controller's own namespace"},
		"a name of a namespace":   {func(c *Config) { c.Namespaces = []string{"team-*"} }, `"team-*" is not the name`},
		"nothing":                 {func(*Config) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{REST: &rest.Config{}, Namespace: "waxwing-system", Replica: "waxwing-controller-0", AuditStore: tiles.New(tiles.Config{}), AuditAnchors: &audittest.MemoryAnchors{}, AuditStatus: func() tiles.Status { return tiles.Status{} }, AuditAddress: off, Workers: 1}
			c.change(&cfg)
			err := cfg.check()
			if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// TestElectionTimesThatClientGoWouldRefuse holds that a combination that cannot work is told in one sentence, and not by a panic of a library.
func TestElectionTimesThatClientGoWouldRefuse(t *testing.T) {
	for name, c := range map[string]struct {
		lease, renew, retry time.Duration
		want                string
	}{
		"the defaults":                   {4 * time.Second, 3 * time.Second, 500 * time.Millisecond, ""},
		"those of client-go":             {15 * time.Second, 10 * time.Second, 2 * time.Second, ""},
		"a lease that ends too early":    {3 * time.Second, 3 * time.Second, 500 * time.Millisecond, "--leader-elect-lease-duration (3s) must be longer than --leader-elect-renew-deadline (3s)"},
		"one try at renewing":            {4 * time.Second, 1200 * time.Millisecond, time.Second, "--leader-elect-renew-deadline (1.2s) must be longer than 1.2 times --leader-elect-retry-period (1s)"},
		"no time at all":                 {4 * time.Second, 3 * time.Second, 0, "--leader-elect-retry-period must be more than 0"},
		"a lease of a part of a second":  {900 * time.Millisecond, 500 * time.Millisecond, 100 * time.Millisecond, "at least 1s"},
		"a renewal that is never so bad": {4 * time.Second, 0, time.Millisecond, "--leader-elect-renew-deadline (0s)"},
	} {
		t.Run(name, func(t *testing.T) {
			e := Election{Enabled: true, LeaseDuration: c.lease, RenewDeadline: c.renew, RetryPeriod: c.retry}
			err := e.check()
			if (err == nil) != (c.want == "") || (err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n"))) {
				t.Errorf("got %v", err)
			}
			e.Enabled = false
			if err := e.check(); err != nil {
				t.Errorf("without election: %v", err)
			}
		})
	}
}

func TestAClusterWithoutTheKindsIsTold(t *testing.T) {
	missing := &apimeta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "waxwing.io", Kind: "GitSecret"}, SearchedVersions: []string{"v1alpha1"}}
	if err := unknownKind(fmt.Errorf("failed to get restmapping: %w", missing)); !strings.Contains(err.Error(), "install the CRDs first") || !errors.Is(err, missing) {
		t.Error(err)
	}
	if err := errors.New("away"); unknownKind(err) != err {
		t.Error("any error is taken for that")
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
