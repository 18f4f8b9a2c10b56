// Package pack reads and writes Git's packs: files of compressed objects, some of them as a difference (a delta) to another.
//
// It guarantees that a pack, whoever made it, costs no more memory than some 40 bytes an object and four times Limits.ObjectBytes to index, and three times that to read an
// object of; that an object is what its id says; and that what is over a limit is refused before it is inflated. A pack is looked at where it lies, on the disk. It knows
// nothing of repositories, and nothing of what is in the objects.
//
// The format is that of Git's documentation, gitformat-pack, version 2 with SHA-1. Indexes are its own, because Git's do not say how large objects are.
package pack

import (
	"crypto/sha1" // Git's ids are SHA-1; collisions are looked for where an object is first seen
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strconv"

	"github.com/pjbgf/sha1cd"
)

var (
	// ErrLimit says that a pack is over one of its Limits; the text names it.
	ErrLimit = errors.New("over a limit")
	// ErrMalformed says that a pack, or an object, is such as Git does not make.
	ErrMalformed = errors.New("malformed")
	// ErrTorn says that a pack is not what was written: bytes of it were lost or changed on the way, or on the disk.
	ErrTorn = errors.New("torn")
	// ErrNoObject says that there is no such object in a pack.
	ErrNoObject = errors.New("no such object")
)

// Limits bound what a pack may hold. All are needed but Turn.
type Limits struct {
	ObjectBytes int64 // of one object, inflated; less than 4 GiB
	TotalBytes  int64 // of all objects, inflated
	Objects     int64
	// Turn is what packs share that are not to take much memory at the same time; nil: each is by itself.
	Turn *Turn
}

// ID is the id of an object.
type ID [sha1.Size]byte

// String is the id in hex.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID reads an id of 40 hex digits.
func ParseID(text string) (ID, error) {
	var id ID
	if len(text) != 2*len(id) {
		return id, fmt.Errorf("an id has %d hex digits", 2*len(id))
	}
	_, err := hex.Decode(id[:], []byte(text))
	return id, err
}

// Type is what an object is.
type Type uint8

// Types, as packs number them.
const (
	Commit Type = 1
	Tree   Type = 2
	Blob   Type = 3
	Tag    Type = 4

	offsetDelta Type = 6
	idDelta     Type = 7
)

// String is Git's word.
func (t Type) String() string {
	switch t {
	case Commit:
		return "commit"
	case Tree:
		return "tree"
	case Blob:
		return "blob"
	case Tag:
		return "tag"
	default:
		return "type " + strconv.Itoa(int(t))
	}
}

// maxChain is how many deltas may lie upon each other: as many as Git ever makes.
const maxChain = 4095

// header is what an object's id is made of before its content.
func header(t Type, size int64) []byte { return fmt.Appendf(nil, "%s %d\x00", t, size) }

// Hash is the id of an object.
func Hash(t Type, content []byte) ID {
	h := sha1.New()
	h.Write(header(t, int64(len(content))))
	h.Write(content)
	return ID(h.Sum(nil))
}

// hasher makes ids, and sees whether what it hashes was made to collide with something else.
type hasher struct{ hash.Hash }

func newHasher() hasher { return hasher{sha1cd.New()} }

func (h hasher) begin(t Type, size int64) {
	h.Reset()
	h.Write(header(t, size))
}

func (h hasher) id() (ID, error) {
	sum, collides := h.Hash.(sha1cd.CollisionResistantHash).CollisionResistantSum(nil)
	if collides {
		return ID{}, fmt.Errorf("%w: an object was made to have the id of another one (SHA-1 collision)", ErrMalformed)
	}
	return ID(sum), nil
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformed, fmt.Sprintf(format, args...))
}

func overLimit(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrLimit, fmt.Sprintf(format, args...))
}

func torn(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTorn, fmt.Sprintf(format, args...))
}
