package standing

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"maps"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// ulidTime and ulidRandom are the lengths of the parts of a ULID (ULID spec).
const ulidTime, ulidRandom = 10, 16

// Sealed is what is kept of one version of a GitSecret.
type Sealed struct {
	Namespace, Name string // Namespace is empty where the object names none
	For             seal.For
	Holders         []Holder // who has a wrap, in byte order of their names
	Suspend         bool
	// Newest is when the newest envelope that an item names was sealed, by its own word: its date, and the time in milliseconds that its id begins with. Empty
	// without one.
	Newest string

	whole   [sha256.Size]byte // of all of spec
	content [sha256.Size]byte // of spec without the wraps, which rewrapping replaces
}

// Holder is who can open an object, by what its envelopes claim.
type Holder struct {
	Name   string
	Keys   []string // key ids of all wraps, in byte order
	Before []string // key ids that were wrapped for earlier, in byte order
}

// Read reads the JSON of a GitSecret, from a file or from the API server; what the server adds beside spec does not count. The error is json's: whether the
// format takes the object is not asked.
func Read(doc []byte) (Sealed, error) {
	var head struct {
		Metadata struct{ Name, Namespace string }
		Spec     seal.Spec
	}
	if err := json.Unmarshal(doc, &head); err != nil {
		return Sealed{}, err
	}
	s := Sealed{Namespace: head.Metadata.Namespace, Name: head.Metadata.Name}
	s.sealed(&head.Spec)
	return s, nil
}

// sealed fills s in from spec, whose wraps are gone then.
func (s *Sealed) sealed(spec *seal.Spec) {
	s.For, s.Suspend = spec.For, spec.Suspend
	s.whole = digest(spec)
	holders := map[string]*Holder{}
	for _, id := range spec.Referenced() {
		e := spec.Envelopes[id]
		s.Newest = max(s.Newest, e.SealedAt+" "+id[:max(0, min(len(id)-ulidRandom, ulidTime))])
		for name, w := range e.Wraps {
			h := holders[name]
			if h == nil {
				h = &Holder{Name: name}
				holders[name] = h
			}
			h.Keys, h.Before = append(h.Keys, w.Keys...), append(h.Before, w.WrappedBefore...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(holders)) {
		h := holders[name]
		s.Holders = append(s.Holders, Holder{Name: name, Keys: set(h.Keys), Before: set(h.Before)})
	}
	for id, e := range spec.Envelopes {
		e.Wraps = nil
		spec.Envelopes[id] = e
	}
	s.content = digest(spec)
}

// digest is one of ciphertexts and public members: no plaintext goes into it.
func digest(spec *seal.Spec) [sha256.Size]byte {
	b, err := json.Marshal(spec)
	if err != nil {
		return [sha256.Size]byte{} // a Spec that came from JSON becomes JSON again
	}
	return sha256.Sum256(b)
}

func set(ids []string) []string {
	slices.Sort(ids)
	return slices.Clip(slices.Compact(ids))
}

// Git says how the version in Git stands to the one in the cluster.
type Git string

// How the two stand to each other.
const (
	InSync       Git = "in-sync"
	NotApplied   Git = "not-applied"   // in Git only
	ClusterOlder Git = "cluster-older" // the cluster has an older version
	ClusterNewer Git = "cluster-newer" // the cluster has a newer version, such as one that was applied and not committed
	Differs      Git = "differs"       // neither is newer by what the envelopes say
	ClusterOnly  Git = "cluster-only"  // not in the files that were looked at
	Elsewhere    Git = "elsewhere"     // sealed for keyrings of another cluster, and not in this one
	Broken       Git = "broken"        // the file's version breaks the format
	Unknown      Git = "unknown"       // the cluster could not be asked, or the namespace is not known
)

// compare says how the version in the cluster stands to the one in Git, and what differs in a word: nothing, the wraps, or the content.
//
// New values come in newer envelopes. Where the newest envelope is as old in both, wraps tell by the keys that they were wrapped for before.
func compare(git, cluster *Sealed) (state Git, wrapsOnly bool) {
	if git.whole == cluster.whole {
		return InSync, false
	}
	wrapsOnly = git.content == cluster.content
	order := cmp.Compare(git.Newest, cluster.Newest)
	if order == 0 {
		order = ahead(git.Holders, cluster.Holders) - ahead(cluster.Holders, git.Holders)
	}
	switch {
	case order > 0:
		return ClusterOlder, wrapsOnly
	case order < 0:
		return ClusterNewer, wrapsOnly
	}
	return Differs, wrapsOnly
}

// ahead counts the holders of a whose wraps have replaced more keys than those in b, which are among them.
func ahead(a, b []Holder) (n int) {
	for _, h := range a {
		for _, old := range b {
			known := func(id string) bool { return slices.Contains(h.Before, id) }
			if h.Name == old.Name && len(h.Before) > len(old.Before) && !slices.ContainsFunc(old.Before, func(id string) bool { return !known(id) }) {
				n++
			}
		}
	}
	return n
}
