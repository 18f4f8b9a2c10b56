package controller

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const auditNotPersistent = "the audit log is on a volume that goes with the pod: after a restart of the pod the records from before it are lost, and nobody can tell what was opened with these keys"

// setDegraded adds or removes the condition Degraded. It is there only while true.
func setDegraded(s *v1alpha1.KeyringStatus, generation int64, ephemeral bool, now time.Time) {
	if !ephemeral {
		apimeta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionDegraded)
		return
	}
	apimeta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionDegraded, Status: metav1.ConditionTrue, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		Reason: v1alpha1.ReasonAuditNotPersistent, Message: auditNotPersistent,
	})
}

// conditionMetrics are about the controller as it is run.
type conditionMetrics struct {
	degraded, namespaces *prometheus.GaugeVec
}

func newConditionMetrics(reg prometheus.Registerer, cfg Config) (*conditionMetrics, error) {
	m := &conditionMetrics{
		degraded: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waxwing_degraded", Help: "1 while the controller works, but not as it should in production, for this reason.",
		}, []string{"reason"}),
		namespaces: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "waxwing_namespace_reachable", Help: "Whether a namespace of --namespaces can be read (1) or not (0: no such namespace, or no right). Only the leader says so.",
		}, []string{"namespace"}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: "waxwing_build_info", Help: "1; the version of the program is a label.", ConstLabels: prometheus.Labels{"version": cfg.Version}})
	build.Set(1)
	ephemeral := 0.0
	if cfg.AuditEphemeral {
		ephemeral = 1
	}
	m.degraded.WithLabelValues(v1alpha1.ReasonAuditNotPersistent).Set(ephemeral)
	for _, c := range []prometheus.Collector{m.degraded, m.namespaces, build} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("registering metrics: %w", err)
		}
	}
	return m, nil
}

func (m *conditionMetrics) reachable(namespace string, yes bool) {
	value := 0.0
	if yes {
		value = 1
	}
	m.namespaces.WithLabelValues(namespace).Set(value)
}
