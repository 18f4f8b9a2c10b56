package source

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// Repository is a repository as it was fetched last. It is safe for concurrent use; fetches and pushes wait for each other.
type Repository struct {
	dir    string
	folder *folder
	limits Limits

	busy sync.Mutex // of fetches and pushes

	reading sync.RWMutex // of content
	content content

	listed   atomic.Pointer[listing]
	torn     atomic.Bool   // something in the cache is not what was written
	deepened plumbing.Hash // the tip whose history cannot be had any deeper
}

// listing are the files of a commit.
type listing struct {
	commit string
	files  []File
}

// Open opens the cache of a repository, in a folder of its own that is made if need be. What is in it and cannot be used is fetched anew. One process may use it, once.
func Open(dir string, limits Limits) (*Repository, error) {
	limits = limits.withDefaults()
	f, err := openFolder(dir, limits)
	if err != nil {
		return nil, err
	}
	return &Repository{dir: dir, folder: f, limits: limits, content: f.load()}, nil
}

// Close lets go of the cache.
func (r *Repository) Close() error {
	r.busy.Lock()
	defer r.busy.Unlock()
	r.reading.Lock()
	defer r.reading.Unlock()
	r.content.close()
	r.content = content{}
	return r.folder.root.Close()
}

// Fetch gets the commit that a place stands at, and all that it needs. Errors are *Error. seen are commits that were seen there before: as much history is fetched as it takes
// to say how the commit stands to them, as far as Limits let it. Only the newest commits of the places of one repository can be read afterwards; another address makes the cache anew.
func (r *Repository) Fetch(ctx context.Context, place Place, auth Auth, seen ...string) (Commit, error) {
	r.busy.Lock()
	defer r.busy.Unlock()
	ctx, cancel := context.WithTimeout(ctx, r.limits.Timeout)
	defer cancel()
	base := r.content
	if r.outworn(base, place) {
		base, r.deepened = content{}, plumbing.ZeroHash
	}
	c, err := r.fetch(ctx, base, place, auth, seen)
	if len(base.packs) > 0 && incomplete(err) {
		// The server has left out what the cache has only seemingly.
		r.deepened = plumbing.ZeroHash
		c, err = r.fetch(ctx, content{}, place, auth, seen)
	}
	r.folder.sweep(r.content)
	return c, explain(err, auth, r.limits)
}

// outworn says whether the cache has to be made anew.
func (r *Repository) outworn(c content, place Place) bool {
	return c.URL != place.URL || (c.bytes() > r.limits.CacheBytes && len(c.packs) > 1) || len(c.packs) >= maxPacks || len(c.Boundary) > maxBoundaries || r.torn.Load()
}

func incomplete(err error) bool {
	return errors.Is(err, pack.ErrNoObject) || errors.Is(err, pack.ErrTorn) || errors.Is(err, errCache)
}

// fetch fetches onto what is there.
func (r *Repository) fetch(ctx context.Context, base content, place Place, auth Auth, seen []string) (Commit, error) {
	next := base.next(place.URL)
	t, err := r.update(ctx, &next, place, auth)
	var c Commit
	if err == nil {
		c, err = next.describe(t)
	}
	if err == nil {
		err = r.whole(ctx, next, c)
	}
	if err == nil {
		next.Tips[t.ref] = t.id.String()
		r.deepen(ctx, &next, place, auth, t, c, seen)
		if next.same(base) {
			return c, nil
		}
		r.merge(ctx, &next)
		err = r.use(next)
	}
	if err != nil {
		next.closeNewerThan(r.content)
		return Commit{}, err
	}
	return c, nil
}

// update has next hold what a place stands at.
func (r *Repository) update(ctx context.Context, next *content, place Place, auth Auth) (tip, error) {
	first := len(next.packs) == 0
	t, err := r.download(ctx, next, place, auth, request{depth: firstDepth})
	if first && tooLarge(err) && ctx.Err() == nil {
		// It may be so because of its history alone.
		return r.download(ctx, next, place, auth, request{depth: 1})
	}
	return t, err
}

// request is what a download is for.
type request struct {
	depth int
	only  plumbing.Hash // where it is set, nothing else is fetched
}

// download fetches what a place stands at, unless it is there.
func (r *Repository) download(ctx context.Context, next *content, place Place, auth Auth, q request) (tip, error) {
	s, err := r.dial(ctx, place, auth, uploadPack)
	if err != nil {
		return tip{}, err
	}
	defer func() { _ = s.Close() }()
	t, err := s.tip(place)
	if err != nil {
		return tip{}, err
	}
	if q.only.IsZero() && next.complete(t.id) {
		return t, nil
	}
	if !q.only.IsZero() && t.id != q.only {
		return tip{}, fail(FetchFailed, "it has moved on")
	}
	a, err := s.fetch(ctx, wanted{id: t.id, haves: next.haves(), boundary: next.boundary(), depth: q.depth})
	if err != nil {
		return tip{}, err
	}
	defer func() { _ = a.Close() }()
	p, err := r.folder.receive(ctx, a, auth)
	if err != nil {
		return tip{}, err
	}
	if p != nil {
		next.packs = append([]*held{p}, next.packs...)
	}
	return t, next.move(ctx, a.boundary.Shallows, a.boundary.Unshallows)
}

// whole makes sure that all files of a commit are there.
func (r *Repository) whole(ctx context.Context, c content, commit Commit) error {
	if l := r.listed.Load(); l != nil && l.commit == commit.ID && slices.Equal(c.packs, r.content.packs) {
		return nil
	}
	files, err := c.files(ctx, commit, r.limits)
	if err != nil {
		return err
	}
	r.listed.Store(&listing{commit.ID, files})
	return nil
}

// use has next be read from now on.
func (r *Repository) use(next content) error {
	if err := r.folder.save(next); err != nil {
		return err
	}
	r.reading.Lock()
	before := r.content
	r.content = next
	r.reading.Unlock()
	before.closeNewerThan(next)
	r.torn.Store(false)
	return nil
}

// next is a copy of c, to be changed, for an address.
func (c content) next(address string) content {
	n := content{state: c.state, packs: slices.Clone(c.packs)}
	n.URL, n.Tips, n.Boundary = address, maps.Clone(c.Tips), slices.Clone(c.Boundary)
	if n.Tips == nil {
		n.Tips = map[string]string{}
	}
	return n
}

// same says whether c holds the same as what it was made of.
func (c content) same(before content) bool {
	return c.URL == before.URL && slices.Equal(c.packs, before.packs) && maps.Equal(c.Tips, before.Tips) && slices.Equal(c.Boundary, before.Boundary)
}

// closeNewerThan closes the packs of c that other does not have.
func (c content) closeNewerThan(other content) {
	for _, p := range c.packs {
		if !slices.Contains(other.packs, p) {
			_ = p.Close()
		}
	}
}

// complete says whether all that an object needs was fetched.
func (c content) complete(id plumbing.Hash) bool {
	return slices.Contains(slices.Collect(maps.Values(c.Tips)), id.String())
}

func (c content) haves() []plumbing.Hash { return hashes(slices.Collect(maps.Values(c.Tips))) }

func hashes(ids []string) []plumbing.Hash {
	all := make([]plumbing.Hash, len(ids))
	for i, id := range ids {
		all[i] = plumbing.NewHash(id)
	}
	return all
}
