package controller

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// rotations tells from the cache how old active keys are and when they are replaced. The statuses have dates, so that they need not be written as time passes.
type rotations struct {
	cache    client.Reader
	now      func() time.Time
	age, due *prometheus.Desc
}

func newRotations(reg prometheus.Registerer, cache client.Reader, now func() time.Time) error {
	c := &rotations{
		cache: cache, now: now,
		age: prometheus.NewDesc("waxwing_keyring_key_age_seconds", "How long ago the active key of a Keyring became active.", []string{"keyring"}, nil),
		due: prometheus.NewDesc("waxwing_keyring_next_rotation_seconds", "How long it is until the active key of a Keyring is replaced by what spec.rotation says; negative while that is overdue.", []string{"keyring"}, nil),
	}
	if err := reg.Register(c); err != nil {
		return fmt.Errorf("registering metrics: %w", err)
	}
	return nil
}

// Describe implements prometheus.Collector.
func (c *rotations) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.age
	ch <- c.due
}

// Collect implements prometheus.Collector. It gives nothing while the cache cannot be read.
func (c *rotations) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), collectTimeout)
	defer cancel()
	var all v1alpha1.KeyringList
	if c.cache.List(ctx, &all, client.UnsafeDisableDeepCopy) != nil {
		return
	}
	now := c.now()
	for _, kr := range all.Items {
		for _, k := range kr.Status.Keys {
			if k.State == string(keyring.Active) && k.Activated != nil && keyring.Display(k.ID) == kr.Status.ActiveKey {
				ch <- prometheus.MustNewConstMetric(c.age, prometheus.GaugeValue, now.Sub(k.Activated.Time).Seconds(), kr.Name)
			}
		}
		if at := kr.Status.NextRotation; at != nil {
			ch <- prometheus.MustNewConstMetric(c.due, prometheus.GaugeValue, at.Sub(now).Seconds(), kr.Name)
		}
	}
}
