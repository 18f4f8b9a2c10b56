package cli

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"

	"filippo.io/age"
	"filippo.io/age/plugin"
	"github.com/spf13/pflag"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/repo"
)

// pluginFlags say which plugins of age may be run. A file alone never makes anything run: it may come from a repository.
type pluginFlags struct{ flag *pflag.Flag }

// addTo adds the flag, or finds it: identities and recipients of one command share it.
func (f *pluginFlags) addTo(flags *pflag.FlagSet) {
	if flags.Lookup("plugin") == nil {
		flags.StringArray("plugin", nil, "let age-plugin-`NAME` from PATH be run, for keys that are its own (age1NAME1…, AGE-PLUGIN-NAME-1…); repeatable")
	}
	f.flag = flags.Lookup("plugin")
}

func (f *pluginFlags) allowed() []string {
	if f.flag == nil {
		return nil
	}
	names, _ := f.flag.Value.(pflag.SliceValue)
	return names.GetSlice()
}

// check refuses a plugin that no flag allows.
func (f *pluginFlags) check(place, name string) error {
	for _, allowed := range f.allowed() {
		if strings.EqualFold(strings.TrimPrefix(allowed, "age-plugin-"), name) {
			return nil
		}
	}
	return failed("if you trust the program, allow it with --plugin "+name, "%s: needs the program age-plugin-%s, which is not run unasked", place, name)
}

// plugin reads an identity of a plugin. Its recipient, which gives the key id, stands in a comment above it or in a flag.
func (r identityReader) plugin(place, line, comment string) (seal.Identity, error) {
	name, _, err := plugin.ParseIdentity(line)
	if err != nil {
		return seal.Identity{}, failed("", "%s: malformed identity of a plugin", place)
	}
	if err := r.flags.plugins.check(place, name); err != nil {
		return seal.Identity{}, err
	}
	recipient := comment
	if recipient == "" {
		recipient = strings.TrimSpace(r.flags.pluginRecipient)
	}
	if recipient == "" {
		return seal.Identity{}, failed(`write "# public key: age1…" above it, or give --plugin-recipient`, "%s: does not say which recipient the identity of plugin %s has", place, name)
	}
	if !isRecipientText(recipient) {
		return seal.Identity{}, failed("", "%s: the recipient given for the identity of plugin %s is malformed", place, name)
	}
	id, err := plugin.NewIdentity(line, r.env.pluginUI(r.ctx))
	if err != nil {
		return seal.Identity{}, failed("", "%s: malformed identity of a plugin", place)
	}
	return seal.NewIdentity(recipient, pluginIdentity{ctx: r.ctx, name: name, place: place, inner: id}), nil
}

// isRecipientText says whether text is a recipient of age or of one of its plugins, in its one spelling.
func isRecipientText(text string) bool {
	if r, err := seal.ParseRecipient(text); err == nil {
		return r.String() == text
	}
	_, _, err := plugin.ParseRecipient(text)
	return err == nil && text == strings.ToLower(text)
}

// pluginIdentity runs a plugin until ctx ends. A plugin that fails says nothing about what it was to open.
type pluginIdentity struct {
	ctx         context.Context
	name, place string
	inner       age.Identity
}

// Unwrap implements age.Identity.
func (p pluginIdentity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	key, err := unlessDone(p.ctx, func() ([]byte, error) { return p.inner.Unwrap(stanzas) })
	if err != nil && !errors.Is(err, age.ErrIncorrectIdentity) {
		return nil, &seal.Unusable{Err: pluginFailure(p.place, p.name, err)}
	}
	return key, err
}

func pluginFailure(place, name string, err error) error {
	var missing *plugin.NotFoundError
	if errors.As(err, &missing) {
		return cannotUse("install it, or put its folder into PATH", "%s: the program age-plugin-%s is not found", place, name)
	}
	return cannotUse("", "%s: %v", place, err)
}

// parseRecipient reads a recipient of any kind: age's own, an SSH public key, or that of a plugin where a flag allows it.
func (f *pluginFlags) parseRecipient(ctx context.Context, env *Env, text string) (seal.Recipient, error) {
	r, err := repo.ParseRecipient(text)
	if name, _, notPlugin := plugin.ParseRecipient(text); err == nil || notPlugin != nil || name == "" {
		return r, err
	}
	return f.recipient(ctx, env, text)
}

// recipient reads a recipient of a plugin (age1NAME1…). It runs the plugin once: only that tells the class of what it makes.
func (f *pluginFlags) recipient(ctx context.Context, env *Env, text string) (seal.Recipient, error) {
	name, _, err := plugin.ParseRecipient(text)
	if err != nil {
		return seal.Recipient{}, errors.New("malformed recipient of a plugin")
	}
	if err := f.check("the recipient "+shown(text), name); err != nil {
		return seal.Recipient{}, err
	}
	inner, err := plugin.NewRecipient(text, env.pluginUI(ctx))
	if err != nil {
		return seal.Recipient{}, errors.New("malformed recipient of a plugin")
	}
	r := pluginRecipient{ctx: ctx, name: name, inner: inner}
	probe := make([]byte, 16)
	_, _ = rand.Read(probe)
	stanzas, err := r.Wrap(probe)
	switch {
	case err != nil:
		return seal.Recipient{}, err
	case len(stanzas) != 1:
		return seal.Recipient{}, failed("", "plugin %s makes %d stanzas for one recipient; the sealed format has room for one", name, len(stanzas))
	}
	class := seal.Classical
	if strings.HasPrefix(stanzas[0].Type, "mlkem768") {
		class = seal.PostQuantum
	}
	return seal.NewRecipient(text, r, class), nil
}

// pluginRecipient runs a plugin until ctx ends.
type pluginRecipient struct {
	ctx   context.Context
	name  string
	inner *plugin.Recipient
}

// Wrap implements age.Recipient.
func (p pluginRecipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	stanzas, _, err := p.WrapWithLabels(fileKey)
	return stanzas, err
}

// WrapWithLabels implements age.RecipientWithLabels: a plugin may say that its stanzas are post-quantum.
func (p pluginRecipient) WrapWithLabels(fileKey []byte) ([]*age.Stanza, []string, error) {
	var stanzas []*age.Stanza
	var labels []string
	_, err := unlessDone(p.ctx, func() (_ []byte, err error) {
		stanzas, labels, err = p.inner.WrapWithLabels(fileKey)
		return nil, err
	})
	if err != nil {
		return nil, nil, pluginFailure("sealing", p.name, err)
	}
	return stanzas, labels, nil
}

// pluginUI lets a plugin speak to the person, at the terminal.
func (e *Env) pluginUI(ctx context.Context) *plugin.ClientUI {
	say := func(name, text string) { message(e.Stderr, "seal: ", fmt.Sprintf("plugin %s: %s", name, text)) }
	ask := func(name, prompt string, echo bool) (string, error) {
		b, err := e.ask(ctx, fmt.Sprintf("plugin %s: %s ", name, prompt), echo)
		if errors.Is(err, errNoTerminal) {
			say(name, "it asks for something, and there is no terminal")
		}
		return string(b), err
	}
	return &plugin.ClientUI{
		DisplayMessage: func(name, text string) error {
			say(name, text)
			return nil
		},
		RequestValue: func(name, prompt string, secret bool) (string, error) { return ask(name, prompt, !secret) },
		Confirm: func(name, prompt, yes, no string) (bool, error) {
			choice := "y: " + yes
			if no != "" {
				choice += ", n: " + no
			}
			answer, err := ask(name, prompt+" ("+choice+")", true)
			return strings.HasPrefix(strings.ToLower(strings.TrimSpace(answer)), "y"), err
		},
		WaitTimer: func(name string) { say(name, "waiting for it; it may want to be touched") },
	}
}
