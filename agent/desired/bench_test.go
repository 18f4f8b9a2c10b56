package desired_test

import (
	"fmt"
	"testing"

	"github.com/waxwing-io/waxwing/agent/desired"
)

// BenchmarkRead reads a commit of 10,000 files: all of them, one that has changed, and none.
func BenchmarkRead(b *testing.B) {
	s := newSealer(b)
	c := newCommit()
	for i := range 10_000 {
		c.with(fmt.Sprintf("apps/%05d.yaml", i), s.yaml("prod", fmt.Sprint("s", i)))
	}
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if set := c.set(b, "apps", desired.NewCache(desired.Limits{})); len(set.Objects) != 10_000 {
				b.Fatalf("%d objects", len(set.Objects))
			}
		}
	})
	cache := desired.NewCache(desired.Limits{})
	c.set(b, "apps", cache)
	b.Run("one", func(b *testing.B) {
		for b.Loop() {
			b.StopTimer()
			next := newCommit().with("apps/00007.yaml", s.yaml("prod", "s7"))
			c.blobs[next.files[0].Blob] = next.blobs[next.files[0].Blob]
			c.files[7] = next.files[0]
			b.StartTimer()
			if set := c.set(b, "apps", cache); len(set.Objects) != 10_000 {
				b.Fatalf("%d objects", len(set.Objects))
			}
		}
	})
	b.Run("none", func(b *testing.B) {
		for b.Loop() {
			c.set(b, "apps", cache)
		}
	})
}
