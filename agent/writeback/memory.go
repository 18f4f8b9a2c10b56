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
	// maxClaims is how many claims and key ids are kept of all files together. Files beyond are not looked into, and the sync refuses them, too.
	maxClaims = 200_000
)

// Memory keeps what files claim, by the ids of their contents, so that a file which has not changed is read once. It may be used from several goroutines.
type Memory struct {
	mu    sync.Mutex
	known map[string]*claims
	used  map[string]bool
	kept  int        // claims and key ids of known
	dear  sync.Mutex // has one file at a time be parsed of those that take much memory
}

// NewMemory is an empty one.
func NewMemory() *Memory { return &Memory{known: map[string]*claims{}, used: map[string]bool{}} }

// claims are what a file says of the wraps in it. They are not checked.
type claims struct {
	sealed bool
	over   bool     // there was no room for it
	keys   []string // ids that wraps are for; sorted
	wraps  []claim
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
		c = m.read(f.Path, data)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if before := m.known[f.Blob]; before != nil {
		return before, nil
	}
	if n := len(c.keys) + len(c.wraps); m.kept+n <= maxClaims {
		m.kept += n
	} else {
		c = &claims{over: true}
	}
	m.known[f.Blob] = c
	return c, nil
}

func (m *Memory) read(path string, data []byte) *claims {
	if scan.Dear(data) {
		m.dear.Lock()
		defer m.dear.Unlock()
	}
	return claimsOf(path, data)
}

// Sweep forgets what was not asked for since the last Sweep.
func (m *Memory) Sweep() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for blob := range m.known {
		if c := m.known[blob]; !m.used[blob] || c.over {
			m.kept -= len(c.keys) + len(c.wraps)
			delete(m.known, blob)
		}
	}
	m.used = map[string]bool{}
}

func claimsOf(path string, data []byte) *claims {
	c := &claims{}
	found := scan.Bytes(data)
	if !found.MayBeSealed() {
		return c
	}
	if scan.Nodes(data) > scan.MaxNodes { // the sync refuses it
		c.keys = found.Keys
		return c
	}
	file, err := manifest.Parse(path, data)
	if err != nil {
		// Nothing can be done about it here, and what it may need stays needed.
		c.keys = found.Keys
		return c
	}
	for _, d := range rewrap.Sealed(file) {
		c.sealed = true
		if !c.add(d) {
			c.keys = append(c.keys, found.Keys...)
		}
	}
	slices.Sort(c.keys)
	c.keys = slices.Compact(c.keys)
	return c
}

// add takes one object; false: it cannot be read.
func (c *claims) add(d *manifest.Doc) bool {
	var o struct {
		Spec struct {
			Envelopes map[string]struct {
				Wraps map[string]struct {
					Keys []string `json:"keys"`
				} `json:"wraps"`
			} `json:"envelopes"`
		} `json:"spec"`
	}
	b, err := d.JSON()
	if err != nil || json.Unmarshal(b, &o) != nil {
		return false
	}
	for _, e := range o.Spec.Envelopes {
		for holder, w := range e.Wraps {
			if one := (claim{holder, keysText(w.Keys)}); !slices.Contains(c.wraps, one) {
				c.wraps = append(c.wraps, one)
			}
			for _, id := range w.Keys {
				if isKeyID(id) {
					c.keys = append(c.keys, id)
				}
			}
		}
	}
	return true
}

// isKeyID says whether text has the form of a key id: a file may hold anything in its place, and what is here is shown.
func isKeyID(text string) bool {
	return len(text) == 32 && strings.Trim(text, "0123456789abcdef") == ""
}
