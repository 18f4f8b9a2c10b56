package keyring

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// Forget takes a keyring that was deleted, and its keys, out of the Ring, and notes in the audit log that it is gone. Its source keeps the keys. With an error only the
// note is missing, and Forget has to be called again.
func (m *Manager) Forget(ctx context.Context, name string) error {
	defer m.lock(name)()
	m.drop(name, "")
	m.use(name)
	return m.noteDeleted(ctx, name)
}

// succeed deals with a Keyring that was deleted and made again under its name, before anybody has seen that it was away.
func (m *Manager) succeed(ctx context.Context, kr *v1alpha1.Keyring) error {
	m.drop(kr.Name, kr.UID)
	return m.noteDeleted(ctx, kr.Name)
}

// drop takes a keyring out of memory, unless it is the one with the uid.
func (m *Manager) drop(name string, except types.UID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, ok := m.held[name]
	if !ok || h.uid == except {
		return
	}
	op := audit.Operation{
		Action: audit.ActionKeyringDeleted, Object: audit.Object{Kind: "Keyring", Name: name, UID: string(h.uid)}, Actor: audit.Actor{User: audit.Unattributed},
	}
	for _, k := range h.part.Keys {
		op.Keys = append(op.Keys, audit.Key{Keyring: name, ID: k.ID})
	}
	m.deleted[name] = append(m.deleted[name], op)
	delete(m.held, name)
	m.store()
}

// noteDeleted notes the keyrings of the name that are gone.
func (m *Manager) noteDeleted(ctx context.Context, name string) error {
	m.mu.Lock()
	waiting := m.deleted[name]
	m.mu.Unlock()
	for i, op := range waiting {
		err := m.cfg.Audit.Note(ctx, op, audit.Outcome{OK: true})
		m.mu.Lock()
		if m.deleted[name] = waiting[i:]; err == nil {
			m.deleted[name] = waiting[i+1:]
		}
		if len(m.deleted[name]) == 0 {
			delete(m.deleted, name)
		}
		m.mu.Unlock()
		if err != nil {
			return fmt.Errorf("noting that keyring %s is gone: %w", name, err)
		}
	}
	return nil
}
