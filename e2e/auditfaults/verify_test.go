//go:build linux && (amd64 || arm64)

package auditfaults_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/transparency-dev/tessera/api/layout"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/tiles"
)

// verifies computes the root of each part from its records and holds it against the part's checkpoint.
func verifies(t *testing.T, dir string) {
	t.Helper()
	parts, err := filepath.Glob(filepath.Join(dir, "[0-9][0-9][0-9][0-9]"))
	if err != nil || len(parts) == 0 {
		t.Errorf("no part of a log: %v", err)
	}
	for i, part := range parts {
		if err := verifyPart(part, i+1); err != nil {
			t.Errorf("part %d does not verify: %v", i+1, err)
		}
	}
}

func verifyPart(dir string, part int) error {
	raw, err := os.ReadFile(filepath.Join(dir, "checkpoint"))
	if err != nil {
		return err
	}
	key, err := note.NewEd25519VerifierKey(tiles.PartOrigin(audittest.Origin, part), logKey().Public().(ed25519.PublicKey))
	if err != nil {
		return err
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	signed, err := note.Open(raw, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	var origin, root string
	var size uint64
	if _, err := fmt.Sscanf(signed.Text, "%s\n%d\n%s\n", &origin, &size, &root); err != nil {
		return err
	}
	if size == 0 {
		return errors.New("its checkpoint is empty")
	}
	computed, err := computedRoot(dir, size)
	if err != nil {
		return err
	}
	if got := base64.StdEncoding.EncodeToString(computed[:]); origin != verifier.Name() || got != root {
		return fmt.Errorf("the checkpoint %q, but the records have the root %s", signed.Text, got)
	}
	return nil
}

// computedRoot is the root of the first size entries as the bundles hold them.
func computedRoot(dir string, size uint64) (tlog.Hash, error) {
	var hashes memoryHashes
	for at := uint64(0); at < size; {
		n := min(layout.EntryBundleWidth, size-at)
		b, err := os.ReadFile(filepath.Join(dir, layout.EntriesPath(at/layout.EntryBundleWidth, uint8(n%layout.EntryBundleWidth))))
		if err != nil {
			return tlog.Hash{}, err
		}
		entries := bytes.NewBuffer(b)
		for range n {
			length := entries.Next(2)
			if len(length) < 2 {
				return tlog.Hash{}, errors.New("a bundle is too short")
			}
			stored, err := tlog.StoredHashes(int64(at), entries.Next(int(binary.BigEndian.Uint16(length))), hashes)
			if err != nil {
				return tlog.Hash{}, err
			}
			hashes, at = append(hashes, stored...), at+1
		}
	}
	return tlog.TreeHash(int64(size), hashes)
}

// memoryHashes is a tlog.HashReader.
type memoryHashes []tlog.Hash

func (m memoryHashes) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	read := make([]tlog.Hash, len(indexes))
	for i, at := range indexes {
		if at >= int64(len(m)) {
			return nil, fmt.Errorf("hash %d of %d", at, len(m))
		}
		read[i] = m[at]
	}
	return read, nil
}
