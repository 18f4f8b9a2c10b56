package source

import (
	"errors"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// nearby is how many commits are looked at first: most of the time it is one of them.
const nearby = 100

// Relation says how the commit id stands to old. Both are ids of 40 hex digits; old may be one that is not there.
func (r *Repository) Relation(old, id string) (Relation, error) {
	r.reading.RLock()
	defer r.reading.RUnlock()
	return r.content.relation(old, id, r.limits.Depth)
}

// Commits are those that id descends from and old does not, id among them, from the newest on as Git's log has them. ErrHistory says that the history that was fetched does not
// reach so far.
func (r *Repository) Commits(old, id string) ([]Commit, error) {
	r.reading.RLock()
	defer r.reading.RUnlock()
	from, err := pack.ParseID(old)
	if err != nil {
		return nil, err
	}
	to, err := pack.ParseID(id)
	if err != nil {
		return nil, err
	}
	seen, err := r.content.walk(from, nil, r.limits.Depth, pack.ID{})
	if err != nil {
		return nil, err
	}
	seen.met[from] = true
	since, err := r.content.walk(to, seen.met, r.limits.Depth, pack.ID{})
	if err != nil {
		return nil, err
	}
	if since.ended {
		return nil, ErrHistory
	}
	return since.commits, nil
}

// past is what was met on a walk through the history.
type past struct {
	met     map[pack.ID]bool // commits, and parents that are not there
	commits []Commit         // those that are there
	ended   bool             // something was left out: parents that are not there, or too many commits
}

// walk goes from a commit to its parents and theirs, breadth first, but not to those in stop, and no further once it has met until.
func (c content) walk(from pack.ID, stop map[pack.ID]bool, most int, until pack.ID) (past, error) {
	p := past{met: map[pack.ID]bool{}}
	if stop[from] {
		return p, nil
	}
	p.met[from] = true
	for queue := []pack.ID{from}; len(queue) > 0 && !p.met[until]; queue = queue[1:] {
		if len(p.commits) >= most {
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
		p.commits = append(p.commits, commit)
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
func (c content) relation(old, id string, most int) (Relation, error) {
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
	if p, err := c.walk(to, nil, min(most, nearby), from); err != nil || p.met[from] {
		return Ahead, err
	}
	before, err := c.walk(from, nil, most, pack.ID{})
	if err != nil {
		return Unknown, err
	}
	delete(before.met, from)
	p, err := c.walk(to, before.met, most, from)
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
