package vaultkv

import (
	"context"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// LoadStatement implements keyring.StatementStore.
func (s *Source) LoadStatement(ctx context.Context, name string) (*keyring.Statement, error) {
	for range attempts {
		v, vanishes, err := s.store.look(ctx, statementName)
		if v == nil || err != nil {
			return nil, err
		}
		if !vanishes.IsZero() {
			return nil, s.store.problem(statementName, "%s", s.store.vanishes(statementName, v.number, stamp(vanishes)))
		}
		if st := s.remembered(v.String()); st != nil {
			return st, nil
		}
		f, err := s.store.data(ctx, statementName, *v)
		if errors.Is(err, keyring.ErrConflict) || vault.KindOf(err) == vault.Missing {
			continue // changed in between
		}
		if err != nil {
			return nil, err
		}
		st, err := readStatement(name, f)
		if err != nil {
			return nil, s.store.problem(statementName, "%v", err)
		}
		st.Where, st.Version = s.store.where(statementName), v.String()
		s.mu.Lock()
		defer s.mu.Unlock()
		s.statement = st
		c := *st
		return &c, nil
	}
	return nil, s.store.problem(statementName, "is being changed all the time")
}

func (s *Source) remembered(version string) *keyring.Statement {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.statement == nil || s.statement.Version != version {
		return nil
	}
	c := *s.statement
	return &c
}

// readStatement is to the statement key what readKey is to a sealing key.
func readStatement(name string, f fields) (*keyring.Statement, error) {
	if f.text(fieldKeyring) != name {
		return nil, fmt.Errorf("is not of keyring %s by its field %s: two Keyrings cannot have one folder", name, fieldKeyring)
	}
	signer, err := statement.NewSigner(f.text(fieldSigner))
	if err != nil {
		return nil, fmt.Errorf("has a malformed statement key in %s", fieldSigner)
	}
	verifier, err := statement.NewVerifier(f.text(fieldVerifier))
	if err != nil {
		return nil, fmt.Errorf("has a malformed statement key in %s", fieldVerifier)
	}
	if signer.Name() != name || verifier.Name() != name || signer.KeyHash() != verifier.KeyHash() {
		return nil, fmt.Errorf("has a %s and a %s that do not belong together, or to keyring %s", fieldSigner, fieldVerifier, name)
	}
	// Without the set the numbering would begin again under the same key, so a field that somebody removed is not taken for one that was never filled.
	note, ok := f[fieldNote].(string)
	if !ok {
		return nil, fmt.Errorf("has lost its field %s with the last recipient set: restore it, from the status of the keyring or its ConfigMap", fieldNote)
	}
	return &keyring.Statement{Keyring: name, VerifierKey: f.text(fieldVerifier), Signer: signer, Note: []byte(note), Claim: f.text(fieldClaim)}, nil
}

// CreateStatement implements keyring.StatementStore.
func (s *Source) CreateStatement(ctx context.Context, name string) error {
	signer, verifier, err := statement.GenerateKey(s.rand, name)
	if err != nil {
		return fmt.Errorf("making a statement key: %w", err)
	}
	return s.store.put(ctx, statementName, 0, fields{fieldKeyring: name, fieldSigner: signer, fieldVerifier: verifier, fieldNote: "", fieldClaim: ""})
}

// SaveStatement implements keyring.StatementStore.
func (s *Source) SaveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.update(ctx, statementName, st.Version, fields{fieldNote: string(st.Note), fieldClaim: st.Claim})
}
