package controller

import (
	"errors"
	"testing"

	"k8s.io/apimachinery/pkg/types"
)

// away is a log that cannot be written while it has an error.
type away struct{ err error }

func (a *away) Err() error { return a.err }

func TestWhatWaitsForTheLogIsDueWhenItWorks(t *testing.T) {
	log, seen := &away{errors.New("full")}, newMemory(func() float64 { return 0 })
	w := newAuditWaiters(log, seen)
	key := types.NamespacedName{Namespace: "prod", Name: "db"}
	first := seen.retry(key)
	for range 10 {
		seen.retry(key)
		w.add(key)
	}
	if due := w.due(); len(due) != 0 {
		t.Errorf("%v is due while the log is away", due)
	}
	log.err = nil
	if due := w.due(); len(due) != 1 || due[0].NamespacedName != key {
		t.Errorf("%v is due", due)
	}
	if again := seen.retry(key); again != first {
		t.Errorf("its next retry is after %s, as if it had failed often", again)
	}
	if due := w.due(); len(due) != 0 {
		t.Errorf("%v is due again", due)
	}
}
