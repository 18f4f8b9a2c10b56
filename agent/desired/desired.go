// Package desired reads the files of a commit and says which GitSecrets Git wants to have.
//
// It guarantees that what it refuses is refused with file, document and reason and takes nothing else with it, and that what it lets through is one GitSecret that is sound
// by itself (crypto/seal's strict reading), for one place in a cluster, of one file only. It knows no Git and no cluster.
package desired

import "k8s.io/apimachinery/pkg/types"

// Object is a GitSecret that Git wants to have.
type Object struct {
	Key      types.NamespacedName
	Path     string
	Document int    // from 1 on
	Blob     string // id of the file's content
	// Digest is of all that is applied: spec, labels, annotations. Two that are equal need no write.
	Digest string
	// Envelopes are the ids and commits of those that an item names; Keys the key ids that their wraps are for, sorted.
	Envelopes map[string]string
	Keys      []string
}

// Refusal is something that is not taken.
type Refusal struct {
	Path     string
	Document int // 0: the file
	Reason   string
	Message  string
	// Known says that it is known what the file holds: that there is no GitSecret in what was refused. While something unknown is refused, nothing is pruned.
	Known bool
}

// Set is what a commit wants.
type Set struct {
	Objects []Object  // by key
	Refused []Refusal // by path and document
}

// Unknown says that a refused file may hold objects.
func (s *Set) Unknown() bool {
	for _, r := range s.Refused {
		if !r.Known {
			return true
		}
	}
	return false
}

// Reasons of refusals.
const (
	Symlink         = "Symlink"
	Submodule       = "Submodule"
	LFSPointer      = "LFSPointer"
	PathUnsafe      = "PathUnsafe" // .., .git, control characters, not UTF-8, too deep, names that differ in case only
	TooLarge        = "TooLarge"
	TooMany         = "TooMany"
	WrongEncoding   = "WrongEncoding"
	InvalidYAML     = "InvalidYAML" // duplicate keys, aliases that blow up, broken syntax
	OtherKind       = "OtherKind"   // Known: any manifest that is no GitSecret
	Plaintext       = "Plaintext"   // Known: a Secret
	InvalidFormat   = "InvalidFormat"
	NoNamespace     = "NoNamespace"
	DuplicateObject = "DuplicateObject" // in all the files that have it
)
