package vaultkv

import (
	"context"
	"slices"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

// notDestroyed is the state in what is left of a destruction that was taken back. It says nothing, also where the key is gone.
const notDestroyed = "NotDestroyed"

// fieldKept says when the destruction of a key was taken back. RFC 3339.
const fieldKept = "kept"

// Unbury implements keyring.KeyStore. It takes no right to delete, which may be what the destruction has lacked. The key is written first: whoever is still about to destroy it, as it was, has a conflict.
func (s *Source) Unbury(ctx context.Context, k keyring.Stored) error {
	if err := s.update(ctx, keyName(k.ID), k.Version, fields{fieldKept: stamp(s.now())}); err != nil {
		return err
	}
	dead := k.Key
	dead.State = keyring.Destroyed
	v, _, err := s.store.look(ctx, entryOf(dead))
	if v == nil || err != nil {
		return err
	}
	f, err := s.store.data(ctx, entryOf(dead), *v)
	if vault.KindOf(err) == vault.Missing {
		return keyring.ErrConflict
	}
	if err != nil || f.text(fieldKeyring) != k.Keyring {
		return err
	}
	f[fieldState] = notDestroyed
	return s.store.put(ctx, entryOf(dead), v.number, f)
}

// dropLeft deletes what is left of a destruction that has not come to its end.
func (s *Source) dropLeft(ctx context.Context, k keyring.Key) error {
	k.State = keyring.Destroyed
	v, _, err := s.store.look(ctx, entryOf(k))
	if v == nil || err != nil {
		return err
	}
	return s.store.remove(ctx, entryOf(k), v.String(), moveNeeds)
}

// beside says whether an entry is what is left of a destruction while there is one with the private half. names are in order.
func beside(names []string, entry string) bool {
	id, _ := idOf(entry)
	_, alive := slices.BinarySearch(names, id)
	return alive && entry != id
}

// joined are the keys of all entries, in their order. What is left of a destruction says nothing beside the entry that has the private half, but that the destruction has begun, and nothing at all if it
// was taken back.
func joined(names []string, entries map[string]keyring.Stored) []keyring.Stored {
	var keys []keyring.Stored
	for _, entry := range names {
		k, ok := entries[entry]
		if !ok || beside(names, entry) || k.State == notDestroyed {
			continue
		}
		left, begun := entries[entry+destroyedSuffix]
		k.Buried = begun && left.State == keyring.Destroyed
		keys = append(keys, k)
	}
	return keys
}
