package controller

import (
	"sync"
	"time"
)

const (
	// annotationSince, on the first ConfigMap of marks, says since when marks remember who needs keys; annotationAgain since when they do after the last gap, annotationUntil when
	// that was noted last.
	annotationSince, annotationAgain, annotationUntil = "waxwing.io/remembers-since", "waxwing.io/remembers-again", "waxwing.io/remembered-until"
	// noteMemory is how often it is noted that the marks still remember.
	noteMemory = time.Hour
	// maxGap is how long ago it may have been noted at a start. After more than that nobody knows what has come and gone meanwhile: no controller ran, or etcd was restored
	// from a backup, or these ConfigMaps were put back as they were kept somewhere.
	maxGap = 24 * time.Hour
	// maxAway is the longest gap after which the memory goes on. A cluster that is off at weekends would let no key go if each began it anew; what is older is most likely a copy.
	maxAway = 30 * 24 * time.Hour
)

// recollection is since when marks remember. The memory of a process goes on while it runs, whatever becomes of the ConfigMap. Safe for concurrent use.
type recollection struct {
	mu    sync.Mutex
	since time.Time // zero before the marks were read
	again time.Time // after the last gap; zero: there was none
	noted time.Time // when it was noted last; zero: not, or something else was
}

// found takes the annotations of the ConfigMap; nil where there is none.
func (r *recollection) found(annotations map[string]string, now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, errSince := time.Parse(time.RFC3339, annotations[annotationSince])
	until, errUntil := time.Parse(time.RFC3339, annotations[annotationUntil])
	again, errAgain := time.Time{}, error(nil)
	if text := annotations[annotationAgain]; text != "" {
		again, errAgain = time.Parse(time.RFC3339, text)
	}
	known, gap := errSince == nil && errUntil == nil, now.Sub(until)
	r.noted = time.Time{}
	switch {
	case known && errAgain == nil && gap.Abs() <= maxGap:
		r.since, r.noted = since, until
		if again.After(r.again) {
			r.again = again
		}
	case !r.since.IsZero():
	case known && gap > 0 && gap <= maxAway:
		r.since, r.again = since, now.UTC().Truncate(time.Second)
	default:
		r.since = now.UTC().Truncate(time.Second)
	}
}

// from is since when uses are remembered, and since when they are after the last gap; zero: there was none.
func (r *recollection) from() (since, again time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.since, r.again
}

// due says whether it is to be noted now.
func (r *recollection) due(now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.since.IsZero() && now.Sub(r.noted).Abs() >= noteMemory
}

// annotations are what is noted.
func (r *recollection) annotations(now time.Time) map[string]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	noted := map[string]string{annotationSince: r.since.Format(time.RFC3339), annotationUntil: now.UTC().Format(time.RFC3339)}
	if !r.again.IsZero() {
		noted[annotationAgain] = r.again.Format(time.RFC3339)
	}
	return noted
}

// wrote says that it was noted.
func (r *recollection) wrote(at time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.noted = at
}

// lost says that what was noted is there no more.
func (r *recollection) lost() { r.wrote(time.Time{}) }

// remembersSince is since when the marks remember who needs keys, zero before they were read, and since when after the last gap.
func (s *markStore) remembersSince() (since, again time.Time) { return s.shards[0].memory.from() }
