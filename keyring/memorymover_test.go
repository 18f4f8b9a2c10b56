package keyring_test

import (
	"context"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

var _ keyring.Mover = (*memorySource)(nil)

func (m *memorySource) Import(ctx context.Context, k keyring.Key, private keyring.Private) error {
	return m.do(ctx, "import", func() error {
		if m.keys[k.ID] != nil {
			return nil
		}
		imported := k
		if k.State != keyring.Destroyed {
			id, err := seal.ParseIdentity(private.Text())
			if err != nil {
				return err
			}
			imported = keyring.NewKey(k.Keyring, id, k.State, k.Created, k.Activated)
			imported.Since, imported.WasClear = k.Since, k.WasClear
		}
		m.keys[k.ID] = &keyring.Stored{Key: imported, Where: m.name + " " + k.Display(), Version: m.next()}
		return nil
	})
}

func (m *memorySource) MarkClear(ctx context.Context, k keyring.Stored) error {
	return m.do(ctx, "mark", func() error {
		now := m.keys[k.ID]
		if now == nil || now.Version != k.Version {
			return keyring.ErrConflict
		}
		now.WasClear, now.Version = true, m.next()
		return nil
	})
}

func (m *memorySource) Remove(ctx context.Context, k keyring.Stored) error {
	return m.do(ctx, "remove", func() error {
		if now := m.keys[k.ID]; now == nil || now.Version != k.Version {
			return keyring.ErrConflict
		}
		delete(m.keys, k.ID)
		return nil
	})
}

func (m *memorySource) ExportStatement(ctx context.Context, s *keyring.Statement) (private keyring.Private, err error) {
	err = m.do(ctx, "export statement", func() error {
		if now := m.statements[s.Keyring]; now == nil || now.Version != s.Version {
			return keyring.ErrConflict
		}
		private = keyring.NewPrivate(m.signers[s.Keyring])
		return nil
	})
	return private, err
}

func (m *memorySource) ImportStatement(ctx context.Context, s *keyring.Statement, private keyring.Private) error {
	return m.do(ctx, "import statement", func() error {
		if m.statements[s.Keyring] != nil {
			return keyring.ErrConflict
		}
		signer, err := statement.NewSigner(private.Text())
		m.signers[s.Keyring] = private.Text()
		m.statements[s.Keyring] = &keyring.Statement{
			Keyring: s.Keyring, VerifierKey: s.VerifierKey, Signer: signer, Note: s.Note, Claim: s.Claim, Where: m.name + " of the statement", Version: m.next(),
		}
		return err
	})
}

func (m *memorySource) RemoveStatement(ctx context.Context, s *keyring.Statement) error {
	return m.do(ctx, "remove statement", func() error {
		if now := m.statements[s.Keyring]; now == nil || now.Version != s.Version {
			return keyring.ErrConflict
		}
		delete(m.statements, s.Keyring)
		return nil
	})
}
