package controller

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/tools/events"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// eventBurst and eventEvery bound the events about GitSecrets: so many at once, then one in such a time. An event is a request of its own, and a change of
	// all objects would be one of each.
	eventBurst = 50
	eventEvery = time.Second
)

// announcer makes events of changed reasons. What it keeps back stands in the status all the same. Safe for concurrent use.
type announcer struct {
	recorder events.EventRecorder
	dropped  func() // counts one that was kept back for want of room
	now      func() time.Time
	room     *rate.Limiter

	once  sync.Once
	began time.Time
}

func newAnnouncer(recorder events.EventRecorder, dropped func(), now func() time.Time) *announcer {
	return &announcer{recorder: recorder, dropped: dropped, now: now, room: rate.NewLimiter(rate.Every(eventEvery), eventBurst)}
}

// begin notes when this process began to look at objects, which is when it got the lead.
func (a *announcer) begin() { a.once.Do(func() { a.began = a.now() }) }

// changed tells that the reason of the object was before and is that of out now. It does not tell of an object that is well at its first look and was there
// before this leader: that is the start of a controller, not news about the object.
func (a *announcer) changed(in *unseal.Input, out unseal.Outcome, before unseal.Reason) {
	a.begin()
	o := in.Object
	massStart := before == "" && out.Reason == unseal.Unsealed && o.CreationTimestamp.Time.Before(a.began.Truncate(time.Second))
	if massStart || out.Reason == unseal.Pending {
		return
	}
	kind := corev1.EventTypeWarning
	if row, _ := out.Reason.Row(); row.Then == unseal.Settled {
		kind = corev1.EventTypeNormal
	}
	a.say(o, kind, string(out.Reason), out.Message)
}

// say makes an event about the object while there is room for one.
func (a *announcer) say(o *v1alpha1.GitSecret, kind, reason, message string) {
	if !a.room.AllowN(a.now(), 1) {
		a.dropped()
		return
	}
	a.recorder.Eventf(o, nil, kind, reason, "Unseal", "%s", message)
}
