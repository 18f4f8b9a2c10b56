package writeback

import (
	"cmp"
	"context"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/agent/source"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// Repository is a source.Repository.
type Repository interface {
	Fetch(ctx context.Context, place source.Place, auth source.Auth, seen ...string) (source.Commit, error)
	Files(ctx context.Context, c source.Commit) ([]source.File, error)
	Read(ctx context.Context, blob string) ([]byte, error)
	Relation(old, id string) (source.Relation, error)
	Commits(old, id string) ([]source.Commit, error)
	Commit(ctx context.Context, base source.Commit, changes map[string][]byte, author source.Author, message string, signer ssh.Signer) (*source.Draft, error)
	Push(ctx context.Context, place source.Place, auth source.Auth, draft *source.Draft, old string, replace bool) error
}

var _ Repository = (*source.Repository)(nil)

// Remote is Git by a Repository.
type Remote struct {
	Repository Repository
	// Place is what the SecretSync follows.
	Place source.Place
	// ReadAuth is for Place, PushAuth for all that is pushed to.
	ReadAuth, PushAuth source.Auth
	// Seen are commits of Place that were taken before, for Take.
	Seen []string
	// Take says whether a commit of Place may be built upon: whether spec.verify and spec.source.rewritten let it be taken.
	Take func(ctx context.Context, c source.Commit) error
	// Author of commits; nil for the default.
	Author *v1alpha1.CommitAuthor
	// Signer signs commits; nil for none.
	Signer ssh.Signer

	head string // of Place
}

var _ Git = (*Remote)(nil)

// Who commits are of, unless it is said.
const (
	DefaultAuthor = "Waxwing"
	DefaultEmail  = "waxwing@waxwing.invalid"
)

// Source implements Git.
func (r *Remote) Source(ctx context.Context) (source.Commit, error) {
	c, err := r.Repository.Fetch(ctx, r.Place, r.ReadAuth, r.Seen...)
	if err != nil {
		return c, err
	}
	r.head = c.ID
	return c, r.Take(ctx, c)
}

// Branch implements Git.
func (r *Remote) Branch(ctx context.Context, name string) (source.Commit, bool, error) {
	// What the branch has more than the head shows only if the history of both reaches to where they part.
	c, err := r.Repository.Fetch(ctx, source.Place{URL: r.Place.URL, Branch: name}, r.PushAuth, r.head)
	if reasonIs(err, source.RefNotFound) {
		return source.Commit{}, false, nil
	}
	if err == nil {
		err = r.reach(ctx, c.ID)
	}
	return c, err == nil, err
}

// reach has the history of the followed branch reach to a commit of another one, if it has that: a branch that was merged long ago, and still is there, would be taken for somebody's
// otherwise. What is followed may have moved on meanwhile. That is nothing that Take has let through, so r.head stays what it is.
func (r *Remote) reach(ctx context.Context, id string) error {
	if relation, err := r.Repository.Relation(id, r.head); err != nil || relation != source.Unknown {
		return err
	}
	_, err := r.Repository.Fetch(ctx, r.Place, r.ReadAuth, id)
	return err
}

// Files implements Git.
func (r *Remote) Files(ctx context.Context, c source.Commit) ([]source.File, error) {
	return r.Repository.Files(ctx, c)
}

// Read implements Git.
func (r *Remote) Read(ctx context.Context, blob string) ([]byte, error) {
	return r.Repository.Read(ctx, blob)
}

// Since implements Git.
func (r *Remote) Since(old, id string) ([]source.Commit, error) {
	if old == id {
		return nil, nil
	}
	return r.Repository.Commits(old, id)
}

// Push implements Git.
func (r *Remote) Push(ctx context.Context, p Push) (source.Commit, error) {
	author := source.Author{Name: DefaultAuthor, Email: DefaultEmail, When: p.When}
	if r.Author != nil {
		author.Name, author.Email = cmp.Or(r.Author.Name, author.Name), cmp.Or(r.Author.Email, author.Email)
	}
	draft, err := r.Repository.Commit(ctx, p.Base, p.Changes, author, p.Message, r.Signer)
	if err != nil {
		return source.Commit{}, err
	}
	if draft.Commit.ID == p.Old {
		return draft.Commit, nil
	}
	err = r.Repository.Push(ctx, source.Place{URL: r.Place.URL, Branch: p.Branch}, r.PushAuth, draft, p.Old, p.Replace)
	return draft.Commit, err
}
