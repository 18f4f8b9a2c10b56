// Package forge makes pull requests at Gitea, GitHub and GitLab.
//
// It guarantees that a token goes to the server that was named and to no other, never into an error, that what a server answers costs no more than is bounded here, and that
// a pull request which a person has closed is not made again for the same commit.
package forge

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// PullRequest is asked for by its branches: there is one at most from Head to Base.
type PullRequest struct {
	Head, Base  string // branches of one repository
	Title, Body string
}

// Forge is one repository of a server.
type Forge interface {
	// Ensure has an open pull request from Head to Base, makes one where there is none, brings its title and body up to date, and gives its address. It never makes one anew for a
	// commit at which one was closed or merged; then the address is empty.
	Ensure(ctx context.Context, pr PullRequest, commit string) (url string, err error)
	// Protected says whether the credentials cannot push to a branch because it is protected. GitHub does not say whether they can: there, every protected branch counts.
	Protected(ctx context.Context, branch string) (bool, error)
}

// Access is how a repository of a forge is reached. It prints as [redacted].
type Access struct {
	// URL is the server's address, such as https://git.example.com, with a path if it is below one; for GitHub https://github.com, or that of an own server.
	URL string
	// Repository is OWNER/NAME, with groups where the server has them.
	Repository string
	Token      string
	// CA is what certificates have to be signed by, in PEM; empty: the authorities of the system. Proxy is the address of one, or empty; the environment says nothing.
	CA    []byte
	Proxy string
	// InsecureHTTP lets http:// be used.
	InsecureHTTP bool
	// Pause waits, between tries; nil: by the clock.
	Pause func(ctx context.Context, d time.Duration) error
}

// Format prints nothing of it.
func (Access) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// New is a repository of a server of kind Gitea, GitHub or GitLab (v1alpha1.Forge).
func New(kind string, a Access) (Forge, error) {
	repository := strings.TrimSuffix(strings.Trim(a.Repository, "/"), ".git")
	parts := strings.Split(repository, "/")
	for _, p := range parts {
		if p == "" || p == "." || p == ".." {
			return nil, fmt.Errorf("%q is no repository of a forge, such as team/infra", a.Repository)
		}
	}
	if len(parts) < 2 || len(parts) > 2 && kind != v1alpha1.ForgeGitLab {
		return nil, fmt.Errorf("%q is no repository of a forge, such as team/infra", a.Repository)
	}
	if a.Pause == nil {
		a.Pause = pause
	}
	c, err := newClient(a)
	if err != nil {
		return nil, err
	}
	var s server
	switch kind {
	case v1alpha1.ForgeGitea:
		c.header.Set("Authorization", "token "+a.Token)
		s = &giteaServer{c, parts[0], parts[1]}
	case v1alpha1.ForgeGitHub:
		c.header.Set("Authorization", "Bearer "+a.Token)
		s, err = newGitHub(c, parts[0], parts[1])
	case v1alpha1.ForgeGitLab:
		c.header.Set("Private-Token", a.Token)
		s, err = newGitLab(c, repository)
	default:
		err = fmt.Errorf("%q is no kind of forge: Gitea, GitHub and GitLab are", kind)
	}
	if err != nil {
		return nil, err
	}
	return &forge{s, a.Pause}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
