package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

// defaultBreakGlass is the holder of break-glass recipients that name none.
const defaultBreakGlass = "breakglass"

// initHolder is a holder that goes into .seal.yaml.
type initHolder struct {
	seal.Holder
	statementKey  string // with note, of a keyring
	note          []byte
	fromConfigMap bool
	breakGlass    bool
	// keyringGlass are the break-glass recipients that a keyring names, and glassOf is the keyring that this holder is the break glass of. They are not signed.
	keyringGlass []string
	glassOf      string
}

// holders gathers all holders that the flags name, those of the cluster included.
func (o *initOptions) holders(ctx context.Context, env *Env) ([]initHolder, error) {
	found, err := o.givenHolders(ctx, env)
	if err != nil {
		return nil, err
	}
	glass, err := o.breakGlassHolders()
	if err != nil {
		return nil, err
	}
	if len(o.keyrings) == 0 && len(found) == 0 {
		return nil, usage("give --keyring NAME to take the keys of a cluster's keyring, or -r [HOLDER=]RECIPIENT", "nobody to seal for is given")
	}
	for _, name := range o.keyrings {
		h, err := o.fromCluster(ctx, env, name)
		if err != nil {
			return nil, err
		}
		found = append(found, h)
	}
	if len(glass) == 0 {
		if glass, err = glassOfKeyrings(found); err != nil {
			return nil, err
		}
	}
	found = append(found, glass...)
	slices.SortStableFunc(found, func(a, b initHolder) int { return cmp.Compare(a.Name, b.Name) })
	for i := 1; i < len(found); i++ {
		if found[i].Name == found[i-1].Name {
			return nil, usage("a holder is a keyring, or people: give them names of their own, as NAME=RECIPIENT", "holder %s is given twice", found[i].Name)
		}
	}
	return found, nil
}

// givenHolders are those of -r and -R. A signed note is taken under a statement key only, because that is what gets pinned.
func (o *initOptions) givenHolders(ctx context.Context, env *Env) ([]initHolder, error) {
	set := holderSet{byName: map[string]*heldBy{}, parse: repo.ParseRecipient}
	for _, text := range o.recipients {
		if err := set.addLine(text, "-r"); err != nil {
			return nil, fmt.Errorf("-r: %w", err)
		}
	}
	if err := once(o.files...); err != nil {
		return nil, err
	}
	notes := map[string][]byte{}
	for _, name := range o.files {
		b, err := env.read(ctx, name, "recipients", maxKeyFile)
		if err != nil {
			return nil, err
		}
		if b, err = keyText(shownName(name), b); err != nil {
			return nil, err
		}
		if statement.IsNote(b) {
			if len(o.statementKeys) == 0 {
				return nil, usage("give the key that its administrators name, with --statement-key; --keyring takes note and key from a cluster",
					"%s is a signed note, and there is no statement key to pin", shownName(name))
			}
			if claimed, err := statement.ReadRecipients(b); err == nil {
				notes[claimed.Holder] = b
			}
		}
		lines := o.recipientFlags
		if !statement.IsNote(b) {
			lines.statementKeys = nil
		}
		if err := lines.addFile(&set, shownName(name), b); err != nil {
			return nil, err
		}
	}
	if len(o.statementKeys) > 0 && len(notes) == 0 {
		return nil, usage("give the note with -R FILE", "--statement-key is for notes given with -R")
	}
	var found []initHolder
	for _, h := range set.sorted() {
		more := initHolder{Holder: h, note: notes[h.Name]}
		for _, key := range o.statementKeys {
			if name, _, _ := strings.Cut(key, "+"); name == h.Name && more.note != nil {
				more.statementKey = key
			}
		}
		found = append(found, more)
	}
	return found, nil
}

func (o *initOptions) breakGlassHolders() ([]initHolder, error) {
	set := holderSet{byName: map[string]*heldBy{}, parse: repo.ParseRecipient}
	for _, text := range o.breakGlass {
		if sshkey.Is(text) || !strings.Contains(text, "=") {
			text = defaultBreakGlass + "=" + text
		}
		if err := set.addLine(text, "--break-glass"); err != nil {
			return nil, fmt.Errorf("--break-glass: %w", err)
		}
	}
	var found []initHolder
	for _, h := range set.sorted() {
		found = append(found, initHolder{Holder: h, breakGlass: true})
	}
	return found, nil
}

func (o *initOptions) fromCluster(ctx context.Context, env *Env, name string) (initHolder, error) {
	fetch := o.fetch
	fetch.keyring = name
	published, key, err := fetch.fetch(ctx, env)
	if err != nil {
		return initHolder{}, err
	}
	r, err := statement.OpenRecipients(published.Note, key)
	if err != nil {
		return initHolder{}, fmt.Errorf("keyring %s: %w", name, err)
	}
	return initHolder{Holder: r.SealHolder(), statementKey: key, note: published.Note, fromConfigMap: published.FromConfigMap, keyringGlass: published.BreakGlass}, nil
}

// glassOfKeyrings are the break-glass holders that keyrings name: one for each different group.
func glassOfKeyrings(found []initHolder) ([]initHolder, error) {
	var all []initHolder
	for _, k := range found {
		if len(k.keyringGlass) == 0 {
			continue
		}
		h := initHolder{Holder: seal.Holder{Name: k.Name + "-" + defaultBreakGlass}, breakGlass: true, glassOf: k.Name}
		for _, text := range k.keyringGlass {
			r, err := seal.ParseRecipient(text)
			if err != nil {
				return nil, failed("mend spec.breakGlass of the Keyring, or say who breaks glass with --break-glass", "keyring %s: a break-glass recipient is malformed", k.Name)
			}
			h.Recipients = append(h.Recipients, r)
		}
		if !slices.ContainsFunc(all, func(o initHolder) bool { return sameRecipients(o.Recipients, h.Recipients) }) {
			all = append(all, h)
		}
	}
	if len(all) == 1 {
		all[0].Name = defaultBreakGlass
	}
	return all, nil
}

func sameRecipients(a, b []seal.Recipient) bool {
	return slices.EqualFunc(a, b, func(x, y seal.Recipient) bool { return x.String() == y.String() })
}

// class is the class of the holder's recipients. A note never mixes them.
func (h initHolder) class() seal.Class {
	if len(h.Recipients) == 0 {
		return ""
	}
	return h.Recipients[0].Class()
}
