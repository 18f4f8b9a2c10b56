package cli

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// backupReport is what `seal keys backup --verify -o json` prints.
type backupReport struct {
	File         string      `json:"file"`
	Keyring      string      `json:"keyring"`
	At           string      `json:"at"`
	StatementKey string      `json:"statementKey"`
	Pinned       bool        `json:"pinned"`           // the signature was checked under a key that is pinned, or was given
	Opened       bool        `json:"opened"`           // break glass has opened it
	Statement    string      `json:"statementPrivate"` // inside or elsewhere
	Set          uint64      `json:"set,omitempty"`
	BreakGlass   []string    `json:"breakGlass"` // key ids
	Keys         []backupKey `json:"keys"`
}

// backupKey is one key of it.
type backupKey struct {
	KeyID   string `json:"keyId"`
	State   string `json:"state"`
	Created string `json:"created"`
	Private string `json:"private"` // inside, elsewhere or gone
	Proved  bool   `json:"proved"`
}

// rehearse checks a backup in a file, and with identities opens it and proves what is inside.
func (o *keysBackupOptions) rehearse(ctx context.Context, env *Env) error {
	if err := once(append([]string{o.verify}, o.identityFlags.files...)...); err != nil {
		return err
	}
	signed, err := env.read(ctx, o.verify, "a backup", maxKeyFile)
	if err != nil {
		return err
	}
	name := shownName(o.verify)
	b, pinned, err := trustedBackup(env, name, signed, o.statementKey)
	if err != nil {
		return err
	}
	if !pinned {
		warn(env.Stderr, fmt.Sprintf("no statement key is pinned for %s: the backup is signed by %s; compare that with who wrote it down", b.Holder, b.StatementKey))
	}
	if o.keyring != "" && o.keyring != b.Holder {
		return failed("", "%s is a backup of keyring %s", name, b.Holder)
	}
	var opened statement.Contents
	with := len(o.identityFlags.files) > 0 || env.Getenv(envIdentities) != ""
	if with && len(b.Age) > 0 {
		ids, err := o.identities(ctx, env)
		if err != nil {
			return err
		}
		if opened, err = unlockBackup(name, b, ids); err != nil {
			return err
		}
		if err := proveContents(env, b, opened); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return o.reportBackup(env, name, b, pinned, with && len(b.Age) > 0)
}

// trustedBackup opens a backup under the key that was given or that .seal.yaml pins for its keyring. pinned is false where there is neither, and it is signed by the key that it names.
func trustedBackup(env *Env, name string, signed []byte, given string) (b statement.Backup, pinned bool, err error) {
	claimed, err := statement.ReadBackup(signed)
	if err != nil {
		return b, false, fmt.Errorf("%s: %w", name, err)
	}
	key := given
	if key == "" {
		h, err := pinnedHolder(env, claimed.Holder)
		if err != nil {
			return b, false, err
		}
		if h != nil {
			key = h.StatementKey
		}
	}
	if pinned = key != ""; !pinned {
		key = claimed.StatementKey
	}
	b, err = openBackup(name, signed, key)
	return b, pinned, err
}

// proveContents seals something to each key that is inside and opens it again.
func proveContents(env *Env, b statement.Backup, contents statement.Contents) error {
	ids, err := identitiesOf(contents)
	if err != nil {
		return err
	}
	var errs []error
	for _, id := range ids {
		errs = append(errs, keyring.Probe(keyring.NewKey(b.Holder, id, keyring.Deactivated, b.At, b.At), env.Now, env.Rand))
	}
	return errors.Join(errs...)
}

func (o *keysBackupOptions) reportBackup(env *Env, name string, b statement.Backup, pinned, opened bool) error {
	r := backupReport{File: name, Keyring: b.Holder, At: stampText(b.At), StatementKey: b.StatementKey, Pinned: pinned, Opened: opened, Statement: b.StatementPrivate, BreakGlass: []string{}, Keys: []backupKey{}}
	if set, err := b.Set(); err == nil && set != nil {
		r.Set = set.Set
	}
	for _, g := range b.BreakGlass {
		r.BreakGlass = append(r.BreakGlass, g.KeyID())
	}
	for _, k := range b.Keys {
		r.Keys = append(r.Keys, backupKey{KeyID: k.Recipient.KeyID(), State: k.State, Created: stampText(k.Created), Private: k.Private, Proved: opened && k.Private == statement.Inside})
	}
	if o.output == "json" {
		out, err := secret.Marshal(r)
		if err != nil {
			return err
		}
		return env.writeOut(stdinArg, append(out, '\n'), 0)
	}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY ID\tSTATE\tCREATED\tPRIVATE KEY")
	for _, k := range r.Keys {
		private := k.Private
		if k.Proved {
			private += ", proved"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", k.KeyID[:seal.KeyIDDisplay], k.State, k.Created, private)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if err := env.writeOut(stdinArg, out.Bytes(), 0); err != nil {
		return err
	}
	for _, line := range describeBackup(b) {
		message(env.Stderr, "seal: ", line)
	}
	if !opened && len(b.Age) > 0 {
		message(env.Stderr, "seal: ", "only the signature was checked: -i BREAKGLASS opens it and proves each key")
	}
	return nil
}

// describeBackup says what a backup has in it, a line each.
func describeBackup(b statement.Backup) []string {
	var inside, elsewhere []string
	for _, k := range b.Keys {
		switch k.Private {
		case statement.Inside:
			inside = append(inside, displayID16(k))
		case statement.Elsewhere:
			elsewhere = append(elsewhere, displayID16(k))
		}
	}
	var what []string
	if len(inside) > 0 {
		what = append(what, countOf(len(inside), "private key")+" ("+some(inside)+")")
	}
	if b.StatementPrivate == statement.Inside {
		what = append(what, "the statement key")
	}
	if len(what) == 0 {
		what = append(what, "no private key")
	}
	text := fmt.Sprintf("backup of keyring %s of %s: %s", b.Holder, day(b.At), strings.Join(what, " and "))
	if len(b.Age) > 0 {
		text += "; break glass opens it: " + displayRecipients(b.BreakGlass)
	}
	lines := []string{text}
	if len(elsewhere) > 0 {
		lines = append(lines, "keys "+some(elsewhere)+" never leave the place where they are kept, and are not in it: back up that place (Vault); without it only break glass opens what is sealed to them")
	}
	return lines
}

func displayID16(k statement.BackupKey) string { return k.Recipient.KeyID()[:seal.KeyIDDisplay] }

func stampText(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
