// Package vaulttransit has the private halves of a keyring's keys in Vault's Transit engine, which they never leave: each sealing key is an RSA-4096 key there, and Vault
// decrypts.
package vaulttransit

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// recheck is how long what Vault has said of a key is taken for true. Each look at the keyring asks for at least one key, so that it is known whether Vault answers.
const recheck = 10 * time.Minute

// Vault is one Vault. A vault.Client implements it.
type Vault interface {
	Read(ctx context.Context, path string) (*vault.Answer, error)
	Write(ctx context.Context, path string, body map[string]any) (*vault.Answer, error)
	Delete(ctx context.Context, path string) error
}

// Config is what a Custody works with. All fields are required.
type Config struct {
	Vault Vault
	// Mount is the path of the Transit engine, Prefix what the names of this keyring's keys in it begin with.
	Mount, Prefix string
	// Now is the clock, Rand a cryptographically secure source.
	Now  func() time.Time
	Rand io.Reader
}

// Custody implements secretsource.Custody: what Secrets have is the name of a Transit key. It is safe for concurrent use.
type Custody struct {
	cfg  Config
	held held

	mu     sync.Mutex
	known  map[string]known
	making map[string]string // names by what begins them after the prefix
}

// known is a key that was found to be as it must be.
type known struct {
	recipient string
	at        time.Time
}

var _ secretsource.Custody = (*Custody)(nil)

// New makes no request.
func New(cfg Config) *Custody {
	return &Custody{cfg: cfg, held: held{now: cfg.Now, entries: map[place]entry{}}, known: map[string]known{}, making: map[string]string{}}
}

// Form implements secretsource.Custody.
func (c *Custody) Form() secretsource.Form { return secretsource.TransitForm() }

// NewKey implements secretsource.Custody.
func (c *Custody) NewKey(ctx context.Context, _ string, class seal.Class) (recipient string, kept []byte, err error) {
	if class != seal.Classical {
		return "", nil, &keyring.Problem{Where: "spec.class", Msg: "must be classical: Transit's keys are RSA keys"}
	}
	name, err := c.make(ctx, "", typeRSA)
	if err != nil {
		return "", nil, err
	}
	recipient, err = c.read(ctx, name)
	if err == nil {
		c.made("")
	}
	if problem := (*fault)(nil); errors.As(err, &problem) {
		return "", nil, &keyring.Problem{Where: c.where(name), Msg: problem.msg}
	}
	return recipient, []byte(name + "\n"), err
}

// make makes a Transit key and gives its name. Until made is called, the name stays the same, and Vault takes making what is there for done: so a Vault that is too slow to
// answer (an RSA key takes it seconds, and longer while it has much to do) does not end up with a key for each try.
func (c *Custody) make(ctx context.Context, what, kind string) (name string, err error) {
	if name, err = c.name(what); err != nil {
		return "", err
	}
	answer, err := c.cfg.Vault.Write(ctx, c.path("keys", name), map[string]any{"type": kind, "exportable": false, "allow_plaintext_backup": false})
	if err := c.note(ctx, answer, err); err != nil {
		if v := (*vault.Error)(nil); errors.As(err, &v) && v.Kind == vault.Missing { // what is made cannot be missing
			return "", c.noEngine()
		}
		return "", c.problem(err)
	}
	return name, nil
}

// name is that of a key that is being made.
func (c *Custody) name(what string) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if name, ok := c.making[what]; ok {
		return name, nil
	}
	id, err := ulid.New(ulid.Timestamp(c.cfg.Now()), c.cfg.Rand)
	if err != nil {
		return "", fmt.Errorf("naming a Transit key: %w", err)
	}
	c.making[what] = c.cfg.Prefix + what + strings.ToLower(id.String())
	return c.making[what], nil
}

// made says that a key is made and has a place in a Secret, as far as that can be known here.
func (c *Custody) made(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.making, what)
}

// Identities implements secretsource.Custody. A key that is known is asked for again after a while, and the one that was asked for the longest time ago each time.
func (c *Custody) Identities(ctx context.Context, _ string, held []secretsource.Held) ([]secretsource.Found, error) {
	found := make([]secretsource.Found, len(held))
	oldest := c.oldest(held)
	for i, h := range held {
		name, err := c.named(h.Kept)
		if err == nil && !c.fresh(name, h.Recipient, oldest) {
			err = c.check(ctx, name, h.Recipient)
		}
		if err != nil {
			refused := (*fault)(nil)
			if !errors.As(err, &refused) {
				return nil, c.problem(err)
			}
			found[i].Err = fmt.Errorf("names the Transit key %s, which %w", c.path("keys", name), refused)
			if name == "" {
				found[i].Err = errors.New(refused.msg)
			}
			continue
		}
		found[i].Identity = c.identity(name, h.Recipient)
	}
	return found, nil
}

// oldest is the name of the key that was asked for the longest time ago; empty if there is none that is known.
func (c *Custody) oldest(held []secretsource.Held) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	name, at := "", time.Time{}
	for _, h := range held {
		n := strings.TrimSpace(string(h.Kept))
		if k, ok := c.known[n]; ok && (name == "" || k.at.Before(at)) {
			name, at = n, k.at
		}
	}
	return name
}

func (c *Custody) fresh(name, recipient, oldest string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	k, ok := c.known[name]
	return ok && name != oldest && k.recipient == recipient && c.cfg.Now().Sub(k.at) < recheck
}

// check holds what Vault says of a key against what a key has to be.
func (c *Custody) check(ctx context.Context, name, recipient string) error {
	is, err := c.read(ctx, name)
	if err == nil && is != recipient {
		err = &fault{msg: "has another public half than the recipient that is kept with it: the key was deleted and made anew, or the Secret was changed; restore the Secret, or " + snapshot}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch refused := (*fault)(nil); {
	case err == nil:
		c.known[name] = known{recipient, c.cfg.Now()}
	case errors.As(err, &refused):
		delete(c.known, name)
	}
	return err
}

// nameRE is that of one element of a path of Vault.
var nameRE = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,253}$`)

// named reads the name of a Transit key from a Secret, which cannot point to the key of another keyring.
func (c *Custody) named(kept []byte) (string, error) {
	name := strings.TrimSpace(string(kept))
	if !nameRE.MatchString(name) {
		return "", &fault{msg: "does not name a Transit key in " + c.Form().DataIdentity}
	}
	if !strings.HasPrefix(name, c.cfg.Prefix) {
		return "", &fault{msg: fmt.Sprintf("names a Transit key that is not of this keyring: its name does not begin with %s, the prefix of spec.source", c.cfg.Prefix)}
	}
	return name, nil
}

func (c *Custody) path(operation, name string) string {
	return c.cfg.Mount + "/" + operation + "/" + name
}

func (c *Custody) where(name string) string { return "Transit key " + c.path("keys", name) }

// note notes the request that was made, if Vault has one, and gives back its error.
func (c *Custody) note(ctx context.Context, answer *vault.Answer, err error) error {
	if answer != nil {
		keyring.NoteRequest(ctx, answer.RequestID)
	}
	if v := (*vault.Error)(nil); errors.As(err, &v) {
		keyring.NoteRequest(ctx, v.RequestID)
	}
	return err
}

// problem makes a *keyring.Problem of an error that stays until somebody changes Vault's set-up or the Keyring.
func (c *Custody) problem(err error) error {
	v := (*vault.Error)(nil)
	if !errors.As(err, &v) || (v.Kind != vault.Refused && !noMount(v)) {
		return err
	}
	if noMount(v) {
		return c.noEngine()
	}
	return &keyring.Problem{Where: "Vault", Msg: "refuses what a Transit engine takes, " + v.Doing + ": " + v.Msg + "; see that " + c.cfg.Mount + " is a Transit engine"}
}

func (c *Custody) noEngine() error {
	return &keyring.Problem{
		Where: "spec.source.vaultTransit.mount",
		Msg:   fmt.Sprintf("is %s, and Vault has no Transit engine there: vault secrets enable -path=%s transit, or correct the mount", c.cfg.Mount, c.cfg.Mount),
	}
}

// noMount says whether Vault has answered that no Transit engine is mounted where the request went.
func noMount(v *vault.Error) bool {
	return v.Kind == vault.Missing && slices.ContainsFunc([]string{"no handler for route", "unsupported path", "route entry not found"}, func(part string) bool { return strings.Contains(v.Msg, part) })
}
