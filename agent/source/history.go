package source

import (
	"context"
	"errors"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

const (
	// nearby is how many commits are looked at first: most of the time it is one of them.
	nearby = 100
	// maxMet bounds the commits that are met on a walk, with parents that are not there: a commit may name thousands.
	maxMet = 200_000
	// maxCommits bounds the bytes of the commits that are given at a time.
	maxCommits = 16 * mib
)

// Relation says how the commit id stands to old. Both are ids of 40 hex digits; old may be one that is not there. It takes no longer than Limits.Timeout.
func (r *Repository) Relation(old, id string) (Relation, error) {
	ctx, cancel := context.WithTimeout(context.Background(), r.limits.Timeout)
	defer cancel()
	r.reading.RLock()
	defer r.reading.RUnlock()
	relation, err := r.content.relation(ctx, old, id, r.limits.Depth)
	return relation, r.read(err)
}

// Commits are those that id descends from and old does not, id among them, from the newest on as Git's log has them. ErrHistory says that the history that was fetched does not
// reach so far, or is too much to be looked at. It takes no longer than Limits.Timeout.
func (r *Repository) Commits(old, id string) ([]Commit, error) {
	from, err := pack.ParseID(old)
	if err != nil {
		return nil, err
	}
	to, err := pack.ParseID(id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.limits.Timeout)
	defer cancel()
	r.reading.RLock()
	defer r.reading.RUnlock()
	all, err := r.content.since(ctx, from, to, r.limits.Depth)
	if errors.Is(err, ErrHistory) {
		return nil, err
	}
	return all, r.read(err)
}

// since are the commits of Commits.
func (c content) since(ctx context.Context, from, to pack.ID, most int) ([]Commit, error) {
	seen, err := c.walk(ctx, from, nil, most, pack.ID{})
	if err != nil {
		return nil, err
	}
	seen.met[from] = true
	since, err := c.walk(ctx, to, seen.met, most, pack.ID{})
	if err != nil {
		return nil, err
	}
	if since.ended {
		return nil, ErrHistory
	}
	all, size := make([]Commit, len(since.commits)), int64(0)
	for i, id := range since.commits {
		_, e, err := c.entry(id)
		if err != nil {
			return nil, err
		}
		if size += e.Size; size > maxCommits {
			return nil, ErrHistory
		}
		if all[i], err = c.commit(id); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// past is what was met on a walk through the history.
type past struct {
	met     map[pack.ID]bool // commits, and parents that are not there
	commits []pack.ID        // those that are there
	ended   bool             // something was left out: parents that are not there, or too many commits
}

// walk goes from a commit to its parents and theirs, breadth first, but not to those in stop, and no further once it has met until. It keeps nothing of a commit but its id.
func (c content) walk(ctx context.Context, from pack.ID, stop map[pack.ID]bool, most int, until pack.ID) (past, error) {
	p := past{met: map[pack.ID]bool{}}
	if stop[from] {
		return p, nil
	}
	p.met[from] = true
	for queue := []pack.ID{from}; len(queue) > 0 && !p.met[until]; queue = queue[1:] {
		if err := ctx.Err(); err != nil {
			return p, err
		}
		if len(p.commits) >= most || len(p.met) > maxMet {
			p.ended = true
			break
		}
		commit, err := c.commit(queue[0])
		if errors.Is(err, pack.ErrNoObject) {
			p.ended = true
			continue
		}
		if err != nil {
			return p, err
		}
		p.commits = append(p.commits, queue[0])
		for _, parent := range commit.Parent {
			id, err := pack.ParseID(parent)
			if err != nil {
				return p, err
			}
			if !stop[id] && !p.met[id] {
				p.met[id] = true
				queue = append(queue, id)
			}
		}
	}
	return p, nil
}

// relation says how id stands to old. What old descends from cannot descend from it, so the search ends there: a branch that was rewritten is known for one as soon as the
// history reaches to where both began.
func (c content) relation(ctx context.Context, old, id string, most int) (Relation, error) {
	from, err := pack.ParseID(old)
	if err != nil {
		return Unknown, err
	}
	to, err := pack.ParseID(id)
	if err != nil {
		return Unknown, err
	}
	if from == to {
		return Same, nil
	}
	if p, err := c.walk(ctx, to, nil, min(most, nearby), from); err != nil || p.met[from] {
		return Ahead, err
	}
	before, err := c.walk(ctx, from, nil, most, pack.ID{})
	if err != nil {
		return Unknown, err
	}
	delete(before.met, from)
	p, err := c.walk(ctx, to, before.met, most, from)
	switch {
	case err != nil:
		return Unknown, err
	case p.met[from]:
		return Ahead, nil
	case p.ended:
		return Unknown, nil
	default:
		return Rewritten, nil
	}
}
