package desired

import (
	"sync/atomic"

	"github.com/waxwing-io/waxwing/manifest"
)

// Parses are how many texts were parsed, and how many at a time at the most.
type Parses struct{ All, Most, now atomic.Int64 }

// Count has n count what is parsed from now on.
func (c *Cache) Count(n *Parses) {
	c.parse = func(name string, text []byte) (*manifest.File, error) {
		n.All.Add(1)
		now := n.now.Add(1)
		defer n.now.Add(-1)
		for most := n.Most.Load(); now > most && !n.Most.CompareAndSwap(most, now); most = n.Most.Load() {
		}
		return manifest.Parse(name, text)
	}
}

// Kept are how many contents are known, and what they weigh.
func (c *Cache) Kept() (contents, weight int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, found := range c.known {
		if !found.over {
			weight += found.weight
		}
	}
	return len(c.known), weight
}
