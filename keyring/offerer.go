package keyring

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Offerer makes rewrap offers of one keyring.
type Offerer struct {
	// Holder is the keyring with its present recipients, Set the number of that set.
	Holder seal.Holder
	Set    uint64
	// Signer is the statement key. It is good for as long as the context with which the Offerer was asked for.
	Signer note.Signer
}

// Offerer reads the statement key of a keyring, between an intent and an outcome of its own. A keyring that has no recipient set at present, or another one in its source than in
// memory, gives an error: it is being changed.
func (m *Manager) Offerer(ctx context.Context, keyring string) (Offerer, error) {
	m.mu.Lock()
	h := m.held[keyring]
	m.mu.Unlock()
	if h.part.Set.Holder == "" {
		return Offerer{}, fmt.Errorf("keyring %s has no recipient set at present", keyring)
	}
	id, err := m.cfg.Audit.Intent(ctx, audit.Operation{
		Action: audit.ActionKeyLoad, Object: audit.Object{Kind: "StatementKey", Name: keyring, UID: string(h.uid)}, Actor: audit.Actor{User: audit.Unattributed, Manager: actor},
	})
	if err != nil {
		return Offerer{}, &refusal{ReasonAuditUnavailable, false, err}
	}
	doing, requests := WithRequests(ctx)
	st, operr := m.statementOf(doing, keyring, h)
	out := audit.Outcome{OK: operr == nil, VaultRequest: requests.String()}
	if operr != nil {
		out.Reason, out.Message = reasonOf(operr), operr.Error()
	}
	// What was done is recorded also when the controller is about to stop.
	if err := m.cfg.Audit.Outcome(context.WithoutCancel(ctx), id, out); err != nil && operr == nil {
		operr = &refusal{ReasonAuditUnavailable, false, err}
	}
	if operr != nil {
		return Offerer{}, operr
	}
	return Offerer{Holder: h.part.Set.SealHolder(), Set: h.part.Set.Set, Signer: st.Signer}, nil
}

// statementOf reads the record whose recipient set is the one in memory, in the first of the keyring's sources that has one.
func (m *Manager) statementOf(ctx context.Context, keyring string, h held) (*Statement, error) {
	for _, spec := range h.sources {
		src, err := m.cfg.Source(ctx, keyring, spec)
		if err != nil {
			return nil, err
		}
		if src == nil {
			continue
		}
		st, err := src.LoadStatement(ctx, keyring)
		if err != nil {
			return nil, err
		}
		if st == nil {
			continue
		}
		set, err := st.Set()
		if err != nil {
			return nil, err
		}
		if set == nil || set.Text() != h.part.Set.Text() || st.VerifierKey != h.note.VerifierKey {
			return nil, ErrConflict
		}
		return st, nil
	}
	return nil, errors.New("no source of the keyring has its statement key")
}
