package controller

import "github.com/prometheus/client_golang/prometheus"

// marksCollector counts marks by their state: stored, unsaved, and damaged ones, which somebody has to look at.
type marksCollector struct {
	store *markStore
	desc  *prometheus.Desc
}

func newMarksCollector(s *markStore) *marksCollector {
	return &marksCollector{s, prometheus.NewDesc("waxwing_marks", "Objects of which something is remembered against rollback, by the state of that.", []string{"state"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *marksCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *marksCollector) Collect(ch chan<- prometheus.Metric) {
	var all, unsaved, damaged int
	for _, sh := range c.store.shards {
		sh.mu.Lock()
		all, unsaved, damaged = all+len(sh.texts), unsaved+len(sh.unsaved), damaged+len(sh.damaged)
		sh.mu.Unlock()
	}
	for state, n := range map[string]int{"stored": max(all-unsaved-damaged, 0), "unsaved": unsaved, "damaged": damaged} {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n), state)
	}
}
