package verify_test

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/verify"
)

func TestAProofOfEveryRecord(t *testing.T) {
	key := audittest.Key(t)
	k := vkey(t, audittest.Origin, key)
	all := raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 300))...)
	for _, size := range []int{1, 2, 3, 7, 255, 256, 257, 512, 513, 601} {
		log := files{}
		forged(t, audittest.Origin, 1, key, all[:size], log)
		for index := range size {
			if size > 20 && index%37 != 0 && index != size-1 {
				continue
			}
			file, err := verify.Prove(log.dir(), 1, uint64(index), k)
			if err != nil {
				t.Fatalf("%d of %d: %v", index, size, err)
			}
			p, err := verify.VerifyProof(file, k)
			if err != nil {
				t.Fatalf("%d of %d: %v\n%s", index, size, err, file)
			}
			if diff := cmp.Diff([]any{audittest.Origin, 1, uint64(index), uint64(size), string(all[index])}, []any{p.Origin, p.Part, p.Index, p.Size, string(p.Raw)}); diff != "" {
				t.Error(diff)
			}
			if over := len(file) - base64.StdEncoding.EncodedLen(len(all[index])); over > 2<<10 {
				t.Errorf("%d bytes beside the record", over)
			}
		}
		if _, err := verify.Prove(log.dir(), 1, uint64(size), k); err == nil {
			t.Errorf("a proof of record %d of %d", size, size)
		}
	}
}

// TestNoByteOfAProofCanBeChanged changes every byte of a proof file in every bit.
func TestNoByteOfAProofCanBeChanged(t *testing.T) {
	key, log := audittest.Key(t), files{}
	k := vkey(t, audittest.Origin, key)
	forged(t, audittest.Origin, 1, key, raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 300))...), log)
	file, err := verify.Prove(log.dir(), 1, 300, k)
	must(t, err)
	if _, err := verify.VerifyProof(file, k); err != nil {
		t.Fatal(err)
	}
	for i := range file {
		for bit := range 8 {
			changed := slices.Clone(file)
			changed[i] ^= 1 << bit
			if _, err := verify.VerifyProof(changed, k); err == nil {
				t.Errorf("byte %d as %q: verified", i, changed[i])
			}
		}
		if _, err := verify.VerifyProof(slices.Delete(slices.Clone(file), i, i+1), k); err == nil {
			t.Errorf("without byte %d: verified", i)
		}
		if _, err := verify.VerifyProof(slices.Insert(slices.Clone(file), i, file[i]), k); err == nil {
			t.Errorf("byte %d twice: verified", i)
		}
	}
}

func TestProofsThatProveNothing(t *testing.T) {
	key, log := audittest.Key(t), files{}
	k := vkey(t, audittest.Origin, key)
	all := raws(t, slices.Concat([]audit.Record{ofLog(0, audit.ActionLogStarted, 1, "")}, many(1, 3))...)
	forged(t, audittest.Origin, 1, key, all, log)
	good, err := verify.Prove(log.dir(), 1, 3, k)
	must(t, err)
	tampered := log.clone()
	tampered["0001/tile/entries/000.p/7"] = bytes.Replace(tampered["0001/tile/entries/000.p/7"], []byte("db-1"), []byte("db-9"), 1)
	for name, f := range map[string]func() error{
		"of another log": func() error { _, err := verify.VerifyProof(good, vkey(t, "other/log", key)); return err },
		"signed by another key": func() error {
			_, err := verify.VerifyProof(good, vkey(t, audittest.Origin, audittest.Key(t)))
			return err
		},
		"with a key that is none": func() error { _, err := verify.VerifyProof(good, "x"); return err },
		"without the record": func() error {
			_, err := verify.VerifyProof([]byte(strings.Join(slices.Delete(strings.SplitAfter(string(good), "\n"), 1, 2), "")), k)
			return err
		},
		"an endless file": func() error {
			_, err := verify.VerifyProof(bytes.Repeat([]byte("a\n"), verify.MaxProof), k)
			return err
		},
		"of a record that was altered": func() error { _, err := verify.Prove(tampered.dir(), 1, 1, k); return err },
		"of a part that is not there":  func() error { _, err := verify.Prove(log.dir(), 2, 1, k); return err },
		"of a log whose key is another": func() error {
			_, err := verify.Prove(log.dir(), 1, 1, vkey(t, audittest.Origin, audittest.Key(t)))
			return err
		},
		"of an index that is no int64": func() error { _, err := verify.Prove(log.dir(), 1, 1<<63, k); return err },
		"of a part that is called otherwise": func() error {
			l := log.clone()
			rename(l, "0001/", "0002/")
			_, err := verify.Prove(l.dir(), 2, 1, k)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := f(); err == nil {
				t.Error("no error")
			}
		})
	}
}
