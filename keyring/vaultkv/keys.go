package vaultkv

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/keyring/vault"
)

var keyIDRE = regexp.MustCompile(`^[0-9a-f]{32}$`)

// attempts bounds how often something is read again that is being changed by somebody else.
const attempts = 3

// Load implements keyring.KeyStore. A key that Vault does not let this controller read is a fault, and the one in memory stays in use; if it lets it read none of them, that
// is the error.
func (s *Source) Load(ctx context.Context, name string) ([]keyring.Stored, []keyring.Problem, error) {
	names, err := s.store.list(ctx)
	if err != nil {
		return nil, nil, err
	}
	known, now := s.inMemory(), map[string]keyring.Stored{}
	var faults []keyring.Problem
	var denied []error
	for _, entry := range names {
		id, ok := idOf(entry)
		if !ok {
			faults = append(faults, *s.store.problem("keys/"+entry, "is not named after a key id, so Waxwing has not made it: nothing else belongs in this folder"))
			continue
		}
		k, fault, err := s.load(ctx, name, entry, known)
		if vault.KindOf(err) == vault.Denied {
			denied = append(denied, err)
			k, fault = known[entry], s.store.problem("keys/"+entry, "cannot be read: %v", err)
			err = nil
		}
		if err != nil {
			return nil, nil, err
		}
		if fault != nil && !beside(names, entry) {
			fault.KeyID = id
			faults = append(faults, *fault)
		}
		if k.ID != "" {
			now[entry] = k
		}
	}
	if len(denied) > 0 && len(denied) == len(names) {
		return nil, nil, denied[0]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys = now
	return joined(names, now), faults, nil
}

func (s *Source) inMemory() map[string]keyring.Stored {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.keys // replaced as a whole, never changed
}

// list gives the names of the entries of keys, in order.
func (s store) list(ctx context.Context) ([]string, error) {
	names, err := s.vault.List(ctx, s.mount+"/metadata/"+s.full("keys"))
	if len(names) == 0 && (err == nil || vault.KindOf(err) == vault.Missing) {
		return nil, s.known(ctx)
	}
	if err != nil {
		return nil, s.failed("keys", err)
	}
	slices.Sort(names)
	return names, nil
}

// load gives the key of one entry, from memory if Vault has the same version. A fault may come with a key, which can be used all the same. Neither stands for one that is gone.
func (s *Source) load(ctx context.Context, name, entry string, known map[string]keyring.Stored) (keyring.Stored, *keyring.Problem, error) {
	path := "keys/" + entry
	for range attempts {
		v, vanishes, err := s.store.look(ctx, path)
		if v == nil || err != nil {
			return problemOf(err)
		}
		k, ok := known[entry]
		if !ok || k.Version != v.String() {
			f, err := s.store.data(ctx, path, *v)
			if errors.Is(err, keyring.ErrConflict) || vault.KindOf(err) == vault.Missing {
				continue // changed in between
			}
			if err != nil {
				return problemOf(err)
			}
			key, err := readEntry(name, entry, f)
			if err != nil {
				return keyring.Stored{}, s.store.problem(path, "%v", err), nil
			}
			k = keyring.Stored{Key: key, Where: s.store.where(path), Version: v.String()}
		}
		if !vanishes.IsZero() {
			return k, s.store.problem(path, "%s", s.store.vanishes(path, v.number, stamp(vanishes))), nil
		}
		return k, nil, nil
	}
	return keyring.Stored{}, s.store.problem(path, "is being changed all the time"), nil
}

// problemOf parts what is wrong with one key from what is wrong with all.
func problemOf(err error) (keyring.Stored, *keyring.Problem, error) {
	if p := (*keyring.Problem)(nil); errors.As(err, &p) {
		one := *p
		return keyring.Stored{}, &one, nil
	}
	return keyring.Stored{}, nil, err
}

func readEntry(name, entry string, f fields) (keyring.Key, error) {
	if id, _ := idOf(entry); id != entry {
		return readDestroyed(name, id, f)
	}
	return readKey(name, entry, f)
}

// readKey reads one key. Its errors are part of a sentence that begins with the entry's name, and never quote a field.
func readKey(name, id string, f fields) (keyring.Key, error) {
	if f.text(fieldKeyring) != name {
		return keyring.Key{}, fmt.Errorf("is not of keyring %s by its field %s: two Keyrings cannot have one folder, and a key is not moved by copying it", name, fieldKeyring)
	}
	identity, err := secretsource.ReadIdentityFile([]byte(f.text(fieldIdentity)), fieldIdentity)
	if err != nil {
		return keyring.Key{}, err
	}
	if f.text(fieldRecipient) != identity.Recipient() {
		return keyring.Key{}, fmt.Errorf("has a %s that does not belong to its %s", fieldRecipient, fieldIdentity)
	}
	if identity.KeyID() != id {
		return keyring.Key{}, fmt.Errorf("holds a key that belongs in %s", keyName(identity.KeyID()))
	}
	state := keyring.State(f.text(fieldState))
	if !state.Known() {
		return keyring.Key{}, fmt.Errorf("has no state of a key in %s", fieldState)
	}
	if state == keyring.Destroyed {
		return keyring.Key{}, fmt.Errorf("says in %s that the key is destroyed, and still has it: delete this entry with all versions if that is meant, or write %s", fieldState, keyring.Deactivated)
	}
	k := keyring.NewKey(name, identity, state, time.Time{}, time.Time{})
	k.WasClear = f.text(fieldWasClear) != ""
	err = readTimes(f, &k)
	return k, err
}

// readTimes fills in the dates of a key whose state is known.
func readTimes(f fields, k *keyring.Key) (err error) {
	if k.Created, err = readTime(f, fieldCreated, true); err != nil {
		return err
	}
	if k.Activated, err = readTime(f, fieldActivated, k.State == keyring.Active); err != nil {
		return err
	}
	k.Since, err = readTime(f, fieldSince, false)
	return err
}

func readTime(f fields, field string, required bool) (time.Time, error) {
	if _, ok := f[field]; !ok && !required {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, f.text(field))
	if err != nil {
		return time.Time{}, fmt.Errorf("has no time in %s", field)
	}
	return t, nil
}

// Create implements keyring.KeyStore.
func (s *Source) Create(ctx context.Context, name string, class seal.Class) (string, error) {
	id, text, err := secretsource.Generate(class)
	if err != nil {
		return "", err
	}
	k := keyring.Key{Keyring: name, ID: id.KeyID(), Recipient: id.Recipient(), State: keyring.PreActive, Created: s.now()}
	k.Since = k.Created
	f := fieldsOf(k)
	f[fieldIdentity] = string(secretsource.IdentityFile(id, text))
	return k.ID, s.store.put(ctx, keyName(k.ID), 0, f)
}

// SetState implements keyring.KeyStore.
func (s *Source) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	if err := keyring.Step(k.State, to); err != nil {
		return err
	}
	if to == keyring.Destroyed {
		return s.destroy(ctx, k, at)
	}
	set := fields{fieldState: string(to), fieldSince: stamp(at)}
	if to == keyring.Active && k.Activated.IsZero() {
		set[fieldActivated] = stamp(at)
	}
	return s.update(ctx, keyName(k.ID), k.Version, set)
}

// update sets fields of an entry that is still at the version that was loaded.
func (s *Source) update(ctx context.Context, name, loaded string, set fields) error {
	v, err := s.store.unchanged(ctx, name, loaded)
	if err != nil {
		return err
	}
	f, err := s.store.data(ctx, name, *v)
	if vault.KindOf(err) == vault.Missing {
		return keyring.ErrConflict
	}
	if err != nil {
		return err
	}
	if f.text(fieldDestroying) != "" && set.text(fieldState) == string(keyring.Active) {
		return s.store.problem(name, "is being destroyed, and cannot become active any more: have that done (seal keys destroy), or delete it")
	}
	for field, value := range set {
		f[field] = value
	}
	return s.store.put(ctx, name, v.number, f)
}
