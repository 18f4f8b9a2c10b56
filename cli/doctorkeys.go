package cli

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/cli/cluster"
	"github.com/waxwing-io/waxwing/crypto/statement"
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

// checkCluster asks for each keyring that is pinned. A keyring that is not there may be in another cluster.
func (d *doctor) checkCluster(ctx context.Context, holders []repo.Holder) {
	asked := false
	for _, h := range holders {
		if h.StatementKey == "" {
			continue
		}
		asked = true
		err := d.checkKeyring(ctx, h)
		var status *cluster.StatusError
		switch {
		case err == nil:
			continue
		case errors.Is(err, cluster.ErrNoKeyring):
			d.say("cluster", healthWarn, "if it is in another cluster, name that with --context", "%s: %v", h.Name, err)
			continue
		case errors.As(err, &status), errors.Is(err, cluster.ErrForbidden), errors.Is(err, cluster.ErrNotReady):
			d.say("cluster", healthFail, hint(withClusterHint(err)), "%s: %v", h.Name, err)
			continue
		case errors.Is(err, context.DeadlineExceeded):
			d.say("cluster", healthFail, "is the cluster up, and does the network lead there? --timeout waits longer", "the cluster does not answer within %s", d.o.timeout)
		default:
			d.say("cluster", healthFail, hint(withClusterHint(err)), "%v", err)
		}
		// What is away is away for all keyrings.
		return
	}
	if !asked {
		d.say("cluster", healthWarn, "seal init --keyring NAME pins one", "no keyring is pinned: there is nothing to ask the cluster for")
	}
}

// checkKeyring compares what the cluster publishes with pin and note.
func (d *doctor) checkKeyring(ctx context.Context, h repo.Holder) error {
	client, err := d.o.fetch.client(d.env)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, d.o.timeout)
	defer cancel()
	// A credential plugin of a kubeconfig may do anything in the meantime.
	published, err := unlessDone(ctx, func() (*cluster.Published, error) { return client.Keyring(ctx, h.Name, d.o.fetch.namespace) })
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return err
	}
	r, err := statement.OpenRecipients(published.Note, h.StatementKey)
	if err != nil {
		d.say("cluster", healthFail, "if the keyring was made anew, check its new key with those who did, and change the pin; otherwise this is not the cluster that was meant",
			"%s: what the cluster publishes is not signed by the key that is pinned: %v", h.Name, err)
		return nil
	}
	fetch := fmt.Sprintf("seal keys fetch --keyring %s --save", h.Name)
	set, err := h.Read()
	switch {
	case err != nil:
		// The note itself was found wanting before.
		d.say("cluster", healthWarn, fetch, "%s: the cluster publishes set %d", h.Name, r.Set)
	case set.Statement.Set < r.Set:
		d.say("cluster", healthWarn, fetch, "%s: the cluster publishes set %d, and the note has set %d", h.Name, r.Set, set.Statement.Set)
	case set.Statement.Set > r.Set:
		d.say("cluster", healthFail, "was the keyring restored from an old backup? Ask its administrators", "%s: the cluster publishes set %d, older than the note's %d", h.Name, r.Set, set.Statement.Set)
	default:
		d.say("cluster", healthOK, "", "%s: the note is what the cluster publishes, set %d of %s", h.Name, r.Set, strings.TrimSpace(r.At.UTC().Format(time.DateOnly)))
	}
	return nil
}
