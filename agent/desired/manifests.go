package desired

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/rewrap"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// parser is manifest.Parse.
type parser func(name string, text []byte) (*manifest.File, error)

// Manifests gives what is applied of the objects of one Set. It keeps the items of the List that was read last, each of which would take all of it to be parsed, until it is let go
// of itself: it is for one time that a plan is carried out. Objects have to be asked for in their Order, or Lists are parsed again and again. It may be used from several goroutines.
type Manifests struct {
	read  ReadFunc
	parse parser
	turn  *scan.Turn
	// list has one List at a time be read: the others that want an item of it find it then.
	list chan struct{}

	mu    sync.Mutex
	at    place
	items map[types.NamespacedName]*Manifest // of the List at this place; nil: none was read
}

// place is a document of a Set.
type place struct {
	path     string
	document int
}

// Manifests are those of the objects of a Set that was read with this Cache, by the same contents.
func (c *Cache) Manifests(read ReadFunc) *Manifests {
	return &Manifests{read: read, parse: c.parse, turn: c.limits.Turn, list: make(chan struct{}, 1)}
}

// Manifest gives what is applied for an object, read anew. An error says that it cannot be read any more, or is that of ctx.
func (m *Manifests) Manifest(ctx context.Context, o Object) (*Manifest, error) {
	found, err := m.document(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.Path, err)
	}
	one := found[o.Key]
	if one == nil {
		return nil, fmt.Errorf("%s: document %d is not %s any more", o.Path, o.Document, o.Key)
	}
	return checked(one, o)
}

// document gives what is in the document of an object.
func (m *Manifests) document(ctx context.Context, o Object) (map[types.NamespacedName]*Manifest, error) {
	if !o.listed {
		return m.parsed(ctx, o)
	}
	at := place{o.Path, o.Document}
	if items := m.kept(at); items != nil {
		return items, nil
	}
	select {
	case m.list <- struct{}{}:
		defer func() { <-m.list }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if items := m.kept(at); items != nil {
		return items, nil // somebody has read it meanwhile
	}
	items, err := m.parsed(ctx, o)
	if err == nil {
		m.keep(at, items)
	}
	return items, err
}

func (m *Manifests) kept(at place) map[types.NamespacedName]*Manifest {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at != at {
		return nil
	}
	return m.items
}

// keep keeps the items of a List in the place of those of one before it. Who comes late with an item of that one does not have the others lose theirs.
func (m *Manifests) keep(at place, items map[types.NamespacedName]*Manifest) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.items == nil || cmp.Or(cmp.Compare(m.at.path, at.path), cmp.Compare(m.at.document, at.document)) < 0 {
		m.at, m.items = at, items
	}
}

// parsed reads the document of an object. One that takes much memory waits for its turn; nothing else is waited for while it has it.
func (m *Manifests) parsed(ctx context.Context, o Object) (map[types.NamespacedName]*Manifest, error) {
	data, err := m.read(ctx, o.Blob)
	if err != nil {
		return nil, err
	}
	text := o.text.of(data)
	done, err := m.turn.Take(ctx, text)
	if err != nil {
		return nil, err
	}
	defer done()
	return m.sound(text)
}

// sound are the sound GitSecrets of a text, by their places in a cluster; of several for one place there is none.
func (m *Manifests) sound(text []byte) (map[types.NamespacedName]*Manifest, error) {
	file, err := m.parse("", text)
	if err != nil {
		return nil, errors.New(parseMessage(err))
	}
	out := map[types.NamespacedName]*Manifest{}
	for _, d := range rewrap.Sealed(file) {
		one, err := parse(d)
		if err != nil {
			continue // it is refused
		}
		key := types.NamespacedName{Namespace: one.Metadata.Namespace, Name: one.Metadata.Name}
		if _, twice := out[key]; twice {
			one = nil
		}
		out[key] = one
	}
	return out, nil
}

// checked holds a manifest against what was decided upon, and gives a copy that may be changed but for its spec.
func checked(m *Manifest, o Object) (*Manifest, error) {
	if m.Digest() != o.Digest {
		return nil, fmt.Errorf("%s: document %d does not read as it did", o.Path, o.Document)
	}
	out := *m
	out.Metadata.Labels, out.Metadata.Annotations = maps.Clone(m.Metadata.Labels), maps.Clone(m.Metadata.Annotations)
	return &out, nil
}
