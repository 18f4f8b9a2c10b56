// Command tlogcheck verifies Waxwing's audit logs and proofs with public tools alone, and shares no code with Waxwing: Tessera's fsck reads a part of a log, and the transparency.dev packages
// formats and merkle read a proof file. It knows nothing of parts: the verifier key has the part's origin as its name.
//
//	tlogcheck log KEY DIR      verifies a part
//	tlogcheck proof KEY FILE   verifies a proof, and prints the record that it proves
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/formats/proof"
	inclusion "github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"github.com/transparency-dev/tessera/api"
	"github.com/transparency-dev/tessera/client"
	"github.com/transparency-dev/tessera/fsck"
	"golang.org/x/mod/sumdb/note"
	"k8s.io/klog/v2"
)

func main() {
	klog.LogToStderr(false)
	klog.SetOutput(io.Discard)
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tlogcheck:", err)
		os.Exit(1)
	}
}

func run(args []string) (err error) {
	// What fsck does not expect of a log makes it panic.
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("fsck panicked: %v", r)
		}
	}()
	if len(args) != 3 {
		return fmt.Errorf("want log KEY DIR or proof KEY FILE")
	}
	verifier, err := note.NewVerifier(args[1])
	if err != nil {
		return err
	}
	switch args[0] {
	case "log":
		return fsck.New(verifier.Name(), verifier, client.FileFetcher{Root: args[2]}, leafHashes, fsck.Opts{N: 1}).Check(context.Background())
	case "proof":
		return checkProof(verifier, args[2])
	}
	return fmt.Errorf("unknown command %q", args[0])
}

func leafHashes(bundle []byte) ([][]byte, error) {
	var b api.EntryBundle
	if err := b.UnmarshalText(bundle); err != nil {
		return nil, err
	}
	var hashes [][]byte
	for _, e := range b.Entries {
		hashes = append(hashes, rfc6962.DefaultHasher.HashLeaf(e))
	}
	return hashes, nil
}

func checkProof(verifier note.Verifier, file string) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p proof.TLogProof
	if err := p.Unmarshal(raw); err != nil {
		return err
	}
	checkpoint, _, _, err := log.ParseCheckpoint(p.Checkpoint, verifier.Name(), verifier)
	if err != nil {
		return err
	}
	var hashes [][]byte
	for _, h := range p.Hashes {
		hashes = append(hashes, h[:])
	}
	leaf := rfc6962.DefaultHasher.HashLeaf(p.ExtraData)
	if err := inclusion.VerifyInclusion(rfc6962.DefaultHasher, p.Index, checkpoint.Size, leaf, hashes, checkpoint.Hash); err != nil {
		return err
	}
	_, err = fmt.Printf("%s\n", p.ExtraData)
	return err
}
