package audit

import (
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// countingDisk counts the syncs of a real file.
type countingDisk struct {
	*os.File
	syncs atomic.Int64
}

func (d *countingDisk) Sync() error {
	d.syncs.Add(1)
	return d.File.Sync()
}

// BenchmarkIntent is the time until a record is durable, with writers that each wait for their own.
func BenchmarkIntent(b *testing.B) {
	for _, writers := range []int{1, 16, 64} {
		b.Run(fmt.Sprintf("writers=%d", writers), func(b *testing.B) {
			d := &countingDisk{}
			l, err := openFile(filepath.Join(b.TempDir(), "audit.log"), "waxwing-0", time.Now, rand.Reader, func(f *os.File) disk { d.File = f; return d })
			if err != nil {
				b.Fatal(err)
			}
			op := Operation{
				Action: ActionUnseal, Object: Object{Kind: "GitSecret", Namespace: "prod", Name: "db", UID: "0b0c9d9e-4a58-4a5e-9d0f-5f0f3f7d2a11", Generation: 3},
				Keys:  []Key{{Keyring: "default", ID: "3f2a77aa3f2a77aa3f2a77aa3f2a77aa", Envelope: "01kb8zv3rg9m1x0q2s4t6v8w0y"}},
				Items: []string{"password", "user", "host", "port", "ca.crt"}, Actor: "unattributed",
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			d.syncs.Store(0)
			b.ResetTimer()
			for range writers {
				wg.Go(func() {
					for next.Add(1) <= int64(b.N) {
						if _, err := l.Intent(b.Context(), op); err != nil {
							b.Error(err)
						}
					}
				})
			}
			wg.Wait()
			b.StopTimer()
			b.ReportMetric(float64(b.N)/float64(d.syncs.Load()), "records/fsync")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
			if err := l.Close(); err != nil {
				b.Fatal(err)
			}
		})
	}
}
