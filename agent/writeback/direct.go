package writeback

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// ProtectedRest is how long a branch is not pushed to that did not let itself be. That may change, and what a forge says of it may be wrong: some do not say whether these credentials
// are let through.
const ProtectedRest = 24 * time.Hour

// strategy is what spec.writeBack says, or what is left of it.
func (w *Writer) strategy() string {
	switch {
	case w.Spec.Strategy == "":
		return v1alpha1.WritePullRequest
	case w.Spec.Strategy == v1alpha1.WritePush && w.Forge != nil && w.Now().Sub(w.protected).Abs() < ProtectedRest:
		return v1alpha1.WritePullRequest
	}
	return w.Spec.Strategy
}

// direct pushes to the followed branch.
func (w *Writer) direct(ctx context.Context, in Cluster, head source.Commit, r *Report) (again bool, err error) {
	again, err = w.straight(ctx, in, head, r)
	if err == nil || !w.isProtected(ctx, err) {
		return again, err
	}
	if w.Forge == nil {
		return false, fmt.Errorf("%w: name spec.writeBack.forge, so that a pull request is made instead", err)
	}
	w.protected = w.Now()
	return true, nil
}

// straight makes a commit of what is due, or of checkpoints where nothing is.
func (w *Writer) straight(ctx context.Context, in Cluster, head source.Commit, r *Report) (again bool, err error) {
	r.Branch = w.Source.Branch
	p := Push{Branch: r.Branch, Base: head, Old: head.ID}
	if len(r.Found.Due) == 0 {
		w.pace.Wait("", w.Now())
		return false, w.anchor(ctx, in, head, p, r)
	}
	if r.Wait = w.pace.Wait(r.Found.Digest, w.Now()); r.Wait > 0 && len(r.Pushed) == 0 {
		return false, nil
	}
	r.Wait = 0
	err = w.push(ctx, &r.Found.Due[0], p, r)
	return err == nil, err
}

// isProtected says whether a push came to nothing because the branch is protected.
func (w *Writer) isProtected(ctx context.Context, err error) bool {
	if reasonIs(err, source.BranchProtected) {
		return true
	}
	// Servers tell of it in words of their own. Whatever else goes wrong says nothing of the branch.
	if !errors.Is(err, source.ErrNotTaken) || w.Forge == nil {
		return false
	}
	is, asked := w.Forge.Protected(ctx, w.Source.Branch)
	return asked == nil && is
}
