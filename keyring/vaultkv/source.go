package vaultkv

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// Vault is what this package asks of Vault. A vault.Client implements it. A path may end in a query (`?version=3`).
type Vault interface {
	Read(ctx context.Context, path string) (*vault.Answer, error)
	List(ctx context.Context, path string) ([]string, error)
	Write(ctx context.Context, path string, body map[string]any) (*vault.Answer, error)
	Delete(ctx context.Context, path string) error
}

// Config is what a Source works with. All fields are required.
type Config struct {
	Vault Vault
	// Mount is the path of the key/value store, Path the folder in it.
	Mount, Path string
	// Now dates new keys; Rand makes statement keys (age draws its keys from crypto/rand).
	Now  func() time.Time
	Rand io.Reader
}

// Source implements keyring.Source for one keyring. It is safe for concurrent use.
type Source struct {
	store store
	now   func() time.Time
	rand  io.Reader

	mu        sync.Mutex
	keys      map[string]keyring.Stored // by entry below keys, as they were last read
	statement *keyring.Statement
}

var _ keyring.Source = (*Source)(nil)

// New gives a Source with an empty memory; it makes no request.
func New(cfg Config) *Source {
	return &Source{store: store{cfg.Vault, cfg.Mount, cfg.Path, cfg.Now}, now: cfg.Now, rand: cfg.Rand, keys: map[string]keyring.Stored{}}
}

// Names of the fields.
const (
	fieldKeyring   = "keyring"   // the keyring that it is of, so that a folder that two Keyrings name is noticed
	fieldIdentity  = "identity"  // an age identity file, as age-keygen writes it
	fieldRecipient = "recipient" // the public key
	fieldState     = "state"     // a keyring.State
	fieldCreated   = "created"   // RFC 3339
	fieldActivated = "activated" // RFC 3339; absent before
	fieldSince     = "since"     // RFC 3339, when it came into its state; absent where that is not known
	fieldSigner    = "signer"    // the private half of the statement key, in C2SP form
	fieldVerifier  = "verifier"  // the public half
	fieldNote      = "note"      // the signed recipient set; empty before the first, never absent
	fieldClaim     = "claim"     // the id of the key that is about to become active
)

const statementName = "statement"

func keyName(id string) string { return "keys/" + id }

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
