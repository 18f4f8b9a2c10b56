package source

import (
	"context"
	"maps"
	"slices"

	"github.com/go-git/go-git/v5/plumbing"

	"github.com/waxwing-io/waxwing/agent/source/pack"
)

// maxBoundaries is how many commits without parents a cache may have before it is made anew, and how many of those that a server tells of are looked at.
const maxBoundaries = 10_000

// deepen fetches more history until it is known how a commit stands to those that were seen. That it cannot be had is no failure: how they stand stays unknown. It is
// remembered only where the next try would end like this one; a network that fails would otherwise have a commit be refused for good.
func (r *Repository) deepen(ctx context.Context, next *content, place Place, auth Auth, t tip, c Commit, seen []string) {
	unknown := func() bool {
		return slices.ContainsFunc(seen, func(old string) bool {
			relation, err := next.relation(ctx, old, c.ID, r.limits.Depth)
			return err == nil && relation == Unknown
		})
	}
	if r.deepened == t.id {
		return
	}
	for depth := firstDepth * deeper; len(next.Boundary) > 0 && unknown(); depth *= deeper {
		_, err := r.download(ctx, next, place, auth, request{depth: min(depth, r.limits.Depth), only: t.id})
		switch {
		case err != nil && (ctx.Err() != nil || !tooLarge(err)):
			return
		case err != nil, depth >= r.limits.Depth:
			r.deepened = t.id
			return
		}
	}
}

// move notes where the history ends now. Each end may be a commit that takes a second to read, so none is read twice, and the context is looked at for each.
func (c *content) move(ctx context.Context, ends, goesOn []plumbing.Hash) error {
	all, seen := map[string]bool{}, map[plumbing.Hash]bool{}
	for _, id := range c.Boundary {
		all[id] = true
	}
	for _, id := range ends {
		if seen[id] || all[id.String()] {
			continue
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		seen[id] = true
		// A server counts from the newest commit, and tells of an end even where older commits are there. To believe it costs no more than that those are sent again.
		if len(seen) > maxBoundaries || !c.goesOn(ctx, pack.ID(id)) {
			all[id.String()] = true
		}
	}
	for _, id := range goesOn {
		delete(all, id.String())
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	c.Boundary = slices.Sorted(maps.Keys(all))
	return nil
}

// goesOn says whether all parents of a commit are there. It ends early with its context, and means nothing then.
func (c content) goesOn(ctx context.Context, id pack.ID) bool {
	commit, err := c.commit(id)
	return err == nil && !slices.ContainsFunc(commit.Parent, func(parent string) bool {
		of, err := pack.ParseID(parent)
		if err == nil {
			_, _, err = c.entry(of)
		}
		return err != nil || ctx.Err() != nil
	})
}

func (c content) boundary() []plumbing.Hash { return hashes(c.Boundary) }
