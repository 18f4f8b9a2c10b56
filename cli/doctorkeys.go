package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/waxwing-io/waxwing/repo"
)

// oldNote is the age from which a note is worth a look: keyrings rotate more often.
const oldNote = 400 * 24 * time.Hour

// checkSettings reads .seal.yaml and all notes, and gives the holders.
func (d *doctor) checkSettings(ctx context.Context) []repo.Holder {
	tree, err := d.env.settings()
	var dir string
	if err == nil {
		dir, err = filepath.Abs(d.env.path("."))
	}
	var holders []repo.Holder
	if err == nil {
		holders, err = tree.Holders(dir)
	}
	switch {
	case errors.Is(err, repo.ErrNoSettings):
		d.say("settings", healthWarn, "seal init writes one", "there is no %s: each command needs -r or -R", repo.SettingsName)
		return nil
	case err != nil:
		d.say("settings", healthFail, hint(err), "%v", err)
		return nil
	}
	if err := d.checkEnvironments(ctx, tree, dir); err != nil {
		d.say("settings", healthFail, hint(err), "%v", err)
	} else {
		d.say("settings", healthOK, "", "%s, %s", repo.SettingsName, countOf(len(holders), "holder"))
	}
	for _, h := range holders {
		d.checkHolder(h)
	}
	return holders
}

// checkEnvironments asks for the rules of a file for each environment of the nearest settings, as if there were one that matches.
func (d *doctor) checkEnvironments(ctx context.Context, tree *repo.Tree, dir string) error {
	root, ok := repo.Root(dir)
	if !ok {
		root = dir
	}
	for at := dir; ; at = filepath.Dir(at) {
		path := filepath.Join(at, repo.SettingsName)
		data, err := readFile(ctx, path, repo.SettingsName, maxWired)
		if err == nil {
			settings, err := repo.ParseSettings(repo.SettingsName, data)
			if err != nil {
				return err
			}
			known, err := tree.Holders(at)
			if err != nil {
				return err
			}
			names := holderNames(known)
			for _, e := range settings.Environments {
				d.signed = d.signed || e.Signed
				wanted := slices.Clone(e.Holders)
				if e.BreakGlass != nil {
					wanted = append(wanted, *e.BreakGlass...)
				} else if settings.BreakGlass != nil {
					wanted = append(wanted, *settings.BreakGlass...)
				}
				if missing := without(wanted, names); len(missing) > 0 {
					return failed("define it under holders", "%s: environment %s: holder %s is not defined", repo.SettingsName, shown(e.Name), shownNames(missing))
				}
			}
		}
		if at == root || filepath.Dir(at) == at {
			return nil
		}
	}
}

func (d *doctor) checkHolder(h repo.Holder) {
	set, err := h.Read()
	switch {
	case err != nil:
		d.say("holder", healthFail, hint(err), "%s: %v", h.Name, err)
	case set.Statement == nil:
		d.say("holder", healthOK, "", "%s: %s of people", h.Name, countOf(len(set.Recipients), "key"))
	default:
		age := d.env.Now().Sub(set.Statement.At)
		text := fmt.Sprintf("%s: the note verifies; set %d, %s, signed %s", h.Name, set.Statement.Set, countOf(len(set.Recipients), "key"), ageWords(age))
		if age > oldNote {
			d.say("holder", healthWarn, fmt.Sprintf("seal keys fetch --keyring %s --save", h.Name), "%s", text)
			return
		}
		d.say("holder", healthOK, "", "%s", text)
	}
}
