package controller

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waxwing-io/waxwing/audit"
)

// anchored is what is known of the anchor without asking for it.
type anchored interface {
	// Saved is the anchor as it was last written, and when.
	Saved() (audit.Anchor, time.Time)
}

// auditMetrics watch the audit log of this replica. They are a prometheus.Collector, and safe for concurrent use.
type auditMetrics struct {
	now func() time.Time
	log interface {
		writable
		Waiting() int
	}
	anchors anchored
	dropped func() int64

	seconds                         prometheus.Histogram
	records                         prometheus.Counter
	unmatched                       prometheus.Gauge
	healthy, queue, size, age, left *prometheus.Desc

	mu    sync.Mutex
	first time.Time // of the records since the anchor was written last
	last  time.Time // of all records
}

func newAuditMetrics(cfg Config, dropped func() int64) *auditMetrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("waxwing_audit_"+name, help, nil, nil)
	}
	m := &auditMetrics{
		now: cfg.Now, dropped: dropped,
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waxwing_audit_append_duration_seconds", Help: "Time that the audit log took to make records durable that came at the same time.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		records: prometheus.NewCounter(prometheus.CounterOpts{Name: "waxwing_audit_records_total", Help: "Records that this process has made durable in its audit log."}),
		unmatched: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "waxwing_audit_unmatched_intents", Help: "Intents of the process before this one that have no outcome: it ended in the middle of these operations.",
		}),
		healthy: desc("healthy", "Whether the audit log could be written last time (1) or not (0: nothing is opened)."),
		queue:   desc("queue", "Operations that wait for the audit log."),
		size:    desc("anchored_records", "Records of the part that is written, as of its anchor in the cluster."),
		age:     desc("anchor_age_seconds", "How long records have been waiting to be anchored in the cluster; 0 when none do."),
		left:    desc("stream_dropped_total", "Records that were left out of the copy on standard output, because nobody read it in time. The log has them."),
	}
	m.anchors, _ = cfg.AuditAnchors.(anchored)
	return m
}

func (m *auditMetrics) register(reg prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.seconds, m.records, m.unmatched, m} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// Describe implements prometheus.Collector.
func (m *auditMetrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.healthy, m.queue, m.size, m.age, m.left} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *auditMetrics) Collect(ch chan<- prometheus.Metric) {
	healthy := 0.0
	if m.log.Err() == nil {
		healthy = 1
	}
	var anchor audit.Anchor
	var at time.Time
	if m.anchors != nil {
		anchor, at = m.anchors.Saved()
	}
	ch <- prometheus.MustNewConstMetric(m.healthy, prometheus.GaugeValue, healthy)
	ch <- prometheus.MustNewConstMetric(m.queue, prometheus.GaugeValue, float64(m.log.Waiting()))
	ch <- prometheus.MustNewConstMetric(m.size, prometheus.GaugeValue, sizeOf(anchor.Checkpoint))
	ch <- prometheus.MustNewConstMetric(m.age, prometheus.GaugeValue, m.waiting(at).Seconds())
	ch <- prometheus.MustNewConstMetric(m.left, prometheus.CounterValue, float64(m.dropped()))
}

// waiting is how long records have been waiting for an anchor that was written at the time.
func (m *auditMetrics) waiting(anchored time.Time) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.last.After(anchored) {
		return 0
	}
	since := m.first
	if anchored.After(since) {
		since = anchored
	}
	return max(m.now().Sub(since), 0)
}

// appended notes records that have become durable.
func (m *auditMetrics) appended(n int, took time.Duration) {
	m.seconds.Observe(took.Seconds())
	m.records.Add(float64(n))
	now := m.now()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first.IsZero() {
		m.first = now
	}
	m.last = now
}

// sizeOf is the second line of a checkpoint.
func sizeOf(checkpoint string) float64 {
	lines := strings.SplitN(checkpoint, "\n", 3)
	if len(lines) < 3 {
		return 0
	}
	n, err := strconv.ParseUint(lines[1], 10, 64)
	if err != nil {
		return 0
	}
	return float64(n)
}

// meteredStore counts what its Store does.
type meteredStore struct {
	audit.Store
	metrics *auditMetrics
}

// Ready implements audit.Store.
func (s meteredStore) Ready(ctx context.Context) ([]audit.Standing, error) {
	notes, err := s.Store.Ready(ctx)
	for _, n := range notes {
		if state := n.Operation.Log; state != nil && n.Operation.Action == audit.ActionLogStarted {
			s.metrics.unmatched.Set(float64(len(state.Unmatched) + state.More))
		}
	}
	return notes, err
}

// Append implements audit.Store.
func (s meteredStore) Append(ctx context.Context, records [][]byte) error {
	began := s.metrics.now()
	err := s.Store.Append(ctx, records)
	if err == nil && len(records) > 0 {
		s.metrics.appended(len(records), s.metrics.now().Sub(began))
	}
	return err
}
