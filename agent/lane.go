package agent

import "time"

const (
	// slowLook is how long a repository may take, to be fetched or to be written to, or the cluster, to be written to, without counting as slow.
	slowLook = 10 * time.Second
	// laneRetry is how soon a SecretSync is looked at again that there was no place for.
	laneRetry = time.Second
)

// lane gives SecretSyncs that take long a part of the workers only: a server that does not answer, and whoever has many SecretSyncs wait for one, must not keep the others from being
// looked at. Safe for concurrent use.
type lane struct{ places chan struct{} }

func newLane(workers int) lane { return lane{make(chan struct{}, max(workers/2, 1))} }

// enter takes a place for a slow one, if there is one left; leave gives it back.
func (l lane) enter(slow bool) (leave func(), ok bool) {
	if !slow {
		return func() {}, true
	}
	select {
	case l.places <- struct{}{}:
		return func() { <-l.places }, true
	default:
		return nil, false
	}
}
