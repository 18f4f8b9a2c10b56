package controller

import (
	"maps"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// maxCut bounds the keys of one object that are kept in memory because its mark has no room for them: each costs some 400 bytes in a count, and a tenant can invent them. With
// more of them the object counts as not looked at.
const maxCut = 32

// claim names what was looked at: an object in one generation.
type claim struct {
	uid        types.UID
	generation int64
}

func claimOf(o *v1alpha1.GitSecret) claim { return claim{o.UID, o.Generation} }

// claimed implements marks. That it is noted beside the text, under its lock, is what a count hangs on: no text goes without the note.
func (s *markStore) claimed(o *v1alpha1.GitSecret, known unseal.Marks, cut []string) bool {
	key := markKey(keyOf(o))
	if len(cut) > maxCut {
		s.shardOf(key).disclaim(key)
		return false
	}
	claimed, again := s.shardOf(key).claim(key, claimOf(o), known.Turn, cut)
	if again {
		s.changedBy([]string{key})
	}
	return claimed
}

// claim notes nothing beside a damaged text, which takes nothing up: whoever mends it has the object looked at again.
func (sh *markShard) claim(key string, c claim, turn uint64, cut []string) (claimed, again bool) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.turns[key] != turn || sh.damaged[key] {
		return false, sh.turns[key] != turn
	}
	delete(sh.cut, key)
	if sh.claims[key] = c; len(cut) > 0 {
		sh.cut[key] = cut
	}
	return true, false
}

func (sh *markShard) disclaim(key string) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	delete(sh.claims, key)
	delete(sh.cut, key)
}

// taken says that the text of a key is not any more what looks at its object went by. sh.mu is held.
func (sh *markShard) taken(key string) {
	sh.turns[key]++
	delete(sh.claims, key)
	delete(sh.cut, key)
}

// marked is a copy of a shard's texts and claims, and the keys that have no room, at one moment.
type marked struct {
	texts  map[string]string
	claims map[string]claim
	cut    map[string][]string
}

// all is a copy of all shards, by index.
func (s *markStore) all() []marked {
	all := make([]marked, len(s.shards))
	for i, sh := range s.shards {
		sh.mu.Lock()
		all[i] = marked{maps.Clone(sh.texts), maps.Clone(sh.claims), maps.Clone(sh.cut)}
		sh.mu.Unlock()
	}
	return all
}

var _ marks = (*markStore)(nil)
