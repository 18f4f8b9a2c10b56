// Package journal is the format of the file in which a part of an audit log keeps the records that are durable and not in its tree yet.
//
// The file is a chain of frames, each with some records and a signature of the log's key: whoever can write to the volume has no records signed that the log has not taken. The first
// frame has no records, and says from which tree on the journal goes. Package audit/tiles writes it, anybody may read it.
package journal

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/audit"
)

// Name is that of the file in the folder of a part.
const Name = "journal"

// MaxSize is more than any journal has, in bytes.
const MaxSize = 16 << 20

// A frame is: magic, length of its records (4 bytes), base (8), hash of the frame before (32), signature (64), records. A record is its length (2) and its bytes, as in a tile's
// entry bundle. Numbers are big-endian.
const (
	magic     = "\x00wxjrnl\x01" // which no record holds, because JSON has no such bytes
	lengthAt  = len(magic)
	baseAt    = lengthAt + 4
	beforeAt  = baseAt + 8
	signAt    = beforeAt + sha256.Size
	recordsAt = signAt + ed25519.SignatureSize
)

// options are Ed25519ph's (RFC 8032) with a context of our own: no signature of a frame is one of a checkpoint, which is plain Ed25519, or the other way round.
func options() *ed25519.Options {
	return &ed25519.Options{Hash: crypto.SHA512, Context: "waxwing.io/audit/journal/1"}
}

// digest is what is signed: the part's origin, the base, the hash of the frame before, the records.
func digest(origin string, frame []byte) []byte {
	h := sha512.New()
	var length [4]byte
	binary.BigEndian.PutUint32(length[:], uint32(len(origin)))
	h.Write(length[:])
	h.Write([]byte(origin))
	h.Write(frame[baseAt:signAt])
	h.Write(frame[recordsAt:])
	return h.Sum(nil)
}

// Writer makes the frames of one journal, in their order.
type Writer struct {
	key    ed25519.PrivateKey
	origin string
	base   int64
	before [sha256.Size]byte
}

// NewWriter gives the Writer of a journal of the part with this origin, and its first frame. The journal goes on from a tree of base records that has this root.
func NewWriter(key ed25519.PrivateKey, origin string, base int64, root [sha256.Size]byte) (*Writer, []byte, error) {
	w := &Writer{key: key, origin: origin, base: base, before: root}
	first, _, err := w.Frame(nil)
	return w, first, err
}

// Frame gives the next frame, and the records as they are in it.
func (w *Writer) Frame(records [][]byte) (frame []byte, kept [][]byte, err error) {
	size := recordsAt
	for _, r := range records {
		if len(r) > audit.MaxRecord {
			return nil, nil, fmt.Errorf("a record of %d bytes is longer than %d", len(r), audit.MaxRecord)
		}
		size += 2 + len(r)
	}
	if size > MaxSize {
		return nil, nil, fmt.Errorf("%d bytes of records are more than a journal has room for", size)
	}
	frame = make([]byte, recordsAt, size)
	copy(frame, magic)
	binary.BigEndian.PutUint32(frame[lengthAt:], uint32(size-recordsAt))
	binary.BigEndian.PutUint64(frame[baseAt:], uint64(w.base))
	copy(frame[beforeAt:], w.before[:])
	for _, r := range records {
		frame = binary.BigEndian.AppendUint16(frame, uint16(len(r)))
		frame = append(frame, r...)
		kept = append(kept, frame[len(frame)-len(r):len(frame):len(frame)])
	}
	signature, err := w.key.Sign(nil, digest(w.origin, frame), options())
	if err != nil {
		return nil, nil, fmt.Errorf("signing records: %w", err)
	}
	copy(frame[signAt:], signature)
	w.before = sha256.Sum256(frame)
	return frame, kept, nil
}

// Journal is what a journal holds.
type Journal struct {
	// Base is the size of the tree that the journal goes on from, Root its root. Whatever has come into the tree from there on is in Records.
	Base int64
	Root [sha256.Size]byte
	// Records are in the order in which they were taken.
	Records [][]byte
	// Torn is how many bytes at the end are no whole frame: the process died while it wrote them, so that nobody was told that they are durable.
	Torn int
}

// maxTries bounds the signatures that are looked at behind a bad frame, maxTried the bytes that they are of.
const maxTries, maxTried = 1024, 2 * MaxSize

// Read reads the journal of the part with this origin. What is at its end and is no frame is cut off; it fails where there is a good frame behind a bad one, or one that does not go on
// from the one before. Without a key signatures are not looked at, and nothing is proved. The records are parts of b.
func Read(b []byte, public ed25519.PublicKey, origin string) (Journal, error) {
	j, rest, err := open(b, public, origin)
	if err != nil {
		return j, err
	}
	before := sha256.Sum256(b[:len(b)-len(rest)])
	for len(rest) > 0 {
		frame, ok := whole(rest, public, origin)
		if !ok {
			if goodBehind(rest[1:], public, origin) {
				return j, fmt.Errorf("its frame at byte %d was altered", len(b)-len(rest))
			}
			j.Torn = len(rest)
			break
		}
		if [sha256.Size]byte(frame[beforeAt:signAt]) != before {
			return j, fmt.Errorf("its frame at byte %d does not follow the one before", len(b)-len(rest))
		}
		records, ok := split(frame[recordsAt:])
		if !ok {
			return j, fmt.Errorf("its frame at byte %d does not hold records", len(b)-len(rest))
		}
		j.Records = append(j.Records, records...)
		before, rest = sha256.Sum256(frame), rest[len(frame):]
	}
	return j, nil
}

// open reads the first frame, which was there before the file had its name.
func open(b []byte, public ed25519.PublicKey, origin string) (Journal, []byte, error) {
	if len(b) > MaxSize {
		return Journal{}, nil, errors.New("it is longer than any that was written")
	}
	first, ok := whole(b, public, origin)
	if !ok || len(first) > recordsAt {
		return Journal{}, nil, errors.New("it does not begin as one that the log's key has signed for this part")
	}
	base := int64(binary.BigEndian.Uint64(first[baseAt:]))
	if base < 0 {
		return Journal{}, nil, errors.New("it goes on from no tree")
	}
	return Journal{Base: base, Root: [sha256.Size]byte(first[beforeAt:signAt])}, b[len(first):], nil
}

// whole gives the frame that b begins with, if there is one and it is signed.
func whole(b []byte, public ed25519.PublicKey, origin string) ([]byte, bool) {
	if len(b) < recordsAt || !bytes.HasPrefix(b, []byte(magic)) {
		return nil, false
	}
	length := binary.BigEndian.Uint32(b[lengthAt:])
	if uint64(length) > uint64(len(b)-recordsAt) {
		return nil, false
	}
	frame := b[: recordsAt+int(length) : recordsAt+int(length)]
	return frame, public == nil || ed25519.VerifyWithOptions(public, digest(origin, frame), frame[signAt:recordsAt], options()) == nil
}

// goodBehind says whether a frame begins anywhere in b. It gives up, with yes, where more than a torn one seems to.
func goodBehind(b []byte, public ed25519.PublicKey, origin string) bool {
	for tries, tried := 0, 0; ; tries++ {
		at := bytes.Index(b, []byte(magic))
		if at < 0 {
			return false
		}
		frame, ok := whole(b[at:], public, origin)
		if tried += len(frame); ok || tries >= maxTries || tried > maxTried {
			return true
		}
		b = b[at+1:]
	}
}

func split(b []byte) (records [][]byte, ok bool) {
	for len(b) > 0 {
		if len(b) < 2 || len(b) < 2+int(binary.BigEndian.Uint16(b)) {
			return nil, false
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		records, b = append(records, b[2:end:end]), b[end:]
	}
	return records, true
}

// Behind gives the records that are not among those of the tree, which are given from Base on, and says whether the tree's from there on are all of the journal's, as they have to be.
func (j Journal) Behind(tree [][]byte) (records [][]byte, ok bool) {
	in := make(map[string]int, len(tree))
	for _, r := range tree {
		in[string(r)]++
	}
	for _, r := range j.Records {
		if in[string(r)] > 0 {
			in[string(r)]--
		} else {
			records = append(records, r)
		}
	}
	return records, len(j.Records)-len(records) == len(tree)
}
