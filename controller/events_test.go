package controller

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

func TestEventsAreMadeOfNewsAndNotOfAStart(t *testing.T) {
	began := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		made   time.Time // of the object
		before unseal.Reason
		reason unseal.Reason
		want   int
	}{
		"an object that was there before and is well": {began.Add(-time.Hour), "", unseal.Unsealed, 0},
		"an object that came after the start":         {began, "", unseal.Unsealed, 1},
		"an object that was there and is not well":    {began.Add(-time.Hour), "", unseal.Tampered, 1},
		"an object that is well again":                {began.Add(-time.Hour), unseal.Tampered, unseal.Unsealed, 1},
		"an object that waits":                        {began, "", unseal.Pending, 0},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := events.NewFakeRecorder(10)
			a := newAnnouncer(recorder, func() { t.Error("one was dropped") }, func() time.Time { return began })
			o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Name: "db", CreationTimestamp: metav1.NewTime(c.made)}}
			a.changed(&unseal.Input{Object: o}, unseal.Outcome{Reason: c.reason, Message: "said"}, c.before)
			if got := len(recorder.Events); got != c.want {
				t.Errorf("%d events, want %d", got, c.want)
			}
		})
	}
}

func TestEventsAreBounded(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	recorder, dropped := events.NewFakeRecorder(1000), 0
	a := newAnnouncer(recorder, func() { dropped++ }, func() time.Time { return now })
	say := func(n int) {
		for range n {
			a.changed(&unseal.Input{Object: &v1alpha1.GitSecret{}}, unseal.Outcome{Reason: unseal.Tampered, Message: "said"}, "")
		}
	}
	say(eventBurst + 7)
	if len(recorder.Events) != eventBurst || dropped != 7 {
		t.Errorf("%d events, %d dropped", len(recorder.Events), dropped)
	}
	now = now.Add(3 * eventEvery)
	say(5)
	if len(recorder.Events) != eventBurst+3 || dropped != 9 {
		t.Errorf("later: %d events, %d dropped", len(recorder.Events), dropped)
	}
}
