package source

import (
	"context"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// Walk gives how many commits are met on the way from one, and whether something was left out.
func (r *Repository) Walk(ctx context.Context, id string) (met int, ended bool, err error) {
	from, err := pack.ParseID(id)
	if err != nil {
		return 0, false, err
	}
	p, err := r.content.walk(ctx, from, nil, r.limits.Depth, pack.ID{})
	return len(p.met), p.ended, err
}

// Move gives how many ends the history has once a server has told of some.
func (r *Repository) Move(ctx context.Context, ends []string) (int, error) {
	c := r.content.next(r.content.URL)
	err := c.move(ctx, hashes(ends), []plumbing.Hash{})
	return len(c.Boundary), err
}
