package bench_test

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gowebpki/jcs"
	"github.com/oklog/ulid/v2"
	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/audittest/forge"
	"github.com/waxwing-io/waxwing/audit/verify"
)

// auditRecords is how many records are verified: a million, or WAXWING_BENCH_RECORDS.
func auditRecords() int {
	if n, err := strconv.Atoi(os.Getenv("WAXWING_BENCH_RECORDS")); err == nil && n > 0 {
		return n
	}
	return 1_000_000
}

// BenchmarkAuditVerify verifies a log of a million records, with key and anchor, on one core. Beside it the same files are read, hashed with SHA-256 and their records decoded with
// encoding/json into the same type, one after the other and nothing else: what no verifier that looks at the content can do without.
func BenchmarkAuditVerify(b *testing.B) {
	dir, n := b.TempDir(), auditRecords()
	l := bigLog(b, dir, n)
	old := runtime.GOMAXPROCS(1)
	defer runtime.GOMAXPROCS(old)

	began := spent(b)
	plainRead(b, dir)
	plain := spent(b) - began
	freshPeak(b)
	began, start := spent(b), time.Now()
	r, err := verify.Verify(b.Context(), []verify.Log{l}, verify.Options{})
	took, wall := spent(b)-began, time.Since(start)
	peak := peakMemory(b)
	if err != nil || r.Verdict != verify.OK {
		b.Fatal(err, r)
	}
	start = time.Now()
	proof, err := verify.Prove(l.Dir, 1, uint64(n/2), l.Key)
	made := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	start = time.Now()
	p, err := verify.VerifyProof(proof, l.Key)
	checked := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	report(b, fmt.Sprintf("audit log of %d records (%.0f MiB), CPU time, on one core", n, float64(size(b, dir))/(1<<20)),
		row{"seal audit verify", "read, SHA-256 and encoding/json alone", took, plain})
	fmt.Printf("  %-32s %10.0f   records/s, %.0f MiB of memory at the peak; %s on the clock of this machine, busy as it was\n", "", float64(n)/took.Seconds(), peak, round(wall))
	fmt.Printf("  %-32s %10s   verified in %s, %d bytes beside a record of %d\n", "a proof", round(made), round(checked), len(proof)-(len(p.Raw)+2)/3*4, len(p.Raw))
}

// bigLog writes the log and says what is known of it.
func bigLog(b *testing.B, dir string, n int) verify.Log {
	b.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		b.Fatal(err)
	}
	checkpoint, err := forge.Write(audittest.Origin, 1, key, auditLines(b, n), forge.Under(1, func(name string, raw []byte) error {
		path := filepath.Join(dir, name)
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, raw, 0o600))
	}))
	if err != nil {
		b.Fatal(err)
	}
	vkey, err := note.NewEd25519VerifierKey(audittest.Origin, key.Public().(ed25519.PublicKey))
	if err != nil {
		b.Fatal(err)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = root.Close() })
	return verify.Log{Name: dir, Dir: root.FS(), Key: vkey, Anchors: []audit.Anchor{{Origin: audittest.Origin, Key: vkey, Part: 1, Checkpoint: string(checkpoint)}}}
}

// auditLines gives a start and intents with their outcomes, as the controller writes them; 16 operations are under way at a time. Names and numbers are put into finished records, because
// encoding each takes longer than all else here.
func auditLines(b *testing.B, n int) iter.Seq[[]byte] {
	b.Helper()
	const at = 1_764_000_000_000
	encode := func(r audit.Record) []byte {
		r.Version, r.Time, r.Replica = audit.Version, time.UnixMilli(at).UTC(), "waxwing-controller-0"
		raw, err := json.Marshal(r)
		if err == nil {
			raw, err = jcs.Transform(raw)
		}
		if err != nil {
			b.Fatal(err)
		}
		return raw
	}
	id := func(n int) string { return ulid.MustNew(at+uint64(n), nil).String() }
	term := int64(7)
	key := audit.Key{Keyring: "default", ID: "3f2a91c0d7e85b64a1f09c3d2e7b8a56", Envelope: "01kb8zv3rg9m1x0q2s4t6v8w0y"}
	git := audit.Object{Kind: "GitSecret", Namespace: "prod", Name: "database-credentials", UID: "0e5f2c3a-7d1b-4c8e-9f60-1a2b3c4d5e6f", Generation: 3, ResourceVersion: "1048576"}
	secret := audit.Object{Kind: "Secret", Namespace: "prod", Name: "database-credentials", UID: "7a1b2c3d-4e5f-6a7b-8c9d-0e1f2a3b4c5d", ResourceVersion: "1048577"}
	start := encode(audit.Record{ID: id(0), Phase: audit.PhaseNote, Operation: &audit.Operation{Action: audit.ActionLogStarted}, Outcome: &audit.Outcome{OK: true}})
	began := encode(audit.Record{ID: id(1), Term: &term, Phase: audit.PhaseNote, Operation: &audit.Operation{Action: audit.ActionTermBegan, Term: &audit.Term{Number: term, Holder: "waxwing-controller-0"}}, Outcome: &audit.Outcome{OK: true}})
	intent := encode(audit.Record{ID: id(0), Term: &term, Phase: audit.PhaseIntent, Operation: &audit.Operation{Action: audit.ActionUnseal, Object: git, Keys: []audit.Key{key}, Items: []string{"password", "url", "user"},
		Actor: audit.Actor{User: "system:serviceaccount:flux-system:kustomize-controller", Manager: "kustomize-controller", Git: &audit.Git{Commit: "9b8e6c1d2f3a4b5c6d7e8f9a0b1c2d3e4f5a6b7c"}}}})
	outcome := encode(audit.Record{ID: id(0), Term: &term, Phase: audit.PhaseOutcome, Outcome: &audit.Outcome{OK: true, Reason: "Unsealed", Message: "Secret database-credentials holds 3 sealed items", Secret: &secret, Keys: []audit.Key{key}}})
	published := encode(audit.Record{ID: id(0), Term: &term, Phase: audit.PhaseNote, Operation: &audit.Operation{Action: audit.ActionPublish}, Outcome: &audit.Outcome{OK: true}})
	// The id is the first member of each.
	with := func(line []byte, n int) []byte {
		copy(line[len(`{"id":"`):], id(n))
		return line
	}
	return func(yield func([]byte) bool) {
		const open = 16
		ok := yield(start) && yield(began)
		at := 2
		for ; ok && at+2*open <= n; at += 2 * open {
			for k := 0; ok && k < 2*open; k++ {
				line := intent
				if k >= open {
					line = outcome
				}
				ok = yield(with(line, at+k%open))
			}
		}
		for ; ok && at < n; at++ {
			ok = yield(with(published, at))
		}
	}
}

// plainRead is the baseline.
func plainRead(b *testing.B, dir string) {
	b.Helper()
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		h.Write(raw)
		if !strings.Contains(path, "/entries/") {
			return nil
		}
		for len(raw) > 0 {
			end := 2 + int(binary.BigEndian.Uint16(raw))
			var r audit.Record
			if err := json.Unmarshal(raw[2:end], &r); err != nil {
				return err
			}
			raw = raw[end:]
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
}

// spent is the CPU time of this process so far: other than a clock it does not count what other processes do.
func spent(b *testing.B) time.Duration {
	b.Helper()
	d, _, _ := cpu(os.Getpid())
	return d
}

func size(b *testing.B, dir string) (n int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		n += info.Size()
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// freshPeak has the kernel forget the greatest size that this process had.
func freshPeak(b *testing.B) {
	b.Helper()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0o600); err != nil {
		b.Fatal(err)
	}
}

// peakMemory is the greatest resident size of the process since then, in MiB.
func peakMemory(b *testing.B) float64 {
	b.Helper()
	raw, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "VmHWM:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}
