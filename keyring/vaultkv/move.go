package vaultkv

import (
	"context"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// fieldWasClear is "true" for a key that has lain in a Secret in the clear before it was moved here.
const fieldWasClear = "wasClear"

var _ keyring.Mover = (*Source)(nil)

// Import implements keyring.Mover.
func (s *Source) Import(ctx context.Context, k keyring.Key, private keyring.Private) error {
	if k.State == keyring.Destroyed {
		return s.bury(ctx, k)
	}
	file, err := secretsource.PrivateFile(k.Recipient, private)
	if err != nil {
		return err
	}
	f := fieldsOf(k)
	f[fieldIdentity] = string(file)
	return s.store.put(ctx, keyName(k.ID), 0, f)
}

// MarkClear implements keyring.Mover.
func (s *Source) MarkClear(ctx context.Context, k keyring.Stored) error {
	return s.update(ctx, entryOf(k.Key), k.Version, fields{fieldWasClear: "true"})
}

const moveNeeds = "was copied, and Vault does not let this controller delete the original: give its role the policy kv-remove.hcl for the time of the move"

// Remove implements keyring.Mover. All versions go. Vault's deletion has no check-and-set, so the version is looked at just before. The entry of a destruction that has not come to its end goes first:
// alone, it would say that the key is destroyed.
func (s *Source) Remove(ctx context.Context, k keyring.Stored) error {
	if k.State != keyring.Destroyed {
		if err := s.dropLeft(ctx, k.Key); err != nil {
			return err
		}
	}
	return s.store.remove(ctx, entryOf(k.Key), k.Version, moveNeeds)
}

// remove deletes an entry that is as it was loaded; denied is what to say where Vault does not allow it.
func (s store) remove(ctx context.Context, name, loaded, denied string) error {
	if _, err := s.unchanged(ctx, name, loaded); err != nil {
		return err
	}
	err := s.vault.Delete(ctx, s.mount+"/metadata/"+s.full(name))
	if vault.KindOf(err) == vault.Denied {
		return s.problem(name, "%s (%v)", denied, err)
	}
	if err != nil {
		return s.failed(name, err)
	}
	return nil
}

// ExportStatement implements keyring.Mover.
func (s *Source) ExportStatement(ctx context.Context, st *keyring.Statement) (keyring.Private, error) {
	v, _, err := s.store.look(ctx, statementName)
	if err == nil && (v == nil || v.String() != st.Version) {
		return keyring.Private{}, keyring.ErrConflict
	}
	if err != nil {
		return keyring.Private{}, err
	}
	f, err := s.store.data(ctx, statementName, *v)
	if vault.KindOf(err) == vault.Missing {
		return keyring.Private{}, keyring.ErrConflict
	}
	if err != nil {
		return keyring.Private{}, err
	}
	return keyring.NewPrivate(f.text(fieldSigner)), nil
}

// ImportStatement implements keyring.Mover.
func (s *Source) ImportStatement(ctx context.Context, st *keyring.Statement, private keyring.Private) error {
	return s.store.put(ctx, statementName, 0, fields{
		fieldKeyring: st.Keyring, fieldSigner: private.Text(), fieldVerifier: st.VerifierKey, fieldNote: string(st.Note), fieldClaim: st.Claim,
	})
}

// RemoveStatement implements keyring.Mover.
func (s *Source) RemoveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.store.remove(ctx, statementName, st.Version, moveNeeds)
}
