package keyring

import (
	"context"
	"fmt"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
)

// publish signs the set of the active key under the next number and stores it.
func (r *run) publish(ctx context.Context, id string) error {
	k, err := r.inv.key(id)
	if err != nil {
		return err
	}
	recipient, err := seal.ParseRecipient(k.Recipient)
	if err != nil {
		return err
	}
	set := statement.Recipients{Holder: r.kr.Name, Set: 1, At: r.m.cfg.Now(), Recipients: []seal.Recipient{recipient}}
	if r.inv.set != nil {
		set.Set = r.inv.set.Set + 1
	}
	st := *r.inv.statement
	st.Claim, st.Note = "", nil
	if shown := r.shown(); shown != nil && shown.Set >= set.Set {
		if len(shown.Recipients) == 1 && shown.Recipients[0].String() == k.Recipient {
			set, st.Note = *shown, []byte(r.kr.Status.Recipients)
		} else {
			set.Set = shown.Set + 1
		}
	}
	if st.Note == nil {
		if st.Note, err = set.Sign(st.Signer); err != nil {
			return err
		}
	}
	before := r.inv.set
	if err := r.did("RecipientsPublished", fmt.Sprintf("recipient set %d has key %s", set.Set, k.Display()), r.src.SaveStatement(ctx, &st)); err != nil {
		return err
	}
	if before != nil && len(before.Recipients) == 1 && before.Recipients[0].KeyID() != k.ID {
		return r.did("KeyRotated", fmt.Sprintf("key %s takes the place of key %s: what is in Git is rewrapped with seal rewrap", k.Display(), display(before.Recipients[0].KeyID())), nil)
	}
	return nil
}

// shown is the recipient set that the status shows, if the keyring's own statement key has signed it; nil if not. A source that was restored from an older backup does not
// know of it any more, and neither is a number given to two sets nor a set signed twice.
func (r *run) shown() *statement.Recipients {
	if r.inv.statement == nil {
		return nil
	}
	set, err := statement.OpenRecipients([]byte(r.kr.Status.Recipients), r.inv.statement.VerifierKey)
	if err != nil || set.Holder != r.kr.Name {
		return nil
	}
	return &set
}
