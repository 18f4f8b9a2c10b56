// Package forge makes pull requests at Gitea, GitHub and GitLab.
package forge

import "context"

// PullRequest is asked for by its branches: there is one at most from Head to Base.
type PullRequest struct {
	Head, Base  string // branches of one repository
	Title, Body string
}

// Forge is one repository of a server.
type Forge interface {
	// Ensure has an open pull request from Head to Base, makes one where there is none, brings its title and body up to date, and gives its address. It never reopens one that
	// a person has closed at this very commit; then the address is empty.
	Ensure(ctx context.Context, pr PullRequest, commit string) (url string, err error)
	// Protected says whether the credentials cannot push to a branch because it is protected.
	Protected(ctx context.Context, branch string) (bool, error)
}
