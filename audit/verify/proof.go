package verify

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit"
)

// Proof is a record of which a signed checkpoint proves that it is in the log.
type Proof struct {
	// Origin is the log's: CLUSTER/REPLICA.
	Origin string
	Part   int
	Index  uint64
	// Size is that of the tree whose checkpoint the proof has.
	Size uint64
	// Raw is the record as it was logged, Record what it says.
	Raw    []byte
	Record audit.Record
}

const (
	proofHeader = "c2sp.org/tlog-proof@v1"
	// maxHashes is the length of the longest proof: a hash for each level.
	maxHashes = 63
	// MaxProof is the greatest length of a proof file in bytes. Ours have 2 KiB at most beside the record, in base64.
	MaxProof = audit.MaxRecord/3*4 + 4 + maxHashes*45 + maxCheckpoint + 256
)

// Prove writes a proof file (C2SP tlog-proof) for the record of that index, from 0, in a part of the log in dir, or in dir itself if that is one part. The record is in it as extra data.
// key is the log's verifier key; empty: the checkpoint's signature is not checked here, but by whoever reads the proof.
func Prove(dir fs.FS, part int, index uint64, key string) ([]byte, error) {
	at, err := openPart(dir, part)
	if err != nil {
		return nil, err
	}
	signed, err := readFile(at, "checkpoint", maxCheckpoint, nil)
	if err != nil {
		return nil, err
	}
	c, err := ParseCheckpoint(signed)
	if err == nil && key != "" {
		c, err = OpenCheckpoint(signed, key)
	}
	if err != nil {
		return nil, err
	}
	if _, n, _ := splitOrigin(c.Origin); n != part {
		return nil, fmt.Errorf("the checkpoint is of part %d, not %d", n, part)
	}
	if index >= c.Size {
		return nil, fmt.Errorf("part %d has records 0 to %d in its newest checkpoint: no record %d", part, int64(c.Size)-1, index)
	}
	raw, err := entry(at, index, c.Size)
	if err != nil {
		return nil, err
	}
	tree := tlog.Tree{N: int64(c.Size), Hash: c.Root}
	hashes, err := tlog.ProveRecord(tree.N, int64(index), tlog.TileHashReader(tree, tileReader{at}))
	if err != nil {
		return nil, fmt.Errorf("the tiles of part %d do not fit to its checkpoint: %w", part, err)
	}
	if err := tlog.CheckRecord(hashes, tree.N, tree.Hash, int64(index), tlog.RecordHash(raw)); err != nil {
		return nil, fmt.Errorf("record %d of part %d is not the one that was logged: %w", index, part, err)
	}
	return writeProof(index, raw, hashes, signed), nil
}

func writeProof(index uint64, raw []byte, hashes tlog.RecordProof, checkpoint []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(raw), index)
	for _, h := range hashes {
		fmt.Fprintln(&b, h)
	}
	b.WriteByte('\n')
	b.Write(checkpoint)
	return b.Bytes()
}

// VerifyProof verifies a proof file alone, with the log's verifier key. Any error says that the record is not proved.
func VerifyProof(file []byte, key string) (Proof, error) {
	p, hashes, signed, err := parseProof(file)
	if err != nil {
		return Proof{}, fmt.Errorf("reading the proof: %w", err)
	}
	c, err := OpenCheckpoint(signed, key)
	if err != nil {
		return Proof{}, fmt.Errorf("the checkpoint of the proof: %w", err)
	}
	if p.Index >= c.Size {
		return Proof{}, fmt.Errorf("record %d is not in a log of %d", p.Index, c.Size)
	}
	if err := tlog.CheckRecord(hashes, int64(c.Size), c.Root, int64(p.Index), tlog.RecordHash(p.Raw)); err != nil {
		return Proof{}, errors.New("the record is not the one that was logged at this index")
	}
	p.Size = c.Size
	p.Origin, p.Part, _ = splitOrigin(c.Origin)
	if p.Record, err = checkForm(p.Raw); err != nil {
		return Proof{}, fmt.Errorf("the record: %w", err)
	}
	return p, nil
}

// parseProof takes a file apart and checks its form, which is strict: what is read is what writeProof would write again.
func parseProof(file []byte) (p Proof, hashes tlog.RecordProof, checkpoint []byte, err error) {
	if len(file) > MaxProof {
		return p, nil, nil, fmt.Errorf("more than %d bytes", MaxProof)
	}
	head, checkpoint, ok := bytes.Cut(file, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	if !ok || lines[0] != proofHeader {
		return p, nil, nil, fmt.Errorf("not a proof file, which begins with %q", proofHeader)
	}
	if len(lines) < 3 || !strings.HasPrefix(lines[1], "extra ") || !strings.HasPrefix(lines[2], "index ") {
		return p, nil, nil, errors.New("the record (a line \"extra\") and its index belong in it")
	}
	if p.Raw, err = base64.StdEncoding.Strict().DecodeString(lines[1][len("extra "):]); err != nil || len(p.Raw) > audit.MaxRecord {
		return p, nil, nil, errors.New("the record is not base64 or too long")
	}
	if p.Index, err = decimal(lines[2][len("index "):]); err != nil {
		return p, nil, nil, fmt.Errorf("the index: %w", err)
	}
	if len(lines)-3 > maxHashes {
		return p, nil, nil, fmt.Errorf("more than %d hashes", maxHashes)
	}
	for _, line := range lines[3:] {
		h, err := parseHash(line)
		if err != nil {
			return p, nil, nil, err
		}
		hashes = append(hashes, h)
	}
	if !bytes.Equal(writeProof(p.Index, p.Raw, hashes, checkpoint), file) {
		return p, nil, nil, errors.New("not in the form that proofs have")
	}
	return p, hashes, checkpoint, nil
}
