package controller

import (
	"context"
	"sync"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// offerRings gives what offers are signed and verified with.
type offerRings interface {
	Offerer(ctx context.Context, keyring string) (keyring.Offerer, error)
	Published() []keyring.Published
}

// offerSigners are the Offerers of one batch, each asked for once. Safe for concurrent use.
type offerSigners struct {
	ctx   context.Context
	rings offerRings
	mu    sync.Mutex
	known map[string]func() (keyring.Offerer, error)
}

func newOfferSigners(ctx context.Context, rings offerRings) *offerSigners {
	return &offerSigners{ctx: ctx, rings: rings, known: map[string]func() (keyring.Offerer, error){}}
}

func (s *offerSigners) of(name string) (keyring.Offerer, error) {
	s.mu.Lock()
	ask := s.known[name]
	if ask == nil {
		ask = sync.OnceValues(func() (keyring.Offerer, error) { return s.rings.Offerer(s.ctx, name) })
		s.known[name] = ask
	}
	s.mu.Unlock()
	return ask()
}

// all says whether the keyrings still have the sets that wraps are due for, and can be signed for.
func (s *offerSigners) all(due []unseal.Due) (current bool, err error) {
	for _, d := range due {
		offerer, err := s.of(d.Keyring)
		if err != nil {
			return false, err
		}
		if offerer.Set != d.Set.Set {
			return false, nil
		}
	}
	return true, nil
}

// verifierKey is the public half of a keyring's statement key; empty where none is known.
func (s *offerSigners) verifierKey(name string) string {
	for _, p := range s.rings.Published() {
		if p.Keyring == name {
			return p.VerifierKey
		}
	}
	return ""
}
