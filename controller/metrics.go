package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

const collectTimeout = time.Second

// metrics of the GitSecret reconciler. No label names an object: there may be tens of thousands.
type metrics struct {
	total    *prometheus.CounterVec
	seconds  prometheus.Histogram
	retries  prometheus.Counter
	heldBack prometheus.Counter
	events   prometheus.Counter
	// rollbacks that were let through.
	rollbacks prometheus.Counter
}

// newMetrics registers the metrics; those about all objects are counted from the cache when they are asked for.
func newMetrics(reg prometheus.Registerer, cache client.Reader, store *markStore) (*metrics, error) {
	m := &metrics{
		total: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "waxwing_unseal_total", Help: "Attempts to unseal a GitSecret, and refusals, by the reason that its status shows then.",
		}, []string{"reason"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "waxwing_unseal_duration_seconds", Help: "Time from the audit intent to the audit outcome, the write of the Secret included.",
			Buckets: []float64{.005, .01, .02, .05, .1, .2, .5, 1, 2, 5, 10},
		}),
		retries: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waxwing_retries_total", Help: "Looks at a GitSecret that have to be repeated: for a reason that retries, or because the Secret had changed meanwhile.",
		}),
		heldBack: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waxwing_openings_held_back_total", Help: "Times that a GitSecret was not opened again yet, because somebody else changes its Secret again and again.",
		}),
		rollbacks: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "waxwing_rollbacks_total", Help: "GitSecrets that went back to an older envelope and were let through.",
		}),
	}
	m.events = prometheus.NewCounter(prometheus.CounterOpts{
		Name: "waxwing_events_dropped_total", Help: "Events about GitSecrets that were not made because there were too many at once; the statuses tell all of them.",
	})
	for _, row := range unseal.Table() {
		m.total.WithLabelValues(string(row.Reason))
	}
	for _, c := range []prometheus.Collector{
		m.total, m.seconds, m.retries, m.heldBack, m.events, m.rollbacks, newMarksCollector(store),
		&population{cache: cache, objects: gitSecretsDesc(), keys: keysDesc(), ready: readyDesc(), exposed: exposedDesc()},
	} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *metrics) count(r unseal.Reason) { m.total.WithLabelValues(string(r)).Inc() }

func gitSecretsDesc() *prometheus.Desc {
	return prometheus.NewDesc("waxwing_gitsecrets", "GitSecrets by status and reason of their Ready condition; none is one that was not looked at yet.", []string{"ready", "reason"}, nil)
}

func keysDesc() *prometheus.Desc {
	return prometheus.NewDesc("waxwing_keys", "Sealing keys by keyring and state.", []string{"keyring", "state"}, nil)
}

func readyDesc() *prometheus.Desc {
	return prometheus.NewDesc("waxwing_keyring_ready", "Whether a Keyring is Ready (1) or not (0).", []string{"keyring"}, nil)
}

func exposedDesc() *prometheus.Desc {
	return prometheus.NewDesc("waxwing_exposed_items", "Sealed values that a compromised key could ever have opened and that were not changed since, as the statuses have them.", nil, nil)
}

// population counts objects in the cache.
type population struct {
	cache         client.Reader
	objects, keys *prometheus.Desc
	ready         *prometheus.Desc
	exposed       *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (p *population) Describe(ch chan<- *prometheus.Desc) {
	ch <- p.objects
	ch <- p.keys
	ch <- p.ready
	ch <- p.exposed
}

// Collect implements prometheus.Collector. It gives nothing while the cache cannot be read.
func (p *population) Collect(ch chan<- prometheus.Metric) {
	// The interface has no context. A cache answers from memory, but while it is being filled it makes its readers wait.
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var all v1alpha1.GitSecretList
	if p.cache.List(ctx, &all, client.UnsafeDisableDeepCopy) == nil {
		counts := map[[2]string]int{notLookedAt(): 0}
		for _, row := range unseal.Table() {
			counts[[2]string{string(row.Ready), string(row.Reason)}] = 0
		}
		exposed := 0
		for i := range all.Items {
			exposed += len(all.Items[i].Status.Exposed)
			shown := readyOf(all.Items[i].Status)
			if _, ok := counts[shown]; !ok {
				shown = [2]string{"none", "other"}
			}
			counts[shown]++
		}
		ch <- prometheus.MustNewConstMetric(p.exposed, prometheus.GaugeValue, float64(exposed))
		for shown, n := range counts {
			ch <- prometheus.MustNewConstMetric(p.objects, prometheus.GaugeValue, float64(n), shown[0], shown[1])
		}
	}
	var rings v1alpha1.KeyringList
	if p.cache.List(ctx, &rings, client.UnsafeDisableDeepCopy) == nil {
		for _, ring := range rings.Items {
			ready := 0.0
			if apimeta.IsStatusConditionTrue(ring.Status.Conditions, v1alpha1.ConditionReady) {
				ready = 1
			}
			ch <- prometheus.MustNewConstMetric(p.ready, prometheus.GaugeValue, ready, ring.Name)
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

// notLookedAt are the labels of an object without a status.
func notLookedAt() [2]string { return [2]string{"none", "none"} }

// readyOf gives status and reason of the Ready condition, which anybody may have written.
func readyOf(s v1alpha1.GitSecretStatus) [2]string {
	for _, c := range s.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return [2]string{string(c.Status), c.Reason}
		}
	}
	return notLookedAt()
}
