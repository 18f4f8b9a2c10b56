package verify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
)

// maxCheckpoint is the greatest length of a checkpoint in bytes: one with room for cosignatures of witnesses.
const maxCheckpoint = 16 << 10

// algEd25519 is the type byte of Ed25519 in verifier keys (C2SP signed-note).
const algEd25519 = 1

// Checkpoint is what a log has signed about itself.
type Checkpoint struct {
	// Origin is that of a part: CLUSTER/REPLICA/NNNN.
	Origin string
	Size   uint64
	Root   tlog.Hash
	// Cosigned says that there are signatures of others, which nothing here has checked.
	Cosigned bool
}

// ParseCheckpoint reads a checkpoint without checking signatures. Extension lines, which Waxwing does not write, are refused.
func ParseCheckpoint(signed []byte) (Checkpoint, error) {
	if len(signed) > maxCheckpoint {
		return Checkpoint{}, fmt.Errorf("a checkpoint of more than %d bytes", maxCheckpoint)
	}
	text, _, ok := bytes.Cut(signed, []byte("\n\n"))
	if !ok {
		return Checkpoint{}, errors.New("not a signed checkpoint")
	}
	return parseBody(string(text) + "\n")
}

func parseBody(text string) (Checkpoint, error) {
	lines := strings.Split(text, "\n")
	if len(lines) != 4 || lines[3] != "" {
		return Checkpoint{}, errors.New("a checkpoint has three lines: origin, size and root hash")
	}
	size, err := decimal(lines[1])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the size in the checkpoint: %w", err)
	}
	root, err := parseHash(lines[2])
	if err != nil {
		return Checkpoint{}, fmt.Errorf("the root hash in the checkpoint: %w", err)
	}
	if _, _, ok := splitOrigin(lines[0]); !ok {
		return Checkpoint{}, fmt.Errorf("origin %q: want CLUSTER/REPLICA and a part's number", cut(lines[0], 100))
	}
	return Checkpoint{Origin: lines[0], Size: size, Root: root}, nil
}

// maxSize keeps hash indexes of package tlog, which are int64, from overflowing.
const maxSize = 1 << 48

// decimal reads a number that has one form.
func decimal(s string) (uint64, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("%q is not a decimal number", cut(s, 40))
	}
	if n > maxSize {
		return 0, fmt.Errorf("%d is more than any log holds", n)
	}
	return n, nil
}

func parseHash(s string) (h tlog.Hash, err error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != tlog.HashSize || strings.ContainsAny(s, "\r\n") {
		return h, fmt.Errorf("%q is not a hash in base64", cut(s, 60))
	}
	return tlog.Hash(b), nil
}

// splitOrigin takes a part's origin apart.
func splitOrigin(origin string) (log string, part int, ok bool) {
	i := strings.LastIndexByte(origin, '/')
	if i <= 0 {
		return "", 0, false
	}
	part, err := strconv.Atoi(origin[i+1:])
	if err != nil || part < 1 || audit.PartDir(part) != origin[i+1:] {
		return "", 0, false
	}
	return origin[:i], part, true
}

// OpenCheckpoint checks that a part of the log with this key has signed the checkpoint, and reads it. key is a verifier key (C2SP signed-note, as vkey) with the name CLUSTER/REPLICA;
// each part has the same public key under a name of its own.
func OpenCheckpoint(signed []byte, key string) (Checkpoint, error) {
	c, err := ParseCheckpoint(signed)
	if err != nil {
		return Checkpoint{}, err
	}
	name, pub, err := parseKey(key)
	if err != nil {
		return Checkpoint{}, err
	}
	log, part, _ := splitOrigin(c.Origin)
	if log != name {
		return Checkpoint{}, fmt.Errorf("the checkpoint is of %q, the key of %q", cut(c.Origin, 300), name)
	}
	vkey, err := partKey(name, pub, part)
	if err != nil {
		return Checkpoint{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return Checkpoint{}, err
	}
	n, err := note.Open(signed, note.VerifierList(verifier))
	if err != nil {
		return Checkpoint{}, fmt.Errorf("no good signature of %s on it: %w", c.Origin, err)
	}
	// One form only, so that every change of a byte shows: base64 has loose bits at its end, and package note drops doubles.
	again := n.Text + "\n"
	for _, line := range strings.SplitAfter(string(signed[len(again):]), "\n") {
		if _, err := base64.StdEncoding.Strict().DecodeString(strings.TrimSuffix(line[strings.LastIndexByte(line, ' ')+1:], "\n")); err != nil {
			return Checkpoint{}, errors.New("a signature is not in strict base64")
		}
	}
	if bytes.Count(signed[len(again):], []byte("\n")) != len(n.Sigs)+len(n.UnverifiedSigs) {
		return Checkpoint{}, errors.New("a signature stands there twice")
	}
	c.Cosigned = len(n.UnverifiedSigs) > 0
	return c, nil
}

// PartKey gives the verifier key of one part, for programs that know nothing of parts: its name is the part's origin.
func PartKey(key string, part int) (string, error) {
	name, pub, err := parseKey(key)
	if err != nil {
		return "", err
	}
	return partKey(name, pub, part)
}

func partKey(name string, pub ed25519.PublicKey, part int) (string, error) {
	return note.NewEd25519VerifierKey(name+"/"+audit.PartDir(part), pub)
}

// parseKey takes an Ed25519 verifier key apart.
func parseKey(key string) (name string, pub ed25519.PublicKey, err error) {
	v, err := note.NewVerifier(key)
	if err != nil {
		return "", nil, fmt.Errorf("not a verifier key, which is NAME+HASH+KEY: %w", err)
	}
	_, rest, _ := strings.Cut(key, "+")
	_, b64, _ := strings.Cut(rest, "+")
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) != 1+ed25519.PublicKeySize || raw[0] != algEd25519 {
		return "", nil, errors.New("not an Ed25519 verifier key")
	}
	return v.Name(), ed25519.PublicKey(raw[1:]), nil
}
