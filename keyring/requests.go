package keyring

import (
	"context"
	"slices"
	"strings"
	"sync"
)

// maxRequests bounds what a record of the audit log says of requests.
const maxRequests = 8

// Requests are the ids by which the place where keys live, such as Vault, knows the requests that one operation has made there. It is safe for concurrent use.
type Requests struct {
	mu  sync.Mutex
	ids []string
}

type requestsKey struct{}

// WithRequests gives a context in which NoteRequest adds to the result.
func WithRequests(ctx context.Context) (context.Context, *Requests) {
	r := &Requests{}
	return context.WithValue(ctx, requestsKey{}, r), r
}

// NoteRequest notes the id of a request that was made under ctx. The first few of an operation are kept, each once.
func NoteRequest(ctx context.Context, id string) {
	r, ok := ctx.Value(requestsKey{}).(*Requests)
	if !ok || id == "" {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ids) < maxRequests && !slices.Contains(r.ids, id) {
		r.ids = append(r.ids, id)
	}
}

// String joins the ids with spaces.
func (r *Requests) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.ids, " ")
}
