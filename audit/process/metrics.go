package process

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// Metrics watch the audit log of this replica. They are a prometheus.Collector, and safe for concurrent use.
type Metrics struct {
	now     func() time.Time
	log     *audit.Recorder
	store   func() tiles.Status
	dropped func() int64

	seconds prometheus.Histogram
	records prometheus.Counter

	healthy, refused, queue, part, size, anchored, age, open, unmatched, left *prometheus.Desc
}

func newMetrics(cfg Config, dropped func() int64) *Metrics {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("waxwing_audit_"+name, help, nil, nil)
	}
	m := &Metrics{
		now: cfg.Now, dropped: dropped, store: cfg.Status,
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waxwing_audit_append_duration_seconds", Help: "Time that the audit log took to make records durable that came at the same time.",
			Buckets: []float64{.001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 2, 5},
		}),
		records:   prometheus.NewCounter(prometheus.CounterOpts{Name: "waxwing_audit_records_total", Help: "Records that this process has made durable in its audit log."}),
		healthy:   desc("healthy", "Whether the audit log can be written (1) or not (0: nothing is done that it has to record)."),
		refused:   desc("refused", "1 while the audit log is not the one that is anchored in the cluster, so that nothing is appended to it until somebody asks for a restart."),
		queue:     desc("queue", "Operations that wait for the audit log."),
		part:      desc("part", "Number of the part of the audit log that is written."),
		size:      desc("part_records", "Records of that part."),
		anchored:  desc("anchored_records", "Records of that part that the anchor in the cluster covers."),
		age:       desc("anchor_age_seconds", "How long records have been waiting to be anchored in the cluster; 0 when none do."),
		open:      desc("open_intents", "Operations of this process that are under way: intents without an outcome as yet."),
		unmatched: desc("unmatched_intents", "Intents of the process before this one that have no outcome: it ended in the middle of these operations."),
		left:      desc("stream_dropped_total", "Records that were left out of the copy on standard output, because nobody read it in time. The log has them."),
	}
	return m
}

// Register registers them.
func (m *Metrics) Register(reg prometheus.Registerer) error {
	for _, c := range []prometheus.Collector{m.seconds, m.records, m} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("registering metrics: %w", err)
		}
	}
	return nil
}

// observe takes each commit of the log.
func (m *Metrics) observe(c audit.Commit) {
	if c.Err == nil {
		m.seconds.Observe(c.Took.Seconds())
		m.records.Add(float64(c.Records))
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.healthy, m.refused, m.queue, m.part, m.size, m.anchored, m.age, m.open, m.unmatched, m.left} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	stats, status := m.log.Stats(), m.store()
	for desc, value := range map[*prometheus.Desc]float64{
		m.healthy: oneIf(m.log.Err() == nil), m.refused: oneIf(status.Refused != ""), m.queue: float64(stats.Queued), m.part: float64(status.Part),
		m.size: float64(status.Size), m.anchored: float64(status.Anchored), m.age: waitingForAnchor(status, m.now()).Seconds(),
		m.open: float64(stats.Unmatched), m.unmatched: float64(status.Unmatched),
	} {
		ch <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, value)
	}
	ch <- prometheus.MustNewConstMetric(m.left, prometheus.CounterValue, float64(m.dropped()))
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// waitingForAnchor is how long records have been waiting for an anchor. Before the first one of the process nobody knows.
func waitingForAnchor(s tiles.Status, now time.Time) time.Duration {
	if s.Size <= s.Anchored || s.Covered.IsZero() {
		return 0
	}
	return max(now.Sub(s.Covered), 0)
}
