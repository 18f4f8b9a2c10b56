package controller

import (
	"bytes"
	"encoding/json"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	kjson "sigs.k8s.io/json"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// maxBodies is how many bytes of sealed parts are kept for objects that were not looked at yet: 10,000 objects of 5 keys and 2 holders have 70 MB. What does
// not fit is read from the API server when its turn comes.
const maxBodies = 96 << 20

// bodies keeps what the cache does not, the sealed part of each GitSecret, from the watch event that brought it until the object was looked at. So the first
// look costs no request, and an object that is settled costs next to no memory. Safe for concurrent use.
type bodies struct {
	seen   *memory
	offers *offers

	mu    sync.Mutex
	room  int
	specs map[types.NamespacedName]body
}

type body struct {
	uid        types.UID
	generation int64
	json       []byte
}

func newBodies(seen *memory, room int) *bodies {
	return &bodies{seen: seen, offers: newOffers(), room: room, specs: map[types.NamespacedName]body{}}
}

// put keeps the spec of an object that came whole, as from a list. One without envelopes has none to keep: informers give an object more than once to their
// transform, and the second time its sealed part is gone; what comes from a watch is given to keep.
func (b *bodies) put(o *v1alpha1.GitSecret) {
	if len(o.Spec.Envelopes) == 0 {
		return
	}
	b.add(o, func() []byte {
		spec, _ := json.Marshal(&o.Spec) // of strings
		return spec
	})
}

// keep keeps a copy of spec, that of o as the API server has sent it.
func (b *bodies) keep(o *v1alpha1.GitSecret, spec []byte) {
	b.add(o, func() []byte { return bytes.Clone(spec) })
}

// add keeps the spec of an object that was not looked at in this generation.
func (b *bodies) add(o *v1alpha1.GitSecret, spec func() []byte) {
	key := keyOf(o)
	b.mu.Lock()
	defer b.mu.Unlock()
	kept, ok := b.specs[key]
	if (ok && kept.uid == o.UID && kept.generation == o.Generation) || o.UID == "" || o.DeletionTimestamp != nil || b.seen.settled(o) {
		return // in a bookmark is an object without uid
	}
	b.remove(key)
	text := spec()
	if len(text) == 0 || len(text) > b.room {
		return
	}
	b.specs[key] = body{uid: o.UID, generation: o.Generation, json: text}
	b.room -= len(text)
}

// get fills in the spec of o; ok is false where it was not kept.
func (b *bodies) get(o *v1alpha1.GitSecret) (ok bool) {
	b.mu.Lock()
	kept, ok := b.specs[keyOf(o)]
	b.mu.Unlock()
	if !ok || kept.uid != o.UID || kept.generation != o.Generation {
		return false
	}
	var spec seal.Spec
	if kjson.UnmarshalCaseSensitivePreserveInts(kept.json, &spec) != nil {
		return false
	}
	o.Spec = spec
	return true
}

// drop forgets the spec of an object that was looked at, or is gone.
func (b *bodies) drop(key types.NamespacedName) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.remove(key)
}

func (b *bodies) remove(key types.NamespacedName) {
	if kept, ok := b.specs[key]; ok {
		b.room += len(kept.json)
		delete(b.specs, key)
	}
}
