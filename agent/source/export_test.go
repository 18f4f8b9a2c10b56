package source

import (
	"context"

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
