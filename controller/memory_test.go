package controller

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func object(uid, version, openedWith string) *v1alpha1.GitSecret {
	return &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: types.UID(uid), ResourceVersion: version},
		Status:     v1alpha1.GitSecretStatus{OpenedWith: openedWith},
	}
}

func TestLatestStatusIsTheNewerOfCacheAndMemory(t *testing.T) {
	for name, c := range map[string]struct {
		cached *v1alpha1.GitSecret
		want   string
	}{
		"a cache that is behind loses":           {object("u", "99", "cache"), "memory"},
		"a cache that has the write wins":        {object("u", "100", "cache"), "cache"},
		"a cache that is ahead wins":             {object("u", "101", "cache"), "cache"},
		"an object made anew has nothing of old": {object("another", "99", "cache"), "cache"},
		"a version that is no number wins":       {object("u", "x", "cache"), "cache"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(func() float64 { return 0 })
			m.wrote(object("u", "1", ""), "100", v1alpha1.GitSecretStatus{OpenedWith: "memory"})
			if got, _ := m.latest(c.cached); got.OpenedWith != c.want {
				t.Errorf("got that of the %s, want that of the %s", got.OpenedWith, c.want)
			}
		})
	}
	m := newMemory(func() float64 { return 0 })
	m.retry(keyOf(object("u", "1", "")))
	if got, _ := m.latest(object("u", "99", "cache")); got.OpenedWith != "cache" {
		t.Errorf("tries alone gave a status: %q", got.OpenedWith)
	}
	m.wrote(object("u", "1", ""), "100", v1alpha1.GitSecretStatus{OpenedWith: "memory"})
	m.forget(keyOf(object("u", "100", "")))
	if got, _ := m.latest(object("u", "99", "cache")); got.OpenedWith != "cache" {
		t.Errorf("a forgotten object is remembered: %q", got.OpenedWith)
	}
}

func TestRetriesGrowToAMinuteAndNeverEnd(t *testing.T) {
	key := types.NamespacedName{Namespace: "prod", Name: "db"}
	for jitter, want := range map[float64][]time.Duration{
		0:   {250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second},
		0.5: {375 * time.Millisecond, 750 * time.Millisecond, 1500 * time.Millisecond},
	} {
		m := newMemory(func() float64 { return jitter })
		for i, w := range want {
			if got := m.retry(key); got != w {
				t.Errorf("jitter %v, try %d: %s, want %s", jitter, i+1, got, w)
			}
		}
		for range 1000 {
			if got := m.retry(key); got <= 0 || got > lastRetry {
				t.Fatalf("it gave up: %s", got)
			}
		}
		m.succeeded(key)
		if got := m.retry(key); got != want[0] {
			t.Errorf("after a success: %s", got)
		}
	}
}
