package source

import (
	"cmp"
	"math"
	"time"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

const (
	mib = 1 << 20

	// firstDepth is how many commits the first fetch gets: enough to know most rewritten branches for what they are. Where that is too large, it is one.
	firstDepth = 50
	// deeper is by how much more history is asked for while it is not known how two commits stand to each other.
	deeper = 10
	// manyPacks is how many packs a cache may have before the small ones become one; maxPacks is how many before it is made anew.
	manyPacks = 8
	maxPacks  = 48
	// maxPath and maxPaths bound the bytes of one path, and of all the paths of a tree.
	maxPath  = 4096
	maxPaths = 32 * mib
	// maxCommit is how large a commit or tag object may be.
	maxCommit = mib
	// maxAdvertised bounds what a server says about its branches and tags.
	maxAdvertised = 16 * mib
)

// withDefaults fills in what is not set.
func (l Limits) withDefaults() Limits {
	return Limits{
		PackBytes:   cmp.Or(l.PackBytes, 256*mib),
		ObjectBytes: min(cmp.Or(l.ObjectBytes, 32*mib), math.MaxUint32),
		TotalBytes:  cmp.Or(l.TotalBytes, 2048*mib),
		Objects:     cmp.Or(l.Objects, 2_000_000),
		CacheBytes:  cmp.Or(l.CacheBytes, 1024*mib),
		Files:       cmp.Or(l.Files, 100_000),
		FileBytes:   cmp.Or(l.FileBytes, mib),
		PathDepth:   cmp.Or(l.PathDepth, 32),
		Depth:       cmp.Or(l.Depth, 5000),
		Timeout:     cmp.Or(l.Timeout, 2*time.Minute),
		Turn:        l.Turn,
	}
}

func (l Limits) pack() pack.Limits {
	return pack.Limits{ObjectBytes: l.ObjectBytes, TotalBytes: l.TotalBytes, Objects: l.Objects, Turn: l.Turn}
}
