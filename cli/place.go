package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// recipientSource says for whom to seal, file by file: what flags or environment give holds for all files, else each file's .seal.yaml decides.
// It may be used from several goroutines.
type recipientSource struct {
	env   *Env
	given []seal.Holder
	tree  *repo.Tree
	set   func(repo.Holder) (repo.Set, error) // gives the recipients of a holder of the settings: tree's, unless a cluster has newer ones
}

// place is what holds for one file.
type place struct {
	holders []seal.Holder // empty where nobody says
	rules   *repo.Rules   // nil without settings
}

// source reads flags and environment once.
func (f *recipientFlags) source(ctx context.Context, env *Env) (*recipientSource, error) {
	given, err := f.given(ctx, env)
	if err != nil {
		return nil, err
	}
	if len(given) == 0 && len(f.statementKeys) > 0 {
		return nil, usage("give the note with -R FILE; "+repo.SettingsName+" pins its own keys", "--statement-key is for notes given with -R")
	}
	tree, err := env.settings()
	if err != nil {
		return nil, err
	}
	return &recipientSource{env: env, given: given, tree: tree, set: tree.Set}, nil
}

// settings finds the settings of the repositories that files lie in.
func (e *Env) settings() (*repo.Tree, error) {
	from, err := filepath.Abs(e.Dir)
	if err != nil {
		return nil, fmt.Errorf("finding the current folder: %w", err)
	}
	return repo.NewTree(from), nil
}

// holders are those that .seal.yaml defines for the current folder; found is false where there is none.
func (e *Env) holders() (all []repo.Holder, found bool, err error) {
	tree, err := e.settings()
	if err != nil {
		return nil, false, err
	}
	all, err = tree.Holders(e.path("."))
	if errors.Is(err, repo.ErrNoSettings) {
		return nil, false, nil
	}
	return all, err == nil, err
}

// at says what holds for the file that the user calls name; "-" and "" stand for a file in the current folder.
func (s *recipientSource) at(name string) (*place, error) {
	rules, err := s.rules(name)
	switch {
	case errors.Is(err, repo.ErrNoSettings), err != nil && len(s.given) > 0 && errors.Is(err, repo.ErrNoEnvironment):
		return &place{holders: s.given}, nil
	case err != nil:
		return nil, err
	case len(s.given) > 0:
		return &place{holders: s.given, rules: rules}, nil
	}
	p := &place{rules: rules}
	for _, h := range rules.Holders {
		set, err := s.set(h)
		if err != nil {
			return nil, err
		}
		p.holders = append(p.holders, set.Holder)
	}
	return p, nil
}

func (s *recipientSource) rules(name string) (*repo.Rules, error) {
	path, err := settingsPath(s.env, name)
	if err != nil {
		return nil, err
	}
	return s.tree.Rules(path)
}

// settingsPath is the absolute path of the file that the user calls name, for settings; "-" and "" stand for a file in the current folder.
func settingsPath(env *Env, name string) (string, error) {
	if name == "" || name == stdinArg {
		name = stdinName + ".yaml"
	}
	path, err := filepath.Abs(env.path(name))
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	return path, nil
}

// sealedFor are the names of holders.
func sealedFor(holders []seal.Holder) []string {
	names := make([]string, len(holders))
	for i, h := range holders {
		names[i] = h.Name
	}
	return names
}

// scope is the scope that a flag gives, or that of the place.
func (p *place) scope(flag string) string {
	if p.rules != nil {
		return cmp.Or(flag, p.rules.Scope)
	}
	return cmp.Or(flag, seal.ScopeStrict)
}

// namespace is that of the place, for objects that name none.
func (p *place) namespace() string {
	if p.rules == nil {
		return ""
	}
	return p.rules.Namespace
}

// unsigned warns where an object without signature is written to a place that wants one.
func (p *place) unsigned(label string) []string {
	if p.rules == nil || !p.rules.Signed {
		return nil
	}
	return []string{fmt.Sprintf("%s: is not signed, and environment %s of %s wants a signature: add --sign, or run seal sign", label, p.rules.Environment, p.rules.File)}
}

// placeFor is the place of the file name, to which values are added; without holders it is an error.
func (f *recipientFlags) placeFor(ctx context.Context, env *Env, name string) (*place, error) {
	source, err := f.source(ctx, env)
	if err != nil {
		return nil, err
	}
	at, err := source.at(name)
	if err != nil {
		return nil, err
	}
	if len(at.holders) == 0 {
		return nil, noRecipients()
	}
	return at, nil
}
