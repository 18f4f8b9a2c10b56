package vaultkv

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// fieldDestroying says since when a key is being destroyed: it cannot become active any more. RFC 3339.
const fieldDestroying = "destroying"

// fieldWasCompromised is "true" for a destroyed key that others knew.
const fieldWasCompromised = "wasCompromised"

// destroyedSuffix is behind the id in the name of the entry that has what is left of a destroyed key.
const destroyedSuffix = "-destroyed"

// idOf is the key id in the name of an entry below keys; false if it is none.
func idOf(name string) (id string, ok bool) {
	id = strings.TrimSuffix(name, destroyedSuffix)
	return id, keyIDRE.MatchString(id)
}

// entryOf is the name of the entry that a key was loaded from.
func entryOf(k keyring.Key) string {
	if k.State == keyring.Destroyed {
		return keyName(k.ID) + destroyedSuffix
	}
	return keyName(k.ID)
}

// destroy takes a key to Destroyed. The deletion of its entry, with all versions, is what does it; Vault knows no check-and-set for that, so a mark comes before, from which on nobody else can make the
// key active. What is left is in an entry of its own that is made before; beside the one that has the private half it says nothing.
func (s *Source) destroy(ctx context.Context, k keyring.Stored, at time.Time) error {
	marked, err := s.mark(ctx, k, at)
	if err != nil {
		return err
	}
	if err := s.bury(ctx, k.Destroyed(at)); err != nil {
		return err
	}
	return s.store.remove(ctx, keyName(k.ID), marked, "is to be destroyed, and Vault does not let this controller delete it: give its role the policy kv-remove.hcl while keys are destroyed")
}

// mark notes that a key is being destroyed, and gives the version that says so.
func (s *Source) mark(ctx context.Context, k keyring.Stored, at time.Time) (marked string, err error) {
	name := keyName(k.ID)
	v, err := s.store.unchanged(ctx, name, k.Version)
	if err != nil {
		return "", err
	}
	f, err := s.store.data(ctx, name, *v)
	switch {
	case vault.KindOf(err) == vault.Missing:
		return "", keyring.ErrConflict
	case err != nil:
		return "", err
	case f.text(fieldDestroying) != "":
		return k.Version, nil
	}
	f[fieldDestroying] = stamp(at)
	if err := s.store.put(ctx, name, v.number, f); err != nil {
		return "", err
	}
	now, _, err := s.store.look(ctx, name)
	if err == nil && (now == nil || now.number != v.number+1) {
		return "", keyring.ErrConflict
	}
	if err != nil {
		return "", err
	}
	return now.String(), nil
}

// bury makes the entry of a key that is destroyed, or brings the one that is there up to date.
func (s *Source) bury(ctx context.Context, k keyring.Key) error {
	name := entryOf(k)
	err := s.store.put(ctx, name, 0, fieldsOf(k))
	if !errors.Is(err, keyring.ErrConflict) {
		return err
	}
	v, _, err := s.store.look(ctx, name)
	if err != nil {
		return err
	}
	if v == nil {
		return keyring.ErrConflict
	}
	f, err := s.store.data(ctx, name, *v)
	if err != nil {
		return err
	}
	if f.text(fieldKeyring) != k.Keyring || f.text(fieldRecipient) != k.Recipient {
		return s.store.problem(name, "is in the way of what is left of key %s when it is destroyed: it is something else. Delete it if nothing needs it", k.Display())
	}
	return s.store.put(ctx, name, v.number, fieldsOf(k))
}

// fieldsOf are those of a key's entry, without its private half.
func fieldsOf(k keyring.Key) fields {
	f := fields{fieldKeyring: k.Keyring, fieldRecipient: k.Recipient, fieldState: string(k.State), fieldCreated: stamp(k.Created)}
	if !k.Activated.IsZero() {
		f[fieldActivated] = stamp(k.Activated)
	}
	if !k.Since.IsZero() {
		f[fieldSince] = stamp(k.Since)
	}
	if k.WasClear {
		f[fieldWasClear] = "true"
	}
	if k.WasCompromised {
		f[fieldWasCompromised] = "true"
	}
	return f
}

// readDestroyed reads what is left of a key. Its errors are as those of readKey.
func readDestroyed(name, id string, f fields) (keyring.Key, error) {
	k := keyring.Key{Keyring: name, ID: id, Recipient: f.text(fieldRecipient), State: keyring.Destroyed, WasClear: f.text(fieldWasClear) != "", WasCompromised: f.text(fieldWasCompromised) != ""}
	if f.text(fieldKeyring) != name {
		return k, fmt.Errorf("is not of keyring %s by its field %s: two Keyrings cannot have one folder", name, fieldKeyring)
	}
	if seal.KeyID(k.Recipient) != id {
		return k, fmt.Errorf("has a %s that does not belong to its name", fieldRecipient)
	}
	if f.text(fieldState) == notDestroyed {
		k.State = notDestroyed
	}
	if k.State != notDestroyed && f.text(fieldState) != string(keyring.Destroyed) {
		return k, fmt.Errorf("does not say in %s that the key is destroyed", fieldState)
	}
	err := readTimes(f, &k)
	return k, err
}
