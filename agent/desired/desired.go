// Package desired reads the files of a commit and says which GitSecrets Git wants to have.
//
// It guarantees that what it refuses is refused with file, document and reason and takes nothing else with it, and that what it lets through is one GitSecret that is sound
// by itself (crypto/seal's strict reading), for one place in a cluster, of one file only. What it keeps is bounded by Limits, whatever the files hold. It knows no Git and no
// cluster.
package desired

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/repo/scan"
)

// Kind is what an entry of a commit is.
type Kind int

// Kinds.
const (
	Regular   Kind = iota
	Link           // a symbolic link; it is never followed
	Module         // a commit of another repository
	Folder         // one that was not looked into
	Malformed      // what Git does not make
)

// File is an entry of a commit.
type File struct {
	Path string // from the root of the repository, with /; text from outside
	Kind Kind
	Size int64  // of a Regular one, in bytes
	Blob string // equal ids have equal content
}

// ReadFunc gives the content of a file, or the text of a link, by its Blob. It is called from several goroutines. An error that is ErrTooLarge has the file refused; any other
// one ends the reading of the commit.
type ReadFunc func(ctx context.Context, blob string) ([]byte, error)

// ErrTooLarge says that a file is larger than what is read of one, or takes too much work to be read.
var ErrTooLarge = errors.New("is too large to be read")

// Limits bound what is kept of a commit. Zero values are the defaults.
type Limits struct {
	FileBytes int64 // of a file that is read; 1 MiB
	Objects   int   // GitSecrets of a commit; 20,000
	Entries   int   // envelopes, key ids and refusals of all of them together; 200,000
	// Turn is what all share that parse files in a process, so that they do not all take the memory that one may; nil: each Cache is by itself.
	Turn *scan.Turn
}

// MaxKeys is how many key ids a Set has at most.
const MaxKeys = 1024

// Object is a GitSecret that Git wants to have.
type Object struct {
	Key      types.NamespacedName
	Path     string
	Document int    // from 1 on
	Blob     string // id of the file's content
	// Digest is of all that is applied: spec, labels, annotations (Manifest.Digest). Two that are equal need no write.
	Digest string
	// SpecDigest is of the spec alone (Manifest.SpecDigest): who else applies objects adds labels and annotations of his own.
	SpecDigest string
	// Envelopes are the ids and commits of those that an item names; Keys the key ids that their wraps are for, sorted. They are shared: change neither.
	Envelopes map[string]string
	Keys      []string

	text span // of the document in the file
	// listed says that the document has others beside it: it is a List.
	listed bool
}

// Order is by path, document and key. In it each file is gone over once.
func Order(a, b Object) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Document, b.Document), CompareKeys(a.Key, b.Key))
}

// CompareKeys orders keys by namespace, then by name.
func CompareKeys(a, b types.NamespacedName) int {
	return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// Refusal is something that is not taken.
type Refusal struct {
	Path     string // fit to be shown: quoted where it has unusual characters, cut where it is long
	Document int    // 0: the file
	Reason   string
	Message  string // what is wrong and what to do; no value of a file is in it
	// Known says that it is known what the file holds: that there is no GitSecret in what was refused. While something unknown is refused, nothing is pruned.
	Known bool
}

// Set is what a commit wants.
type Set struct {
	Objects []Object  // by key
	Refused []Refusal // by path and document
	// Keys are the key ids that wraps of GitSecrets are for, sorted, MaxKeys at most: those of Objects, those of GitSecrets that were refused, and, of files that could not be
	// read as GitSecrets, whatever looks like one. MoreKeys says that there are more, or may be.
	Keys     []string
	MoreKeys bool
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
	PathNotFound    = "PathNotFound"
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

// keysOf are the key ids of a set, in order, as far as there is room for them.
func keysOf(all map[string]bool) (keys []string, more bool) {
	keys = slices.Sorted(maps.Keys(all))
	if len(keys) <= MaxKeys {
		return keys, false
	}
	return keys[:MaxKeys:MaxKeys], true
}
