package verify

import (
	"encoding/binary"
	"fmt"
	"io/fs"

	"github.com/transparency-dev/tessera/api/layout"

	"github.com/waxwing-io/waxwing/audit"
)

// split cuts an entry bundle (C2SP tlog-tiles) into its first n records, without copying; ends[i] is where record i ends. Exact says that the bundle must have no more than them.
func split(b []byte, n int, exact bool, ends []int) ([]int, error) {
	ends = ends[:0]
	at := 0
	for i := range n {
		if len(b)-at < 2 || len(b)-at-2 < int(binary.BigEndian.Uint16(b[at:])) {
			return ends, fmt.Errorf("the entry bundle ends in record %d of %d", i, n)
		}
		at += 2 + int(binary.BigEndian.Uint16(b[at:]))
		ends = append(ends, at)
	}
	if exact && at != len(b) {
		return ends, fmt.Errorf("the entry bundle has %d bytes behind its last record", len(b)-at)
	}
	return ends, nil
}

// record gives record i of a bundle that was split.
func record(b []byte, ends []int, i int) []byte {
	start := 0
	if i > 0 {
		start = ends[i-1]
	}
	return b[start+2 : ends[i]]
}

// inBundle is how many records of a tree of that size the n-th bundle has.
func inBundle(n, size uint64) int { return int(min(width, size-n*width)) }

// entry reads one record of a tree of that size. It is believed in nothing.
func entry(dir fs.FS, index, size uint64) ([]byte, error) {
	n := index / width
	b, err := readVersion(dir, layout.EntriesPath(n, 0), inBundle(n, size), audit.MaxBundle, nil)
	if err != nil {
		return nil, err
	}
	i := int(index % width)
	ends, err := split(b, i+1, false, nil)
	if err != nil {
		return nil, err
	}
	return record(b, ends, i), nil
}
