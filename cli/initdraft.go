package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/waxwing-io/waxwing/cli/secret"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// initDraft is what a new .seal.yaml says.
type initDraft struct {
	holders      []initHolder
	breakGlass   []string
	scope        string
	environments []repo.Environment
	warnings     []string
}

// draft decides what the file says, or why it would not work.
func (o *initOptions) draft(found []initHolder) (*initDraft, error) {
	d := &initDraft{holders: found, scope: o.scope}
	if d.scope == "" {
		d.scope = seal.ScopeStrict
	}
	var holders []string
	for _, h := range found {
		switch {
		case h.breakGlass:
			d.breakGlass = append(d.breakGlass, h.Name)
		default:
			holders = append(holders, h.Name)
		}
		if h.glassOf != "" {
			d.warnings = append(d.warnings, fmt.Sprintf("break glass %s is as keyring %s names it, which nobody has signed (%s): compare it with whoever keeps these keys", h.Name, h.glassOf, keyIDs(h.Recipients)))
		}
		if missing := withoutGlass(h, found); missing != "" {
			d.warnings = append(d.warnings, fmt.Sprintf("keyring %s names break glass that is not given here (%s): its controller will warn of every object", h.Name, missing))
		}
		if h.fromConfigMap {
			d.warnings = append(d.warnings, fmt.Sprintf("the statement key of keyring %s comes from a ConfigMap: compare it with somebody who may read Keyrings before you pin it", h.Name))
		}
	}
	if err := o.addEnvironments(d, holders); err != nil {
		return nil, err
	}
	if err := d.checkClasses(); err != nil {
		return nil, err
	}
	return d, d.checkBreakGlass()
}

func keyIDs(recipients []seal.Recipient) string {
	ids := make([]string, len(recipients))
	for i, r := range recipients {
		ids[i] = "key " + r.KeyID()[:seal.KeyIDDisplay]
	}
	return strings.Join(ids, ", ")
}

// withoutGlass names the break-glass keys that a keyring names and that are not among the holders.
func withoutGlass(keyring initHolder, found []initHolder) string {
	var missing []seal.Recipient
	for _, text := range keyring.keyringGlass {
		r, err := seal.ParseRecipient(text)
		given := slices.ContainsFunc(found, func(h initHolder) bool {
			return h.breakGlass && slices.ContainsFunc(h.Recipients, func(o seal.Recipient) bool { return o.String() == text })
		})
		if err == nil && !given {
			missing = append(missing, r)
		}
	}
	return keyIDs(missing)
}

// addEnvironments says who opens what.
func (o *initOptions) addEnvironments(d *initDraft, holders []string) error {
	given := o.environments
	if len(given) == 0 {
		given = []string{"default=**"}
	}
	for _, text := range given {
		name, glob, ok := strings.Cut(text, "=")
		if !ok || name == "" || glob == "" || strings.ContainsFunc(text, func(r rune) bool { return visible(r) != r }) {
			return usage("write NAME=GLOB, such as --environment 'prod=clusters/prod/**'", "--environment: %q is no name with a path", text)
		}
		if i := slices.IndexFunc(d.environments, func(e repo.Environment) bool { return e.Name == name }); i >= 0 {
			d.environments[i].Paths = append(d.environments[i].Paths, glob)
			continue
		}
		e := repo.Environment{Name: name, Paths: []string{glob}, Holders: holders, Namespace: o.namespace}
		if len(holders) > 1 && len(o.environments) > 1 {
			e.Holders = []string{name}
		}
		d.environments = append(d.environments, e)
	}
	for _, e := range d.environments {
		// Nobody means every cluster to open every other one's values, and a guess would be silent.
		if missing := !slices.Contains(holders, e.Holders[0]); missing {
			return usage("name each environment after the holder that opens it, or edit .seal.yaml afterwards", "which of %s opens environment %s?", strings.Join(holders, ", "), shown(e.Name))
		}
	}
	return nil
}

// checkClasses refuses an environment for which nothing could be sealed: one object has wraps of one class.
func (d *initDraft) checkClasses() error {
	for _, e := range d.environments {
		byClass := map[seal.Class][]string{}
		for _, h := range d.holders {
			if !h.breakGlass && !slices.Contains(e.Holders, h.Name) {
				continue
			}
			for _, r := range h.Recipients {
				if !slices.Contains(byClass[r.Class()], h.Name) {
					byClass[r.Class()] = append(byClass[r.Class()], h.Name)
				}
			}
		}
		if len(byClass) > 1 {
			return failed("give break glass and people keys of the keyring's class: seal keys generate makes post-quantum ones, with --classical classical ones",
				"environment %s mixes post-quantum keys (%s) and classical ones (%s), and nothing can be sealed for both", shown(e.Name),
				strings.Join(byClass[seal.PostQuantum], ", "), strings.Join(byClass[seal.Classical], ", "))
		}
	}
	return nil
}

// checkBreakGlass wants a way to open Git without the cluster.
func (d *initDraft) checkBreakGlass() error {
	if len(d.breakGlass) > 0 {
		return nil
	}
	for _, h := range d.holders {
		switch {
		case h.statementKey == "":
		case h.class() == seal.Classical:
			return failed("make a key that is kept offline with seal keys generate --classical, and pass its recipient with --break-glass",
				"keyring %s is classical, and its private keys may never leave the cluster or its Vault: without break glass nobody could open Git if they are lost", h.Name)
		default:
			d.warnings = append(d.warnings, fmt.Sprintf("there is no break glass: if keyring %s is lost, nobody can open what is sealed here (--break-glass)", h.Name))
		}
	}
	return nil
}

// text is the file, in the form of docs/settings.md.
func (d *initDraft) text() []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# For whom this repository is sealed, by path. docs/settings.md of Waxwing describes the file. Whoever can change")
	line("# it decides to whom new values go: protect it as you protect the configuration of CI.")
	line("version: 1")
	line("holders:                 # who can open")
	for _, h := range d.holders {
		if h.statementKey != "" {
			line("  %s:  # a keyring: its note lies in %s/%s.note and must verify under this key", yamlWord(h.Name), repo.NotesDir, h.Name)
			line("    statementKey: %s", h.statementKey)
			continue
		}
		line("  %s:  # people", yamlWord(h.Name))
		line("    recipients:")
		for _, r := range h.Recipients {
			line("      - %s", r)
		}
	}
	if len(d.breakGlass) > 0 {
		line("breakGlass: %s  # holders that every environment has in addition", yamlWords(d.breakGlass))
	}
	line("scope: %s            # what values are bound to: strict, namespace, cluster, match:GLOB", yamlWord(d.scope))
	line("environments:            # the first one with a matching path decides")
	for _, e := range d.environments {
		line("  - name: %s", yamlWord(e.Name))
		line("    paths: %s  # from this file's folder; ** stands for any number of folders", yamlWords(e.Paths))
		line("    holders: %s", yamlWords(e.Holders))
		if e.Namespace != "" {
			line("    namespace: %s  # for Secrets that name none", yamlWord(e.Namespace))
		}
	}
	line("# signers:               # who may sign; with signed: true in an environment, seal check wants a signature")
	line("#   - {name: alice@example.org, key: ssh-ed25519 AAAA…}")
	line("# ignore: [charts/**]    # files that walks such as seal check leave out")
	return b.Bytes()
}

// yamlWord is s as a YAML scalar that every reader takes for that string.
func yamlWord(s string) string {
	plain := s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz-") == "" && s[0] != '-'
	switch s {
	case "y", "n", "yes", "no", "on", "off", "true", "false", "null":
		plain = false
	}
	if plain || strings.Contains(s, "-") && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == "" && s[0] >= 'a' {
		return s
	}
	quoted, err := secret.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(quoted)
}

func yamlWords(list []string) string {
	words := make([]string, len(list))
	for i, s := range list {
		words[i] = yamlWord(s)
	}
	return "[" + strings.Join(words, ", ") + "]"
}

// shownPaths are the environment's paths, for messages.
func shownPaths(e repo.Environment) string { return strings.Join(e.Paths, ", ") }

// shownHolders are all who can open the environment's files, for messages.
func shownHolders(e repo.Environment, breakGlass []string) string {
	return strings.Join(slices.Concat(e.Holders, breakGlass), ", ")
}
