package verify

import (
	"bytes"
	"crypto/ed25519"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/gowebpki/jcs"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// fuzzKey is a fixed key with which the fuzzers' checkpoints are signed, so that hostile sizes and roots get behind the signature.
func fuzzKey(t testing.TB) (vkey string, sign func(text string) []byte) {
	t.Helper()
	priv := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	vkey, err := note.NewEd25519VerifierKey("fuzz/log", priv.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return vkey, func(text string) []byte {
		name, _, _ := strings.Cut(text, "\n")
		n, err := note.Sign(&note.Note{Text: text}, fuzzSigner{name, priv})
		if err != nil {
			return nil
		}
		return n
	}
}

// fuzzSigner signs under any name.
type fuzzSigner struct {
	name string
	key  ed25519.PrivateKey
}

func (s fuzzSigner) Name() string { return s.name }

func (s fuzzSigner) KeyHash() uint32 {
	k, err := note.NewEd25519VerifierKey(s.name, s.key.Public().(ed25519.PublicKey))
	if err != nil {
		return 0
	}
	v, err := note.NewVerifier(k)
	if err != nil {
		return 0
	}
	return v.KeyHash()
}

func (s fuzzSigner) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

const fuzzRecord = `{"id":"01KB8ZV3RG9M1X0Q2S4T6V8W0Y","operation":{"action":"log.started","actor":{"user":"unattributed"},"object":{}},"outcome":{"ok":true},"phase":"note","time":"2026-11-23T02:22:00Z","v":1}`

// FuzzProof gives hostile proofs to the verifier, under a checkpoint that is truly signed: a proof that is accepted is the one form of a record at its index.
func FuzzProof(f *testing.F) {
	vkey, sign := fuzzKey(f)
	leaf := tlog.RecordHash([]byte(fuzzRecord))
	text := func(size uint64, root tlog.Hash) string { return fmt.Sprintf("fuzz/log/0001\n%d\n%s\n", size, root) }
	f.Add(string(writeProof(0, []byte(fuzzRecord), nil, nil)), text(1, leaf))
	f.Add(string(writeProof(1, []byte(fuzzRecord), tlog.RecordProof{leaf}, nil)), text(2, tlog.NodeHash(leaf, leaf)))
	f.Add(string(writeProof(1<<47, []byte(fuzzRecord), make(tlog.RecordProof, 48), nil)), text(1<<48, leaf))
	f.Add(string(writeProof(0, nil, nil, nil)), text(0, tlog.Hash{}))
	f.Fuzz(func(t *testing.T, proof, text string) {
		signed := sign(text)
		file := append([]byte(proof), signed...)
		p, err := VerifyProof(file, vkey)
		if err != nil {
			return
		}
		q, hashes, checkpoint, err := parseProof(file)
		if err != nil || !bytes.Equal(writeProof(p.Index, p.Raw, hashes, checkpoint), file) || q.Index != p.Index || p.Index >= p.Size {
			t.Errorf("accepted in two forms: %v\n%s", err, file)
		}
	})
}

// FuzzCheckpoint gives hostile checkpoints to the parser: what it accepts it would write the same way, and no other bytes pass the check of the signature.
func FuzzCheckpoint(f *testing.F) {
	vkey, sign := fuzzKey(f)
	f.Add(sign(fmt.Sprintf("fuzz/log/0001\n1\n%s\n", tlog.Hash{})))
	f.Add(sign(fmt.Sprintf("fuzz/log/0001\n%d\n%s\n", uint64(1)<<48, tlog.Hash{})))
	f.Add([]byte("fuzz/log/0001\n18446744073709551615\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n— fuzz/log/0001 AAAA\n"))
	f.Fuzz(func(t *testing.T, signed []byte) {
		c, err := ParseCheckpoint(signed)
		if err != nil {
			return
		}
		text := fmt.Sprintf("%s\n%d\n%s\n", c.Origin, c.Size, c.Root)
		if !bytes.HasPrefix(signed, []byte(text+"\n")) {
			t.Errorf("%q was read as %q", signed, text)
		}
		if o, err := OpenCheckpoint(signed, vkey); err == nil && !o.Cosigned && !bytes.Equal(signed, sign(text)) {
			t.Errorf("a signature in two forms: %q", signed)
		}
	})
}

// FuzzBundle gives hostile entry bundles to the reader of a log and to the verifier. Their memory is bounded by the bundle's own length.
func FuzzBundle(f *testing.F) {
	vkey, sign := fuzzKey(f)
	one := append(binary.BigEndian.AppendUint16(nil, uint16(len(fuzzRecord))), fuzzRecord...)
	f.Add(one, uint64(1))
	f.Add(append(one, one...), uint64(2))
	f.Add(one, uint64(1)<<48)
	f.Add([]byte{0xff, 0xff, 0}, uint64(1))
	f.Fuzz(func(t *testing.T, bundle []byte, size uint64) {
		m := fstest.MapFS{
			"0001/checkpoint":       {Data: sign(fmt.Sprintf("fuzz/log/0001\n%d\n%s\n", size, tlog.RecordHash(bundle)))},
			"0001/tile/entries/000": {Data: bundle},
			"0001/tile/0/000":       {Data: bundle},
		}
		if n := size % width; size/width == 0 {
			m[fmt.Sprintf("0001/tile/entries/000.p/%d", n)] = m["0001/tile/entries/000"]
		}
		r, err := Verify(t.Context(), []Log{{Name: "log", Dir: m, Key: vkey}}, Options{})
		if err == nil && r.Verdict != Altered && size > 0 {
			t.Errorf("%s: %v", r.Verdict, r.Findings)
		}
		for e, err := range Entries(m, Position{}) {
			if err != nil {
				break
			}
			if _, err := Prove(m, 1, e.Index, vkey); err == nil {
				t.Error("a proof under a wrong root")
			}
		}
		ends, err := split(bundle, width, true, nil)
		if err == nil && (len(ends) != width || ends[width-1] != len(bundle)) {
			t.Errorf("%d bytes were split into %v", len(bundle), ends)
		}
	})
}

// FuzzRecord holds the quick check of a record's form to package jcs: what it takes for RFC 8785 is what jcs would write.
func FuzzRecord(f *testing.F) {
	for _, s := range []string{
		fuzzRecord, `{}`, `[]`, `""`, `{"a":1,"b":[true,false,null,-1,0,"\"\\\b\f\n\r\t"]}`, `{"b":1,"a":2}`, `{"a":1,"a":2}`, `{"":1}`, `{"a":-0}`, `{"a":01}`, `{"a":1.0}`, `{"a":1e3}`,
		`{"a":999999999999999}`, `{"a":9007199254740993}`, `"grün"`, "\"\xff\"", `"\u0001"`, `"\/"`, `{"a" :1}`, `{"a":1}x`, "\"\x7f\"", `{"grün":1}`, "\"\u2028\"", `{"aa":1,"a":2}`, `{"A":1,"a":2}`,
		strings.Repeat("[", 100) + strings.Repeat("]", 100),
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := jcs.Transform(b)
		same := err == nil && bytes.Equal(again, b)
		if canonical(b) && !same {
			t.Errorf("%q is no RFC 8785: %q, %v", b, again, err)
		}
		if _, err := checkForm(b); err == nil && !same {
			t.Errorf("%q was taken for a record", b)
		}
	})
}
