package cli

import (
	"context"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/repo"
	"github.com/waxwing-io/waxwing/repo/scan"
)

// look finds whom the user means, what settings say of them, and what they could ever open. Nothing is changed.
func (b *offboarding) look(ctx context.Context, prefix string) error {
	root, _, err := repositoryOf(b.env)
	if err != nil {
		return err
	}
	if root == nil {
		root = []string{"."}
	}
	if err := b.readSettings(ctx, root); err != nil {
		return err
	}
	if b.files, err = keyFilesIn(ctx, b.env, root); err != nil {
		return err
	}
	if b.keyID, err = b.meant(prefix); err != nil {
		return err
	}
	if err := b.refuseKeyring(); err != nil {
		return err
	}
	if err := b.change(); err != nil {
		return err
	}
	return b.choose(ctx)
}

// readSettings reads all .seal.yaml of the repository, in the order of their names.
func (b *offboarding) readSettings(ctx context.Context, root []string) error {
	inputs, err := b.env.inputs(root, b.env.listed(ctx, scan.Options{}))
	if err != nil {
		return err
	}
	for _, in := range inputs {
		if filepath.Base(in.name) != repo.SettingsName {
			continue
		}
		path, err := settingsPath(b.env, in.name)
		if err != nil {
			return err
		}
		s := leftSettings{File: in.name, path: path}
		if s.old, err = readFile(ctx, path, in.name, maxWired); err != nil {
			return err
		}
		if s.parsed, err = repo.ParseSettings(in.name, s.old); err != nil {
			return err
		}
		b.settings = append(b.settings, s)
	}
	return nil
}

// meant is the whole id of the key that begins with prefix, among the recipients that settings list and the keys that files name.
func (b *offboarding) meant(prefix string) (string, error) {
	ids := map[string]bool{}
	for _, s := range b.settings {
		for _, h := range s.parsed.Holders {
			for _, text := range h.Recipients {
				if r, err := repo.ParseRecipient(text); err == nil {
					ids[r.KeyID()] = true
				}
			}
		}
	}
	b.eachKey(func(_, id string) { ids[id] = true })
	found := slices.DeleteFunc(slices.Sorted(maps.Keys(ids)), func(id string) bool { return !strings.HasPrefix(id, prefix) })
	switch len(found) {
	case 0:
		return "", failed("seal keys list shows whom "+repo.SettingsName+" names", "no %s here lists a recipient with the id %s, and nothing is sealed for it", repo.SettingsName, displayID(prefix))
	case 1:
		return found[0], nil
	}
	return "", usage("give more digits, or the recipient", "several keys have an id that begins with %s: %s", prefix, strings.Join(found, ", "))
}

// eachKey calls do with the holder and the id of each key that a file names, also of those that its wraps were for earlier.
func (b *offboarding) eachKey(do func(holder, id string)) {
	for i := range b.files.files {
		for _, wraps := range b.files.files[i].Wraps {
			for _, w := range wraps {
				for _, id := range slices.Concat(w.Keys, w.Before) {
					do(w.Holder, id)
				}
			}
		}
	}
}

// refuseKeyring refuses a key that a keyring's controller has.
func (b *offboarding) refuseKeyring() error {
	keyring := ""
	pinned := map[string]bool{}
	tree, err := b.env.settings()
	if err != nil {
		return err
	}
	for _, s := range b.settings {
		holders, err := tree.Holders(filepath.Dir(s.path))
		if err != nil && !errors.Is(err, repo.ErrNoSettings) {
			return err
		}
		for _, h := range holders {
			if h.StatementKey == "" {
				continue
			}
			pinned[h.Name] = true
			set, err := tree.Set(h)
			if err != nil {
				continue // seal doctor tells of a note that cannot be read
			}
			for _, r := range set.Recipients {
				if r.KeyID() == b.keyID {
					keyring = h.Name
				}
			}
		}
	}
	b.eachKey(func(holder, id string) {
		if id == b.keyID && pinned[holder] {
			keyring = holder
		}
	})
	if keyring == "" {
		return nil
	}
	return failed("if others have it: seal keys compromise "+displayID(b.keyID)+"; otherwise seal keys rotate", "%s is a key of keyring %s, whose controller has it, and nobody's own", displayID(b.keyID), shown(keyring))
}

// change works out the new settings.
func (b *offboarding) change() error {
	var alone []string
	for i := range b.settings {
		s := &b.settings[i]
		s.Holders, s.Dropped = s.parsed.HeldBy(b.keyID)
		alone = append(alone, s.Dropped...)
	}
	if len(alone) > 0 && !b.o.dropHolder {
		return failed("add a recipient of somebody else first, or have the holder go with --drop-holder", "%s is the only recipient of %s", displayID(b.keyID), shownNames(alone))
	}
	var changed []leftSettings
	for _, s := range b.settings {
		var err error
		if s.new, err = repo.Without(s.File, s.old, repo.Leaving{KeyID: b.keyID, Drop: b.dropped(s.path, alone)}); err != nil {
			return err
		}
		b.signers = b.signers || s.parsed.Signers != nil
		if string(s.new) != string(s.old) {
			changed = append(changed, s)
		}
	}
	b.settings = changed
	return nil
}

// dropped are those of the names that go from the settings at path: where the definition that is in force there goes, in them or further up. A name that is defined
// further down only goes where all of those do. One name may stand for other people in the folder beside.
func (b *offboarding) dropped(path string, names []string) map[string]bool {
	drop := map[string]bool{}
	for _, name := range names {
		inForce, further, goes := false, 0, 0
		for i := range b.settings {
			s := &b.settings[i]
			if _, defined := s.parsed.Holders[name]; !defined {
				continue
			}
			leaves := slices.Contains(s.Dropped, name)
			switch {
			case isBelow(filepath.Dir(path), filepath.Dir(s.path)):
				inForce, drop[name] = true, leaves
			case isBelow(filepath.Dir(s.path), filepath.Dir(path)):
				further++
				if leaves {
					goes++
				}
			}
		}
		if !inForce {
			drop[name] = further > 0 && goes == further
		}
	}
	return drop
}

// isBelow says whether dir is the folder top or lies below it; both are absolute.
func isBelow(dir, top string) bool {
	rel, err := filepath.Rel(top, dir)
	return err == nil && filepath.IsLocal(rel)
}

// choose sorts out which files are sealed anew, and which are left.
func (b *offboarding) choose(ctx context.Context) error {
	inside := map[string]bool{}
	if len(b.paths) > 0 {
		inputs, err := b.env.inputs(b.paths, b.env.listed(ctx, scan.Options{}))
		if err != nil {
			return err
		}
		for _, in := range inputs {
			path, err := settingsPath(b.env, in.name)
			if err != nil {
				return err
			}
			inside[path] = true
		}
	}
	only := map[string]bool{b.keyID: true}
	b.values, b.anew, b.left, b.chosen = []fileKey{}, []fileKey{}, []fileKey{}, map[string]bool{}
	for i := range b.files.files {
		f := &b.files.files[i]
		could := f.Could(only)
		if len(could) == 0 {
			continue
		}
		path, err := settingsPath(b.env, f.Path)
		if err != nil {
			return err
		}
		k := fileKey{f.Path, f.Document, f.Place, f.Name, could}
		b.values = append(b.values, k)
		if len(b.paths) == 0 || inside[path] {
			b.chosen[f.Path] = true
			b.anew = append(b.anew, k)
		} else if can := f.Can(only); len(can) > 0 {
			k.Items = can
			b.left = append(b.left, k)
		}
	}
	return nil
}
