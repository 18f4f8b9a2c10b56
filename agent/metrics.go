package agent

import (
	"errors"
	"fmt"
	gosync "sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/agent/source"
)

// metrics of the agent. Safe for concurrent use.
type metrics struct {
	fetchSeconds    prometheus.Histogram
	fetches, hooked *prometheus.CounterVec
	applies, prunes prometheus.Counter
	pushes          *prometheus.CounterVec
	dropped         prometheus.Counter

	ready, last, objects, refusals *prometheus.GaugeVec
}

// ok is the result of what has succeeded.
const ok = "ok"

func newMetrics(reg prometheus.Registerer, conf *settings.File, creds credentials) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "waxwing_agent_" + name, Help: help})
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: "waxwing_agent_" + name, Help: help}, []string{label})
	}
	gauge := func(name, help string) *prometheus.GaugeVec {
		return prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "waxwing_agent_" + name, Help: help}, []string{"namespace", "name"})
	}
	m := &metrics{
		fetchSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waxwing_agent_fetch_duration_seconds", Help: "Time to fetch a commit, to verify it and to read its files.", Buckets: []float64{.05, .1, .2, .5, 1, 2, 5, 10, 30, 60, 120},
		}),
		fetches:  counters("fetches_total", "Fetches of repositories by result: ok, or the reason that the status shows.", "result"),
		hooked:   counters("hooks_total", "Webhooks by result: taken, refused (no signature that fits), malformed, busy (too many at a time), or elsewhere (another replica leads).", "result"),
		applies:  counter("applies_total", "GitSecrets that were applied."),
		prunes:   counter("prunes_total", "GitSecrets that were deleted because Git does not have them any more."),
		pushes:   counters("pushes_total", "Commits that were pushed to Git (ok), and pushes that failed, by the reason that the status shows.", "result"),
		dropped:  counter("events_dropped_total", "Events that were not made because there were too many at once; the statuses tell all of them."),
		ready:    gauge("sync_ready", "Whether a SecretSync is Ready (1) or not (0)."),
		last:     gauge("sync_last_success_timestamp_seconds", "When the cluster was last seen to have all that Git had, in Unix time."),
		objects:  gauge("objects", "GitSecrets that the commit of a SecretSync has."),
		refusals: gauge("refusals", "Files, or objects of files, that were not taken of the commit of a SecretSync."),
	}
	for _, result := range []string{"taken", "refused", "malformed", "busy", "elsewhere"} {
		m.hooked.WithLabelValues(result)
	}
	m.fetches.WithLabelValues(ok)
	m.pushes.WithLabelValues(ok)
	for _, c := range []prometheus.Collector{
		m.fetchSeconds, m.fetches, m.hooked, m.applies, m.prunes, m.pushes, m.dropped, m.ready, m.last, m.objects, m.refusals, newFiles(conf, creds),
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

// fetched counts a fetch.
func (m *metrics) fetched(took time.Duration, err error) {
	m.fetchSeconds.Observe(took.Seconds())
	m.fetches.WithLabelValues(result(err)).Inc()
}

// result is the label of what an error came to.
func result(err error) string {
	if err == nil {
		return ok
	}
	return failure(err).reason
}

func (m *metrics) wrote(applied, pruned int) {
	m.applies.Add(float64(applied))
	m.prunes.Add(float64(pruned))
}

// pushed counts commits that were pushed, and what kept others from it.
func (m *metrics) pushed(commits []source.Commit, err error) {
	m.pushes.WithLabelValues(ok).Add(float64(len(commits)))
	var known *source.Error
	if errors.As(err, &known) {
		m.pushes.WithLabelValues(string(known.Reason)).Inc()
	}
}

func (m *metrics) eventDropped() { m.dropped.Inc() }

func (m *metrics) hook(result string) { m.hooked.WithLabelValues(result).Inc() }

// looked takes what came of a look at a SecretSync.
func (m *metrics) looked(key types.NamespacedName, rep *report, now time.Time) {
	ready := 0.0
	if rep.then() == settled {
		ready = 1
	}
	m.ready.WithLabelValues(key.Namespace, key.Name).Set(ready)
	if rep.taken != nil {
		m.objects.WithLabelValues(key.Namespace, key.Name).Set(float64(len(rep.taken.set.Objects)))
		m.refusals.WithLabelValues(key.Namespace, key.Name).Set(float64(len(rep.refused)))
	}
	if rep.reason == Synced {
		m.last.WithLabelValues(key.Namespace, key.Name).Set(float64(now.UnixMilli()) / 1000)
	}
}

// forget drops a SecretSync that is gone.
func (m *metrics) forget(key types.NamespacedName) {
	for _, g := range []*prometheus.GaugeVec{m.ready, m.last, m.objects, m.refusals} {
		g.DeleteLabelValues(key.Namespace, key.Name)
	}
}

// files watches what the agent is told by files; it reads them when it is asked. It is a prometheus.Collector.
type files struct {
	conf           *settings.File
	creds          credentials // nil: none
	valid, expires *prometheus.Desc
	readable       *prometheus.Desc

	mu gosync.Mutex // one at a time
}

func newFiles(conf *settings.File, creds credentials) *files {
	return &files{
		conf: conf, creds: creds,
		valid:    prometheus.NewDesc("waxwing_agent_configuration_valid", "Whether the configuration file is valid (1), or the one before it is in force (0).", nil, nil),
		expires:  prometheus.NewDesc("waxwing_agent_credentials_expiry_timestamp_seconds", "When credentials end to be taken, in Unix time, as their file expires says.", []string{"credentials"}, nil),
		readable: prometheus.NewDesc("waxwing_agent_credentials_readable", "Whether credentials that the configuration names can be read (1) or not (0).", []string{"credentials"}, nil),
	}
}

// Describe implements prometheus.Collector.
func (f *files) Describe(ch chan<- *prometheus.Desc) {
	ch <- f.valid
	ch <- f.expires
	ch <- f.readable
}

// Collect implements prometheus.Collector.
func (f *files) Collect(ch chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	conf, err := f.conf.Now()
	ch <- prometheus.MustNewConstMetric(f.valid, prometheus.GaugeValue, oneIf(err == nil))
	for _, g := range conf.Credentials {
		var c *settings.Credentials
		err := errors.New("there are none")
		if f.creds != nil {
			c, err = f.creds.Read(g.Name)
		}
		ch <- prometheus.MustNewConstMetric(f.readable, prometheus.GaugeValue, oneIf(err == nil), g.Name)
		if err == nil && !c.Expires.IsZero() {
			ch <- prometheus.MustNewConstMetric(f.expires, prometheus.GaugeValue, float64(c.Expires.Unix()), g.Name)
		}
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}
