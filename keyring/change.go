package keyring

import (
	"context"

	"github.com/waxwing-io/waxwing/audit"
)

// change brings a key into another state.
func (r *run) change(ctx context.Context, next Next) error {
	keys := r.keys(next.Key)
	switch next.Do {
	case DoSuspend:
		return r.recorded(ctx, audit.ActionKeySuspend, "Keyring", keys, func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.did("KeySuspended", "key "+display(next.Key)+" is suspended: it neither seals nor opens", r.setState(ctx, next, Suspended))
		})
	case DoResume:
		return r.recorded(ctx, audit.ActionKeyResume, "Keyring", keys, func(ctx context.Context) ([]audit.Key, error) {
			text := "key " + display(next.Key) + " is not suspended any more"
			if next.To == Deactivated {
				text += "; it opens only, because another is active by now"
			}
			return nil, r.did("KeyResumed", text, r.setState(ctx, next, next.To))
		})
	case DoUnbury:
		// No key is touched: what it would be taken for, if it were gone, changes.
		k, err := r.inv.key(next.Key)
		if err != nil {
			return err
		}
		return r.did("DestructionTakenBack", "the destruction of key "+k.Display()+" was begun, is not wanted now, and was taken back: the key stays", r.src.Unbury(ctx, k))
	case DoDeactivate:
		if err := r.unclaimed(ctx); err != nil {
			return err
		}
		return r.recorded(ctx, audit.ActionKeyDeactivate, "Keyring", keys, func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.did("KeyDeactivated", "key "+display(next.Key)+" opens only from now on", r.setState(ctx, next, Deactivated))
		})
	case DoCompromise:
		return r.recorded(ctx, audit.ActionKeyCompromise, "Keyring", keys, func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.did(DoneCompromised, "others know key "+display(next.Key)+": nothing is sealed to it any more, and the values that it could open have to be renewed", r.setState(ctx, next, Compromised))
		})
	case DoDestroy:
		return r.recorded(ctx, audit.ActionKeyDestroy, "Keyring", keys, func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.did("KeyDestroyed", "key "+display(next.Key)+" is destroyed; "+next.Why, r.setState(ctx, next, Destroyed))
		})
	}
	return r.moveStep(ctx, next)
}

// setState has the source change the state of a key, and what is in memory with it: a source that is away from then on hides it from nobody.
func (r *run) setState(ctx context.Context, next Next, to State) error {
	k, err := r.inv.key(next.Key)
	if err != nil {
		return err
	}
	if err := Step(k.State, to); err != nil {
		return err
	}
	if err := r.src.SetState(ctx, k, to, r.m.cfg.Now()); err != nil {
		return err
	}
	for i := range r.inv.keys {
		if r.inv.keys[i].ID == k.ID {
			if to == Destroyed {
				r.inv.keys[i].Key = r.inv.keys[i].Destroyed(r.m.cfg.Now())
			}
			r.inv.keys[i].State = to
		}
	}
	return nil
}

// unclaimed makes sure, before a key is deactivated, that it is not one that another controller is about to publish: it has been claimed before it became active, so where the
// record of the statement key is as it was read before the keys, it was none.
func (r *run) unclaimed(ctx context.Context) error {
	st, err := r.src.LoadStatement(ctx, r.kr.Name)
	if err != nil {
		return unavailable(err)
	}
	if st == nil || st.Version != r.inv.statement.Version {
		return ErrConflict
	}
	return nil
}
