package cli

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// rulebook is what settings say about files that are sealed already. It may be used from several goroutines.
type rulebook struct{ tree *repo.Tree }

func (e *Env) rulebook() (*rulebook, error) {
	tree, err := e.settings()
	if err != nil {
		return nil, err
	}
	return &rulebook{tree: tree}, nil
}

// rules say what holds for the file at path; nil where nobody says anything about it. stray says that there are settings, and no environment matches.
func (b *rulebook) rules(path string) (rules *repo.Rules, stray bool, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, false, err
	}
	rules, err = b.tree.Rules(path)
	switch {
	case errors.Is(err, repo.ErrNoSettings):
		return nil, false, nil
	case errors.Is(err, repo.ErrNoEnvironment):
		return nil, true, nil
	}
	return rules, false, err
}

// wrapState compares a wrap with its holder's present recipients.
type wrapState string

const (
	wrapCurrent wrapState = "current"
	wrapStale   wrapState = "stale"   // the holder has other recipients now
	wrapExtra   wrapState = "extra"   // no holder of the environment
	wrapUnknown wrapState = "unknown" // there are no settings, or they cannot be read
)

// stateOf says how the wrap stands to the recipients of its holder.
func stateOf(w seal.Wrap, recipients []seal.Recipient) wrapState {
	now := make([]string, len(recipients))
	for i, r := range recipients {
		now[i] = r.KeyID()
	}
	was := slices.Clone(w.Keys)
	slices.Sort(now)
	slices.Sort(was)
	if slices.Equal(now, was) {
		return wrapCurrent
	}
	return wrapStale
}

// wrapHolders lists who has a wrap in an envelope that an item names, and who has one in all of them.
func wrapHolders(spec *seal.Spec) (some, every []string) {
	count := map[string]int{}
	ids := spec.Referenced()
	for _, id := range ids {
		for holder := range spec.Envelopes[id].Wraps {
			count[holder]++
		}
	}
	for _, holder := range slices.Sorted(maps.Keys(count)) {
		some = append(some, holder)
		if count[holder] == len(ids) {
			every = append(every, holder)
		}
	}
	return some, every
}

// without lists what is in list and not in other.
func without(list, other []string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(s string) bool { return slices.Contains(other, s) })
}

// holderProblems holds those who have wraps against the holders of the environment. file is the one to name in hints.
func holderProblems(spec *seal.Spec, rules *repo.Rules, file string) []problem {
	if len(spec.Referenced()) == 0 {
		return nil
	}
	some, every := wrapHolders(spec)
	wanted := holderNames(rules.Holders)
	var all []problem
	if missing := without(wanted, every); len(missing) > 0 {
		all = append(all, problem{severityError, strings.Join(missing, ", ") + " of environment " + shown(rules.Environment) + " cannot open all of it",
			"somebody who can open it seals it again for all holders: seal rewrap --fresh " + fileHint(file)})
	}
	if extra := without(some, wanted); len(extra) > 0 {
		all = append(all, problem{severityError, shownNames(extra) + " can open it, and is no holder of environment " + shown(rules.Environment),
			"if that is not meant: seal rewrap --fresh " + fileHint(file) + ", and renew the values"})
	}
	return all
}

func holderNames(holders []repo.Holder) []string {
	names := make([]string, len(holders))
	for i, h := range holders {
		names[i] = h.Name
	}
	return names
}
