package controller

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

func TestPaceOfObjectsThatAreOpenedAgainAndAgain(t *testing.T) {
	start := time.Date(2026, 11, 23, 2, 30, 0, 0, time.UTC)
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: "one", Generation: 3}}
	p := newPace()
	for i := range 100 {
		if wait, _ := p.wait(o, start); wait != 0 {
			t.Fatalf("a generation of which nothing is known waits, at try %d", i)
		}
	}
	o.Status.ObservedGeneration = 3
	for i := range freely {
		if wait, _ := p.wait(o, start); wait != 0 {
			t.Fatalf("try %d has to wait", i)
		}
	}
	wait, news := p.wait(o, start)
	if wait <= 0 || wait > pause || !news {
		t.Errorf("after %d tries: wait %s, news %t", freely, wait, news)
	}
	if again, news := p.wait(o, start.Add(time.Second)); again != wait-time.Second || news {
		t.Errorf("a second later: wait %s, news %t", again, news)
	}
	if wait, _ := p.wait(o, start.Add(wait)); wait != 0 {
		t.Errorf("after the wait: another %s", wait)
	}
	other := o.DeepCopy()
	other.Name = "other"
	if wait, _ := p.wait(other, start); wait != 0 {
		t.Error("another object waits too")
	}
	next := o.DeepCopy()
	next.Generation = 4
	if wait, _ := p.wait(next, start); wait != 0 {
		t.Error("a new generation waits")
	}
	again := o.DeepCopy()
	again.UID = "two"
	if wait, _ := p.wait(again, start); wait != 0 {
		t.Error("an object that was deleted and made again waits")
	}
	late := start.Add(freely*pause + time.Hour)
	for range freely {
		p.wait(again, late)
	}
	if _, news := p.wait(again, late); !news {
		t.Error("after a quiet time the waiting is no news")
	}
	p.forget(keyOf(again))
	if wait, _ := p.wait(again, late); wait != 0 {
		t.Error("an object that was forgotten waits")
	}
}
