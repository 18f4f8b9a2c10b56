package source

import (
	"github.com/go-git/go-git/v5/plumbing"
)

// ref is the full name of what a Place follows.
func (p Place) ref() (string, error) {
	name := "refs/heads/" + p.Branch
	if p.Tag != "" {
		name = "refs/tags/" + p.Tag
	}
	if (p.Branch == "") == (p.Tag == "") {
		return "", fail(RefNotFound, "name a branch, or a tag")
	}
	if plumbing.ReferenceName(name).Validate() != nil {
		return "", fail(RefNotFound, "%q is no name of a branch or tag", clean(name))
	}
	return name, nil
}

// tip is what a Place stands at.
type tip struct {
	ref string
	id  plumbing.Hash // of a commit, or of a tag object
}

// tip finds it among the branches and tags of a repository.
func (s *session) tip(place Place) (tip, error) {
	name, err := place.ref()
	if err != nil {
		return tip{}, err
	}
	id, has := s.refs.References[name]
	switch {
	case has && !id.IsZero():
		return tip{ref: name, id: id}, nil
	case len(s.refs.References) == 0:
		return tip{}, fail(RepositoryEmpty, "it has no commit yet")
	case place.Tag != "":
		return tip{}, fail(RefNotFound, "it has no tag %q", clean(place.Tag))
	default:
		return tip{}, fail(RefNotFound, "it has no branch %q", clean(place.Branch))
	}
}
