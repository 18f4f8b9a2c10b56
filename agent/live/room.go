package live

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"strings"
	gosync "sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// keptLater is an annotation of an object whose offers there was no room for: SIZE:DIGEST of them.
	keptLater = "later"
	// perOffer is what an offer takes beside its texts, in bytes.
	perOffer = 64
	// refillReads bounds the requests of one Refill.
	refillReads = 512
)

// Room bounds what the offers of all objects together take in memory. What there is no room for is left out of the cache, and Store.Refill reads it when there is. Safe for
// concurrent use.
type Room struct {
	limit int

	mu   gosync.Mutex
	used int
	// cached and read are sizes by object: of what the cache has, and of what Refill has read.
	cached, read map[types.UID]int
}

// NewRoom makes room for so many bytes.
func NewRoom(limit int) *Room {
	return &Room{limit: limit, cached: map[types.UID]int{}, read: map[types.UID]int{}}
}

// Transform is that of a cache of GitSecrets, as the function of that name, within the room.
func (r *Room) Transform(obj any) (any, error) {
	o, ok := obj.(*v1alpha1.GitSecret)
	if !ok || o.Spec.Format == slimmed {
		return obj, nil
	}
	out, err := Transform(o)
	if err != nil {
		return out, err
	}
	if size := sizeOf(o.Status.Rewrap); !r.take(r.cached, o.UID, size) {
		o.Annotations[keptLater] = fmt.Sprintf("%d:%s", size, digestOf(o.Status.Rewrap))
		o.Status.Rewrap = nil
	}
	return o, nil
}

// take accounts for what an object has in one of the maps from now on, in place of what it had there; false: there is no room for it, and it has nothing.
func (r *Room) take(in map[types.UID]int, uid types.UID, size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.used -= in[uid]
	delete(in, uid)
	if size > r.limit-r.used {
		return false
	}
	if size > 0 {
		in[uid] = size
		r.used += size
	}
	return true
}

// has says whether there is room.
func (r *Room) has(size int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return size <= r.limit-r.used
}

func sizeOf(all []v1alpha1.RewrapOffer) (size int) {
	for _, o := range all {
		size += perOffer + len(o.Holder) + len(o.Note)
	}
	return size
}

// digestOf tells offers from others.
func digestOf(all []v1alpha1.RewrapOffer) string {
	h := sha256.New()
	for _, o := range all {
		fmt.Fprintf(h, "%q %d %q\n", o.Holder, o.Set, o.Note)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// laterOf reads the size of what there was no room for.
func laterOf(o *v1alpha1.GitSecret) (size int, later bool) {
	text, _, _ := strings.Cut(o.Annotations[keptLater], ":")
	size, err := strconv.Atoi(text)
	return size, err == nil
}

// Bound has the store go with the room that the cache's Transform has. It is called before the store is told of anything.
func (s *Store) Bound(r *Room) { s.room = r }

// drop lets go of what Refill has read of an object. The caller holds the lock.
func (s *Store) drop(key types.NamespacedName) {
	if was, ok := s.refilled[key]; ok {
		s.room.take(s.room.read, was.uid, 0)
		delete(s.refilled, key)
	}
}

// refilled are offers that Refill has read of one object.
type refilled struct {
	uid    types.UID
	offers []v1alpha1.RewrapOffer
}

// Refill reads offers that there was no room for, as far as there is now, by the names of their objects. get reads one past the cache. left is how many objects wait further, of
// which nothing is known but that they have offers; those that cannot be read are among them.
func (s *Store) Refill(ctx context.Context, get func(context.Context, types.NamespacedName) (*v1alpha1.GitSecret, error)) (left int) {
	s.filling.Lock() // one at a time, so that nobody reads for room that somebody else fills
	defer s.filling.Unlock()
	reads := 0
	for _, w := range s.waiting() {
		if ctx.Err() != nil || reads == refillReads || !s.room.has(w.size) {
			left++
			continue
		}
		reads++
		o, err := get(ctx, w.key)
		if err != nil || !s.refill(w.key, o) {
			left++
		}
	}
	return left
}

type wait struct {
	key  types.NamespacedName
	size int
}

// waiting are the objects whose offers are not here, by key.
func (s *Store) waiting() []wait {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var all []wait
	for key, size := range s.later {
		if _, has := s.refilled[key]; !has {
			all = append(all, wait{key, size})
		}
	}
	slices.SortFunc(all, func(a, b wait) int { return desired.CompareKeys(a.key, b.key) })
	return all
}

// refill keeps what was read of an object, if it is still what the watch has shown; otherwise the watch is about to tell.
func (s *Store) refill(key types.NamespacedName, o *v1alpha1.GitSecret) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	shown := s.entries[key].shown
	if _, later := s.later[key]; !later || shown == nil || shown.UID != o.UID || shown.ResourceVersion != o.ResourceVersion {
		return false
	}
	if !s.room.take(s.room.read, o.UID, sizeOf(o.Status.Rewrap)) {
		return false
	}
	s.refilled[key] = refilled{o.UID, o.Status.Rewrap}
	return true
}
