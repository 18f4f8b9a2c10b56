package bench_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
)

// auditFor is how long each side writes with each number of writers.
const auditFor = 5 * time.Second

// BenchmarkAuditLog has writers that each wait for their own record, in the audit log and in a plain file of lines with one fsync a record on the same disk. The log's
// records are in a signed journal then, with one fdatasync for the writers that wait at the same time; they come into the Merkle tree meanwhile, which takes six fsyncs a batch.
func BenchmarkAuditLog(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		dir := b.TempDir()
		ours, size := auditLog(b, dir, writers)
		theirs := plainFile(b, dir, writers, size)
		report(b, fmt.Sprintf("durable records of %d bytes, %d writers: the audit log %.0f/s, a plain file %.0f/s", size, writers, ours.perSecond(), theirs.perSecond()),
			row{"a record", "a line and an fsync", ours.each(), theirs.each()},
			row{"until it is durable, p50", "p50", ours.quantile(50), theirs.quantile(50)},
			row{"until it is durable, p99", "p99", ours.quantile(99), theirs.quantile(99)})
	}
}

// latencies are those of all records that a side has made durable in some time.
type latencies struct {
	all  []time.Duration
	took time.Duration
}

func (l latencies) perSecond() float64                 { return float64(len(l.all)) / l.took.Seconds() }
func (l latencies) each() time.Duration                { return l.took / time.Duration(len(l.all)) }
func (l latencies) quantile(percent int) time.Duration { return l.all[len(l.all)*percent/100] }

// latenciesOf has writers call write for auditFor.
func latenciesOf(b *testing.B, writers int, write func(context.Context) error) latencies {
	b.Helper()
	each := make([][]time.Duration, writers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range writers {
		wg.Go(func() {
			for time.Since(start) < auditFor {
				at := time.Now()
				if err := write(b.Context()); err != nil {
					b.Error(err)
					return
				}
				each[i] = append(each[i], time.Since(at))
			}
		})
	}
	wg.Wait()
	l := latencies{all: slices.Concat(each...), took: time.Since(start)}
	if len(l.all) == 0 {
		b.Fatal("nothing was written")
	}
	slices.Sort(l.all)
	return l
}

// auditLog gives the size of a record, too.
func auditLog(b *testing.B, dir string, writers int) (latencies, int) {
	b.Helper()
	op := audit.Operation{
		Action: audit.ActionUnseal, Object: audit.Object{Kind: "GitSecret", Namespace: "prod", Name: "db", UID: "0b0c9d9e-4a58-4a5e-9d0f-5f0f3f7d2a11", Generation: 3},
		Keys:  []audit.Key{{Keyring: "default", ID: "3f2a77aa3f2a77aa3f2a77aa3f2a77aa", Envelope: "01kb8zv3rg9m1x0q2s4t6v8w0y"}},
		Items: []string{"password", "user", "host", "port", "ca.crt"}, Actor: audit.Actor{User: audit.Unattributed, Manager: "kustomize-controller"},
	}
	log := audittest.Open(b, filepath.Join(dir, "audit"))
	if _, err := log.Intent(b.Context(), op); err != nil {
		b.Fatal(err)
	}
	l := latenciesOf(b, writers, func(ctx context.Context) error {
		_, err := log.Intent(ctx, op)
		return err
	})
	if err := log.Close(); err != nil {
		b.Fatal(err)
	}
	bundle, err := os.Stat(filepath.Join(dir, "audit", "0001", "tile", "entries", "000"))
	if err != nil {
		b.Fatal(err)
	}
	return l, int(bundle.Size() / 256)
}

func plainFile(b *testing.B, dir string, writers, size int) latencies {
	b.Helper()
	f, err := os.Create(filepath.Join(dir, "plain"))
	if err != nil {
		b.Fatal(err)
	}
	line := append(make([]byte, size-1), '\n')
	var mu sync.Mutex
	l := latenciesOf(b, writers, func(context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if _, err := f.Write(line); err != nil {
			return err
		}
		return f.Sync()
	})
	if err := f.Close(); err != nil {
		b.Fatal(err)
	}
	return l
}
