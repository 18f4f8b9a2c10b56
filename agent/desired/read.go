package desired

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/waxwing-io/waxwing/manifest"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// chunk is how many files are read before what is found is added up: no more than what these hold is in memory beyond Limits.
const chunk = 16

// Cache keeps what is known of the contents of a commit's files, so that the next commit costs no more than the files that have changed. It is safe for concurrent use; commits
// are read one after the other.
type Cache struct {
	limits Limits
	parse  parser
	mu     sync.Mutex
	known  map[contentKey]*content
}

// contentKey names a content, and how it is read.
type contentKey struct {
	blob string
	json bool
}

// NewCache is a cache for one folder of one repository.
func NewCache(limits Limits) *Cache {
	c := &Cache{parse: manifest.Parse, limits: Limits{
		FileBytes: cmp.Or(limits.FileBytes, 1<<20),
		Objects:   cmp.Or(limits.Objects, 20_000),
		Entries:   cmp.Or(limits.Entries, 200_000),
		Turn:      limits.Turn,
	}}
	if c.limits.Turn == nil {
		c.limits.Turn = scan.NewTurn()
	}
	return c
}

// Read says what the files below folder, of all files of a commit, want. Only the end of ctx, and read's errors, are errors: then nothing is known of the commit. What read gives
// must stay as it is.
func Read(ctx context.Context, folder string, files []File, read ReadFunc, cache *Cache) (*Set, error) {
	cache.mu.Lock()
	defer cache.mu.Unlock()
	p := &picker{folder: cleanFolder(folder), files: files, read: read, limit: cache.limits.FileBytes}
	if err := p.run(ctx); err != nil {
		return nil, err
	}
	slices.SortFunc(p.pick, func(a, b candidate) int { return cmp.Compare(a.path, b.path) })
	g := &gatherer{read: read, parse: cache.parse, limits: cache.limits, before: cache.known, known: make(map[contentKey]*content, len(p.pick)), keys: map[string]bool{}}
	g.full = fmt.Sprintf("the files up to this one hold more than %d GitSecrets, or more than %d envelopes, key ids and refusals: divide them among several SecretSyncs", g.limits.Objects, g.limits.Entries)
	g.set.Refused = p.refused
	for part := range slices.Chunk(p.pick, chunk) {
		if err := g.look(ctx, part); err != nil {
			cache.learn(g.known, p.pick)
			return nil, err
		}
	}
	cache.known = g.known
	return g.finish(), nil
}

// learn keeps what is known of a commit that was not read to its end, so that the next try goes on from there: of what this one and those before it have brought, what the commit
// names, as far as Limits have room for it.
func (c *Cache) learn(known map[contentKey]*content, names []candidate) {
	kept := make(map[contentKey]*content, len(known))
	weight, count := 0, 0
	for _, name := range names {
		key := name.key()
		found := cmp.Or(known[key], c.known[key])
		if found == nil || kept[key] != nil {
			continue
		}
		if !found.over {
			if weight+found.weight > c.limits.Entries || count+found.count > c.limits.Objects {
				continue
			}
			weight, count = weight+found.weight, count+found.count
		}
		kept[key] = found
	}
	c.known = kept
}

// gatherer puts a Set together, in the order of the paths, within Limits.
type gatherer struct {
	read   ReadFunc
	parse  parser
	limits Limits
	before map[contentKey]*content // of the commit before
	known  map[contentKey]*content // of this one

	set    Set
	weight int
	keys   map[string]bool
	full   string // what is said of files that there is no room for
}

func (c candidate) key() contentKey { return contentKey{c.blob, c.json} }

// look looks at some files.
func (g *gatherer) look(ctx context.Context, part []candidate) error {
	var unknown []contentKey
	for _, c := range part {
		key := c.key()
		if _, has := g.known[key]; has {
			continue
		}
		before := g.before[key]
		g.known[key] = before
		if before == nil {
			unknown = append(unknown, key)
		}
	}
	if err := g.readAll(ctx, unknown); err != nil {
		return err
	}
	for _, c := range part {
		if err := g.take(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// readAll reads contents, one for each CPU at a time.
func (g *gatherer) readAll(ctx context.Context, keys []contentKey) error {
	found, errs := make([]*content, len(keys)), make([]error, len(keys))
	err := scan.Parallel(ctx, len(keys), func(i int) { found[i], errs[i] = g.readOne(ctx, keys[i]) })
	for i, key := range keys {
		if found[i] != nil {
			g.known[key] = found[i] // also if another could not be read: the next try does not begin with it again
		}
	}
	if err != nil {
		return err
	}
	return cmp.Or(errs...)
}

func (g *gatherer) readOne(ctx context.Context, key contentKey) (*content, error) {
	data, err := g.read(ctx, key.blob)
	switch {
	case errors.Is(err, ErrTooLarge), err == nil && int64(len(data)) > g.limits.FileBytes:
		c := &content{more: true}
		c.refuse(0, TooLarge, fmt.Sprintf("is larger than %d bytes, or takes too much work to be read", g.limits.FileBytes), false)
		c.weigh()
		return c, nil
	case err != nil:
		return nil, err
	}
	done, err := g.limits.Turn.Take(ctx, data)
	if err != nil {
		return nil, err
	}
	defer done()
	return look(data, key.json, g.parse), nil
}

// take adds a file to the set, if there is room for what it holds.
func (g *gatherer) take(ctx context.Context, f candidate) error {
	key := f.key()
	c := g.known[key]
	if g.weight+c.weight > g.limits.Entries || len(g.set.Objects)+c.count > g.limits.Objects {
		if !c.over {
			g.known[key] = &content{weight: c.weight, count: c.count, over: true}
		}
		g.set.MoreKeys = true
		g.set.Refused = append(g.set.Refused, Refusal{Path: Shown(f.path), Reason: TooMany, Message: g.full})
		return nil
	}
	if c.over {
		// There was no room for it before, and now there is.
		if err := g.readAll(ctx, []contentKey{key}); err != nil {
			return err
		}
		c = g.known[key]
	}
	g.weight += c.weight
	for _, o := range c.objects {
		o.Path, o.Blob = f.path, f.blob
		g.set.Objects = append(g.set.Objects, o)
	}
	for _, r := range c.refused {
		r.Path = Shown(f.path)
		g.set.Refused = append(g.set.Refused, r)
	}
	for _, id := range c.keys {
		g.keys[id] = true
	}
	g.set.MoreKeys = g.set.MoreKeys || c.more
	return nil
}

// finish refuses what is there twice, and brings all into order.
func (g *gatherer) finish() *Set {
	s := &g.set
	slices.SortFunc(s.Objects, func(a, b Object) int {
		return cmp.Or(CompareKeys(a.Key, b.Key), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Document, b.Document))
	})
	var once []Object
	for len(s.Objects) > 0 {
		same := 1
		for same < len(s.Objects) && s.Objects[same].Key == s.Objects[0].Key {
			same++
		}
		for _, o := range s.Objects[:same] {
			for _, id := range o.Keys {
				g.keys[id] = true
			}
		}
		if same == 1 {
			once = append(once, s.Objects[0])
		} else {
			g.twice(s.Objects[:same])
		}
		s.Objects = s.Objects[same:]
	}
	s.Objects = once
	slices.SortStableFunc(s.Refused, func(a, b Refusal) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Document, b.Document))
	})
	keys, more := keysOf(g.keys)
	s.Keys, s.MoreKeys = keys, s.MoreKeys || more
	return &Set{Objects: s.Objects, Refused: s.Refused, Keys: s.Keys, MoreKeys: s.MoreKeys}
}

// twice refuses objects of one key.
func (g *gatherer) twice(same []Object) {
	for i, o := range same {
		other := same[0]
		if i == 0 {
			other = same[1]
		}
		g.set.Refused = append(g.set.Refused, Refusal{
			Path: Shown(o.Path), Document: o.Document, Reason: DuplicateObject,
			Message: fmt.Sprintf("GitSecret %s is also in %s, document %d: nobody knows which of them is meant", o.Key, Shown(other.Path), other.Document),
		})
	}
}
