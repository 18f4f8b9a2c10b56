package controller

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/waxwing-io/waxwing/keyring"
)

// usesCollector tells of the last count of uses. It counts nothing itself.
type usesCollector struct {
	uses *uses
	ring *keyring.Live
	desc *prometheus.Desc
}

func newUsesCollector(u *uses, ring *keyring.Live) *usesCollector {
	return &usesCollector{u, ring, prometheus.NewDesc("waxwing_key_uses", "GitSecrets that need a key as far as is known, those that did and are gone, and SecretSyncs that follow files which are wrapped for it, as they were counted last.", []string{"keyring", "key", "of"}, nil)}
}

// Describe implements prometheus.Collector.
func (c *usesCollector) Describe(ch chan<- *prometheus.Desc) { ch <- c.desc }

// Collect implements prometheus.Collector.
func (c *usesCollector) Collect(ch chan<- prometheus.Metric) {
	ring := c.ring.Load()
	if ring == nil {
		return
	}
	c.uses.mu.Lock()
	last := c.uses.last.Keys
	c.uses.mu.Unlock()
	for id, n := range last {
		if k, ok := ring.Key(id); ok {
			ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n.Objects), k.Keyring, k.Display(), "present")
			ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(n.Gone), k.Keyring, k.Display(), "gone")
			ch <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(len(n.Git)), k.Keyring, k.Display(), "git")
		}
	}
}
