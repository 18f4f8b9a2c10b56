package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

const collectTimeout = time.Second

// metrics of the GitSecret reconciler. No label names an object: there may be tens of thousands.
type metrics struct {
	total   *prometheus.CounterVec
	seconds prometheus.Histogram
	events  prometheus.Counter
}

// newMetrics registers the metrics; those about all objects are counted from the cache when they are asked for.
func newMetrics(reg prometheus.Registerer, cache client.Reader) (*metrics, error) {
	m := &metrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waxwing_unseal_total", Help: "Attempts to unseal a GitSecret, and refusals, by the reason that its status shows then.",
		}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waxwing_unseal_seconds", Help: "Time from the audit intent to the audit outcome, the write of the Secret included.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}),
	}
	m.events = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "waxwing_events_dropped_total", Help: "Events about GitSecrets that were not made because there were too many at once; the statuses tell all of them.",
	})
	for _, row := range unseal.Table() {
		m.total.WithLabelValues(string(row.Reason))
	}
	for _, c := range []prometheus.Collector{m.total, m.seconds, m.events, &population{cache: cache, objects: gitSecretsDesc(), keys: keysDesc()}} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) count(r unseal.Reason) { m.total.WithLabelValues(string(r)).Inc() }

func gitSecretsDesc() *prometheus.Desc {
	return prometheus.NewDesc("waxwing_gitsecrets", "GitSecrets by the status of their Ready condition; none is one that was not looked at yet.", []string{"ready"}, nil)
}

func keysDesc() *prometheus.Desc {
	return prometheus.NewDesc("waxwing_keys", "Sealing keys by keyring and state.", []string{"keyring", "state"}, nil)
}

// population counts objects in the cache.
type population struct {
	cache         client.Reader
	objects, keys *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p *population) Describe(ch chan<- *prometheus.Desc) {
	ch <- p.objects
	ch <- p.keys
}

// Collect implements prometheus.Collector. It gives nothing while the cache cannot be read.
func (p *population) Collect(ch chan<- prometheus.Metric) {
	// The interface has no context. A cache answers from memory, but while it is being filled it makes its readers wait.
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var all v1alpha1.GitSecretList
	if p.cache.List(ctx, &all, client.UnsafeDisableDeepCopy) == nil {
		counts := map[string]int{"True": 0, "False": 0, "Unknown": 0, "none": 0}
		for i := range all.Items {
			counts[readyOf(all.Items[i].Status)]++
		}
		for ready, n := range counts {
			ch <- prometheus.MustNewConstMetric(p.objects, prometheus.GaugeValue, float64(n), ready)
		}
	}
	var rings v1alpha1.KeyringList
	if p.cache.List(ctx, &rings, client.UnsafeDisableDeepCopy) == nil {
		for _, ring := range rings.Items {
			counts := map[string]int{}
			for _, k := range ring.Status.Keys {
				counts[k.State]++
			}
			for state, n := range counts {
				ch <- prometheus.MustNewConstMetric(p.keys, prometheus.GaugeValue, float64(n), ring.Name, state)
			}
		}
	}
}

func readyOf(s v1alpha1.GitSecretStatus) string {
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return string(c.Status)
		}
	}
	return "none"
}
