package faultproxy

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Fault is done to requests. Its functions may be called concurrently, and may block: the request waits.
type Fault struct {
	// Match chooses requests; nil chooses all.
	Match func(Request) bool
	// Skip lets so many of them through first; Times is how many are hit after that, 0 all.
	Skip, Times int
	// Before is called before the request is forwarded, After when the API server has answered with this status code and nothing of it was passed on yet.
	Before func(Request) Verdict
	After  func(r Request, code int) Verdict
}

// Verdict is what becomes of a request. Its zero value lets it pass.
type Verdict struct {
	cut    bool
	bytes  *int64 // of the body, before a cut
	answer *answer
}

type answer struct {
	code   int
	header http.Header
	body   []byte
}

// Pass goes on as if nothing had happened.
func Pass() Verdict { return Verdict{} }

// Cut ends the connection without an answer.
func Cut() Verdict { return Verdict{cut: true} }

// CutBody ends the connection after the first bytes of the answer's body; of use as the verdict of After only.
func CutBody(bytes int64) Verdict { return Verdict{bytes: &bytes} }

// Answer gives the client a status in place of the API server's answer. A positive retryAfter, in whole seconds, is told to the client.
func Answer(code int, retryAfter time.Duration) Verdict {
	s := status(code)
	var header http.Header
	if seconds := int32(retryAfter / time.Second); seconds > 0 {
		s.Details = &metav1.StatusDetails{RetryAfterSeconds: seconds}
		header = http.Header{"Retry-After": {strconv.Itoa(int(seconds))}}
	}
	v := Reply(code, encode(s))
	maps.Copy(v.answer.header, header)
	return v
}

// Reply gives the client this JSON in place of the API server's answer, such as one that the API server gave some time ago.
func Reply(code int, body []byte) Verdict {
	return Verdict{answer: &answer{code, http.Header{"Content-Type": {"application/json"}}, body}}
}

func status(code int) *metav1.Status {
	return &metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Code: int32(code), Message: "a fault of the test", Reason: reasonFor(code),
	}
}

func encode(o any) []byte {
	b, err := json.Marshal(o)
	if err != nil {
		panic(fmt.Sprintf("faultproxy: encoding %T: %v", o, err)) // a type of our own that always encodes
	}
	return b
}

func reasonFor(code int) metav1.StatusReason {
	switch code {
	case http.StatusConflict:
		return metav1.StatusReasonConflict
	case http.StatusGone:
		return metav1.StatusReasonExpired
	case http.StatusTooManyRequests:
		return metav1.StatusReasonTooManyRequests
	case http.StatusInternalServerError:
		return metav1.StatusReasonInternalError
	case http.StatusServiceUnavailable:
		return metav1.StatusReasonServiceUnavailable
	}
	return metav1.StatusReasonUnknown
}

// Active is a fault in force.
type Active struct {
	fault Fault
	proxy *Proxy

	mu      sync.Mutex
	matched int
	hits    int
}

// Hits is how many requests were hit so far.
func (a *Active) Hits() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.hits
}

// Remove ends the fault. Requests that it holds go on only when their hook returns.
func (a *Active) Remove() { a.proxy.remove(a) }

// takes counts a request and says whether it is hit.
func (a *Active) takes(r Request) bool {
	if a.fault.Match != nil && !a.fault.Match(r) {
		return false
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.matched++
	if a.matched <= a.fault.Skip || (a.fault.Times > 0 && a.hits >= a.fault.Times) {
		return false
	}
	a.hits++
	return true
}

// Dice gives a source of chance for a request. What it gives for the n-th request of a kind for an object depends on the seed alone, not on how the requests
// of several objects mix, so that a seed replays a run as far as that is possible at all.
func Dice(seed uint64) func(Request) *rand.Rand {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(r Request) *rand.Rand {
		mu.Lock()
		defer mu.Unlock()
		seen[r.String()]++
		h := fnv.New64a()
		fmt.Fprintf(h, "%s %d", r, seen[r.String()])
		return rand.New(rand.NewPCG(seed, h.Sum64()))
	}
}

// FirstOfEach chooses the first n matching requests of each kind for each object.
func FirstOfEach(n int, match func(Request) bool) func(Request) bool {
	var mu sync.Mutex
	seen := map[string]int{}
	return func(r Request) bool {
		if match != nil && !match(r) {
			return false
		}
		mu.Lock()
		defer mu.Unlock()
		seen[r.String()]++
		return seen[r.String()] <= n
	}
}
