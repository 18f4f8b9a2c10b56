package writeback

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

const (
	// MaxFile is the size of a file, in bytes, up to which it is looked into.
	MaxFile = 1 << 20
	// maxKnown bounds what a Memory keeps, in bytes of names and key ids. It is enough for 100,000 objects of two holders.
	maxKnown = 16 << 20
	// claimBytes is what a claim counts for beside its texts.
	claimBytes = 32
)

// Memory keeps what files claim, by the ids of their contents, so that a file which has not changed is read once. It may be used from several goroutines.
type Memory struct {
	mu    sync.Mutex
	known map[string]*claims
	used  map[string]bool
	bytes int // of all that is known
	turn  *scan.Turn
}

// NewMemory is an empty one. All that parse files in a process share a turn, so that they do not all take the memory that one may.
func NewMemory(turn *scan.Turn) *Memory {
	return &Memory{known: map[string]*claims{}, used: map[string]bool{}, turn: turn}
}

// claims are what a file says of the wraps in it. They are not checked.
type claims struct {
	sealed bool
	wraps  []claim
	// over says that they were not kept, for want of room.
	over bool
}

func (c *claims) bytes() (n int) {
	for _, w := range c.wraps {
		n += claimBytes + len(w.holder) + len(w.keys)
	}
	return n
}

// claim is of wraps of one holder for the same keys.
type claim struct{ holder, keys string }

// keysText is one text for a list of key ids, whatever their order.
func keysText(ids []string) string {
	return strings.Join(slices.Sorted(slices.Values(ids)), " ")
}

// stale says whether a wrap of a holder is for others than the keys ids.
func (c *claims) stale(holder string, ids []string) bool {
	want := keysText(ids)
	return slices.ContainsFunc(c.wraps, func(w claim) bool { return w.holder == holder && w.keys != want })
}

// has says whether there is a wrap of one of the holders.
func (c *claims) has(holders map[string]*Keyring) bool {
	return slices.ContainsFunc(c.wraps, func(w claim) bool { return holders[w.holder] != nil })
}

// of gives the claims of a file.
func (m *Memory) of(ctx context.Context, f source.File, read func(ctx context.Context, blob string) ([]byte, error)) (*claims, error) {
	m.mu.Lock()
	m.used[f.Blob] = true
	c, ok := m.known[f.Blob]
	m.mu.Unlock()
	if ok {
		return c, nil
	}
	data, err := read(ctx, f.Blob)
	switch {
	case errors.Is(err, source.ErrTooLarge):
		// It stays so, and must not keep all else from being written. That it was refused the sync says.
		c = &claims{}
	case err != nil:
		return nil, err
	default:
		if c, err = m.parsed(ctx, f.Path, data); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.known[f.Blob] != nil {
		return m.known[f.Blob], nil // the same content has another path, too
	}
	if m.bytes+c.bytes() > maxKnown {
		c = &claims{over: true} // until the next Sweep: there may be room then
	}
	m.bytes += c.bytes()
	m.known[f.Blob] = c
	return c, nil
}

func (m *Memory) parsed(ctx context.Context, path string, data []byte) (*claims, error) {
	done, err := m.turn.Take(ctx, data)
	if err != nil {
		return nil, err
	}
	defer done()
	return claimsOf(path, data), nil
}

// Sweep forgets what was not asked for since the last Sweep.
func (m *Memory) Sweep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for blob := range m.known {
		if c := m.known[blob]; !m.used[blob] || c.over {
			m.bytes -= c.bytes()
			delete(m.known, blob)
		}
	}
	m.used = map[string]bool{}
}

// claimsOf are the claims of a file. It never fails: of what cannot be read, or is more than a GitSecret can be, nothing can be replaced either. That it is refused the sync says.
func claimsOf(path string, data []byte) (c *claims) {
	defer func() {
		if recover() != nil { // the parsers are not all ours, and what they are given is hostile
			c = &claims{}
		}
	}()
	c = &claims{}
	if !scan.Bytes(data).MayBeSealed() || scan.Nodes(data) > scan.MaxNodes {
		return c
	}
	file, err := manifest.Parse(path, data)
	if err != nil {
		return c
	}
	seen := map[claim]bool{}
	for _, d := range rewrap.Sealed(file) {
		c.sealed = true
		c.add(d, seen)
	}
	return c
}

// add takes one object.
func (c *claims) add(d *manifest.Doc, seen map[claim]bool) {
	var o struct {
		Spec struct {
			Envelopes map[string]struct {
				Wraps map[string]struct {
					Keys []string `json:"keys"`
				} `json:"wraps"`
			} `json:"envelopes"`
		} `json:"spec"`
	}
	// What aliases make of a text may be many times as long.
	if n, err := d.Size(); err != nil || n > MaxFile {
		return
	}
	b, err := d.JSON()
	if err != nil || json.Unmarshal(b, &o) != nil {
		return
	}
	for _, e := range o.Spec.Envelopes {
		for holder, w := range e.Wraps {
			if one := (claim{holder, keysText(w.Keys)}); !seen[one] {
				seen[one] = true
				c.wraps = append(c.wraps, one)
			}
		}
	}
}
