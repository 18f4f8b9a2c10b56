package cli

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/sshkey"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/repo"
)

const (
	envRecipients = "SEAL_RECIPIENTS_FILE"
	defaultHolder = "default"
)

// recipientFlags are the flags that say for whom to seal.
type recipientFlags struct {
	recipients    []string
	files         []string
	statementKeys []string
	plugins       pluginFlags
}

func (f *recipientFlags) addTo(flags *pflag.FlagSet) {
	flags.StringArrayVarP(&f.recipients, "recipient", "r", nil, "seal for `[HOLDER=]RECIPIENT` (age1pq1…, age1…, waxrsa1…, \"ssh-ed25519 …\", \"ssh-rsa …\"); repeatable, HOLDER is \"default\" if left out")
	flags.StringArrayVarP(&f.files, "recipients-file", "R", nil, "seal for the recipients in `FILE`: a signed note, or lines of [HOLDER=]RECIPIENT; repeatable")
	flags.StringArrayVar(&f.statementKeys, "statement-key", nil, "take signed notes only under this `VKEY` (NAME+HASH+KEY); one for each holder")
	f.plugins.addTo(flags)
}

// holderSet collects recipients by holder.
type holderSet struct {
	byName map[string]*heldBy
	parse  func(text string) (seal.Recipient, error)
}

type heldBy struct {
	note       bool // the holder's whole set comes from a signed note
	source     string
	recipients []seal.Recipient
}

// given reads what flags and environment say. Flags win; without either the result is empty.
func (f *recipientFlags) given(ctx context.Context, env *Env) ([]seal.Holder, error) {
	set := f.newSet(ctx, env)
	for _, text := range f.recipients {
		if err := set.addLine(text, "-r"); err != nil {
			return nil, fmt.Errorf("-r: %w", err)
		}
	}
	files := f.files
	if len(files) == 0 && len(f.recipients) == 0 {
		files = filepath.SplitList(env.Getenv(envRecipients))
	}
	for _, name := range files {
		b, err := env.read(ctx, name, "recipients", maxKeyFile)
		if err != nil {
			return nil, err
		}
		if err := f.addFile(set, shownName(name), b); err != nil {
			return nil, err
		}
	}
	return set.sorted(), nil
}

func (f *recipientFlags) newSet(ctx context.Context, env *Env) *holderSet {
	return &holderSet{byName: map[string]*heldBy{}, parse: func(text string) (seal.Recipient, error) { return f.plugins.parseRecipient(ctx, env, text) }}
}

func (f *recipientFlags) addFile(set *holderSet, name string, b []byte) error {
	b, err := keyText(name, b)
	if err != nil {
		return err
	}
	if statement.IsNote(b) {
		note, err := f.openNote(b)
		if err == nil {
			err = set.add(note.Holder, &heldBy{note: true, source: name, recipients: note.Recipients})
		}
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		return nil
	}
	if len(f.statementKeys) > 0 {
		return failed("--statement-key takes signed notes only: fetch one with `seal keys fetch`", "%s: is not a signed note", name)
	}
	found := false
	for n, line := range keyLines(b) {
		if err := set.addLine(line, name); err != nil {
			return fmt.Errorf("%s:%d: %w", name, n, err)
		}
		found = true
	}
	if !found {
		return failed("write one [HOLDER=]RECIPIENT a line", "%s: holds no recipient", name)
	}
	return nil
}

// openNote verifies the note if there is a statement key for it; with keys for other holders only, it is refused.
func (f *recipientFlags) openNote(b []byte) (statement.Recipients, error) {
	claimed, err := statement.ReadRecipients(b)
	if err != nil || len(f.statementKeys) == 0 {
		return claimed, err
	}
	for _, key := range f.statementKeys {
		if name, _, _ := strings.Cut(key, "+"); name == claimed.Holder {
			return statement.OpenRecipients(b, key)
		}
	}
	return claimed, failed("give the holder's statement key, too", "the note is about holder %s, and no --statement-key is named so", claimed.Holder)
}

func (s *holderSet) addLine(text, source string) error {
	holder, recipient := defaultHolder, text
	// The base64 of an SSH key may end with =.
	if before, after, ok := strings.Cut(text, "="); ok && !sshkey.Is(text) {
		holder, recipient = before, after
	}
	r, err := s.parse(strings.TrimSpace(recipient))
	if err != nil {
		return err
	}
	return s.add(strings.TrimSpace(holder), &heldBy{source: source, recipients: []seal.Recipient{r}})
}

// add joins recipients of one holder. A signed note is the holder's whole set: nothing may be added to it by hand.
func (s *holderSet) add(holder string, h *heldBy) error {
	old, ok := s.byName[holder]
	if !ok {
		s.byName[holder] = h
		return nil
	}
	if old.note || h.note {
		return failed("a signed note is the holder's whole set: give it alone", "holder %s is given twice, by %s and by %s", holder, old.source, h.source)
	}
	for _, r := range h.recipients {
		if !slices.ContainsFunc(old.recipients, func(o seal.Recipient) bool { return o.String() == r.String() }) {
			old.recipients = append(old.recipients, r)
		}
	}
	return nil
}

func (s *holderSet) sorted() []seal.Holder {
	holders := make([]seal.Holder, 0, len(s.byName))
	for name, h := range s.byName {
		holders = append(holders, seal.Holder{Name: name, Recipients: h.recipients})
	}
	slices.SortFunc(holders, func(a, b seal.Holder) int { return cmp.Compare(a.Name, b.Name) })
	return holders
}

// noRecipients is said when something has to be sealed and nobody said for whom.
func noRecipients() error {
	return usage("give -r RECIPIENT or -R FILE, or set "+envRecipients+"; `seal init` writes a "+repo.SettingsName+" that says it for a whole repository", "no recipients given")
}
