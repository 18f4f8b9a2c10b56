package sealed

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// Config is what a Custody works with. All fields are required.
type Config struct {
	Vault Vault
	// Mount is the path of the Transit engine, Key the name of the key in it.
	Mount, Key string
	// Cluster is the UID of the namespace kube-system, which names the cluster.
	Cluster string
	// Rand makes statement keys (age draws its keys from crypto/rand).
	Rand io.Reader
}

// Custody implements secretsource.Custody. It is safe for concurrent use.
type Custody struct {
	transit transit
	cluster string
	rand    io.Reader

	mu         sync.Mutex
	identities map[string]map[sealedText]seal.Identity // by keyring: those that its Secrets had when they were last read
	signers    map[string]openedSigner                 // by keyring
}

var _ secretsource.Custody = (*Custody)(nil)

// openedSigner is a statement key in memory.
type openedSigner struct {
	from   sealedText
	signer note.Signer
}

// New gives a Custody with an empty memory; it makes no request.
func New(cfg Config) *Custody {
	return &Custody{
		transit: transit{cfg.Vault, cfg.Mount, cfg.Key}, cluster: cfg.Cluster, rand: cfg.Rand,
		identities: map[string]map[sealedText]seal.Identity{}, signers: map[string]openedSigner{},
	}
}

// Form implements secretsource.Custody.
func (*Custody) Form() secretsource.Form { return secretsource.SealedForm() }

// NewKey implements secretsource.Custody. The private key is not kept in memory: it is used once it has come back out of Vault.
func (c *Custody) NewKey(ctx context.Context, keyring string, class seal.Class) (recipient string, kept []byte, err error) {
	id, text, err := secretsource.Generate(class)
	if err != nil {
		return "", nil, err
	}
	kept, err = c.Seal(ctx, keyring, id, text)
	return id.Recipient(), kept, err
}

// Seal gives the form in which a Secret keeps the private key text of id.
func (c *Custody) Seal(ctx context.Context, keyring string, id seal.Identity, text string) ([]byte, error) {
	if err := c.transit.check(ctx); err != nil {
		return nil, err
	}
	return c.transit.encrypt(ctx, secretsource.IdentityFile(id, text), binding(purposeIdentity, c.cluster, keyring, id.KeyID()))
}

// Identities implements secretsource.Custody.
func (c *Custody) Identities(ctx context.Context, keyring string, held []secretsource.Held) ([]secretsource.Found, error) {
	found := make([]secretsource.Found, len(held))
	texts := make([]sealedText, len(held))
	var ask []int
	known := c.known(keyring)
	for i, h := range held {
		// The id is that of the recipient in the Secret. If that is another key's, the associated data are others and Vault refuses.
		texts[i] = sealedText{string(h.Kept), binding(purposeIdentity, c.cluster, keyring, seal.KeyID(h.Recipient))}
		switch id, ok := known[texts[i]]; {
		case ok:
			found[i].Identity = id
		case !texts[i].wellFormed():
			found[i].Err = fmt.Errorf("has no ciphertext of Vault's Transit engine in %s", c.Form().DataIdentity)
		default:
			ask = append(ask, i)
		}
	}
	if err := c.decrypt(ctx, texts, ask, found); err != nil {
		return nil, err
	}
	now := map[sealedText]seal.Identity{}
	for i, f := range found {
		if f.Err == nil {
			now[texts[i]] = f.Identity
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identities[keyring] = now
	return found, nil
}

func (c *Custody) known(keyring string) map[sealedText]seal.Identity {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.identities[keyring] // replaced as a whole, never changed
}

// decrypt fills found at the places that ask names.
func (c *Custody) decrypt(ctx context.Context, texts []sealedText, ask []int, found []secretsource.Found) error {
	if len(ask) == 0 {
		return nil
	}
	batch := make([]sealedText, len(ask))
	for n, i := range ask {
		batch[n] = texts[i]
	}
	opened, err := c.transit.decrypt(ctx, batch)
	if err != nil {
		return err
	}
	for n, i := range ask {
		if found[i].Err = opened[n].err; found[i].Err == nil {
			found[i].Identity, found[i].Err = secretsource.ReadIdentityFile(opened[n].plain, c.Form().DataIdentity)
		}
		clear(opened[n].plain)
	}
	return nil
}

// NewSigner implements secretsource.Custody.
func (c *Custody) NewSigner(ctx context.Context, keyring string) (verifierKey string, kept []byte, err error) {
	signer, verifierKey, err := statement.GenerateKey(c.rand, keyring)
	if err != nil {
		return "", nil, fmt.Errorf("making a statement key: %w", err)
	}
	kept, err = c.SealSigner(ctx, keyring, verifierKey, signer)
	return verifierKey, kept, err
}

// SealSigner gives the form in which a Secret keeps the statement key signer, whose public half is verifierKey.
func (c *Custody) SealSigner(ctx context.Context, keyring, verifierKey, signer string) ([]byte, error) {
	if err := c.transit.check(ctx); err != nil {
		return nil, err
	}
	return c.transit.encrypt(ctx, []byte(signer+"\n"), binding(purposeStatement, c.cluster, keyring, verifierKey))
}
