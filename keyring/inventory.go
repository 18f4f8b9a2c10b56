package keyring

import (
	"context"
	"errors"
	"slices"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// inventory is what was found in a source, as far as it could be read.
type inventory struct {
	keysRead bool
	partly   bool // keys of one of two sources could be read
	keys     []Stored
	faults   []Problem

	statementRead bool
	statement     *Statement // nil: there is none
	set           *statement.Recipients
}

// take reads everything of a keyring. What could be read is in the inventory also beside an error, which is a *Problem where a person must act.
func take(ctx context.Context, src Source, keyring string, class seal.Class) (*inventory, error) {
	inv := &inventory{}
	// The statement comes first: a claim or a set in it was written when the keys that it names were there, so keys that are read later include them.
	var serr error
	if inv.statement, serr = src.LoadStatement(ctx, keyring); serr == nil && inv.statement != nil {
		inv.set, serr = inv.statement.Set()
	}
	inv.statementRead = serr == nil
	stored, faults, kerr := src.Load(ctx, keyring)
	if kerr != nil {
		return inv, kerr
	}
	inv.keys, inv.faults = usable(class, stored, faults)
	inv.keysRead = true
	return inv, serr
}

// complete says whether nothing is missing to decide what comes next.
func (inv *inventory) complete() bool { return inv.keysRead && inv.statementRead }

func (inv *inventory) situation() Situation {
	s := Situation{Keys: inv.plain(), Unreadable: len(inv.faults) > 0}
	if inv.statement != nil {
		s.Statement, s.Claim = inv.statement.Where, inv.statement.Claim
	}
	for _, k := range inv.keys {
		if k.Buried {
			s.Buried = append(s.Buried, k.ID)
		}
	}
	if inv.set != nil {
		s.Set, s.Published = inv.set.Set, keysOf(inv.set)
	}
	return s
}

// keysOf are the ids of the keys of a recipient set.
func keysOf(set *statement.Recipients) []string {
	ids := make([]string, len(set.Recipients))
	for i, r := range set.Recipients {
		ids[i] = r.KeyID()
	}
	return ids
}

func (inv *inventory) plain() []Key {
	keys := make([]Key, len(inv.keys))
	for i, k := range inv.keys {
		keys[i] = k.Key
	}
	return keys
}

// under gives the keys of memory, and those that were found beside them.
func (inv *inventory) under(memory []Key) []Key {
	keys := slices.Clone(memory)
	for _, k := range inv.plain() {
		if !slices.ContainsFunc(memory, func(m Key) bool { return m.ID == k.ID }) {
			keys = append(keys, k)
		}
	}
	return keys
}

// over gives the keys that were found, and those of memory that were not.
func (inv *inventory) over(memory []Key) []Key {
	keys := inv.plain()
	for _, k := range memory {
		if _, err := inv.key(k.ID); err != nil {
			keys = append(keys, k)
		}
	}
	return keys
}

// unreadable lists the ids, of 16 digits, of the keys that cannot be used, where they are known.
func (inv *inventory) unreadable() []string {
	var ids []string
	for _, f := range inv.faults {
		if f.KeyID != "" {
			ids = append(ids, display(f.KeyID))
		}
	}
	return ids
}

func (inv *inventory) key(id string) (Stored, error) {
	for _, k := range inv.keys {
		if k.ID == id {
			return k, nil
		}
	}
	return Stored{}, errors.New("the key is not there any more")
}

// published is the stored set if it may be sealed to: every key in it is active.
func (inv *inventory) published() Published {
	if inv.statement == nil {
		return Published{}
	}
	p := Published{Keyring: inv.statement.Keyring, VerifierKey: inv.statement.VerifierKey}
	if inv.set == nil {
		return p
	}
	for _, r := range inv.set.Recipients {
		if k, err := inv.key(r.KeyID()); err != nil || k.State != Active {
			return p
		}
	}
	p.Note, p.Set, p.At = string(inv.statement.Note), inv.set.Set, inv.set.At
	return p
}
