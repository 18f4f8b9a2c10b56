package keyring

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// maxSteps bounds one Ensure: five steps lead from nothing to a published key, and five from one to the next; the rest is for conflicts. What is asked for comes on top.
const maxSteps = 16

// refusal is an error with the reason that the status gives for it.
type refusal struct {
	reason  string
	stalled bool
	err     error
}

func (r *refusal) Error() string { return r.err.Error() }
func (r *refusal) Unwrap() error { return r.err }

// Ensure reads a keyring's source and does what Decide asks for until there is nothing more to do; then it takes the keys into the Ring. The Result is filled in any case.
// An error says that trying again may help; what only a person can mend is in the Result alone. A keyring that fails keeps the keys that are in memory.
func (m *Manager) Ensure(ctx context.Context, kr *v1alpha1.Keyring) (Result, error) {
	defer m.lock(kr.Name)()
	policy, unusable := PolicyOf(&kr.Spec)
	r := &run{m: m, kr: kr, inv: &inventory{}}
	err := m.succeed(ctx, kr)
	m.govern(kr, policy)
	r.undestroyed = m.undestroyed(kr)
	if err != nil {
		err = &refusal{ReasonAuditUnavailable, false, err}
	} else {
		err = r.all(ctx)
	}
	if transient(err) == nil {
		r.backed = r.backUp(ctx)
	}
	r.stopped = err
	if err == nil && unusable != nil {
		// The keys are well; that somebody's signature is refused is not.
		err = &refusal{ReasonSignerInvalid, true, unusable}
	}
	if _, glass := BreakGlassOf(&kr.Spec); err == nil && glass != nil {
		err = &refusal{ReasonBreakGlassInvalid, true, glass}
	}
	if r.inv.complete() && r.situation().behind() {
		m.keepNewer(kr, r.inv)
	} else {
		m.keep(kr, r.inv, r.inv.published())
	}
	if r.inv.keysRead {
		m.use(kr.Name, specs(&kr.Spec)...)
	}
	m.keepUndestroyed(kr.Name, r.undestroyed)
	r.count(ctx)
	return r.result(err), transient(err)
}

// specs are the sources that a Keyring names.
func specs(spec *v1alpha1.KeyringSpec) []v1alpha1.KeySource {
	all := []v1alpha1.KeySource{spec.Source}
	if spec.MoveFrom != nil {
		all = append(all, *spec.MoveFrom)
	}
	return all
}

// transient is err if trying again may help.
func transient(err error) error {
	if f := (*refusal)(nil); errors.As(err, &f) && f.stalled {
		return nil
	}
	return err
}

// run is one Ensure.
type run struct {
	m    *Manager
	kr   *v1alpha1.Keyring
	src  Source
	from Source // that of spec.moveFrom
	move *move  // nil without it, and where keys cannot be moved
	inv  *inventory
	done []Done
	// undestroyed are keys that were to be destroyed, in this run or not long before, and could not be.
	undestroyed []Undestroyed
	counted     bool   // whether it was told in this run
	uses        *Uses  // who needs the keys, as it was told after the last step
	sure        bool   // whether that was for a decision to destroy
	why         string // what the next operation is done for
	by          string // the field manager that has asked for it; empty: nobody has
	made        string // the id of the key that this run has made
	// stopped is why not all was done that was to be done; nil: all was.
	stopped error

	asked       *asked // what is to be taken from a backup; nil: nothing, or it was refused
	refused     string // why it was
	waits       string // what it waits for, while the rest goes on
	restoredAll string // what was taken, if all was
	backed      *Backed
}

func (r *run) all(ctx context.Context) error {
	unopened := r.open(ctx)
	if r.src == nil && r.from == nil {
		return unopened
	}
	// One record stands for all reading of this run: each step reads again.
	return r.recorded(ctx, audit.ActionKeyLoad, "Keyring", nil, func(ctx context.Context) ([]audit.Key, error) {
		err := unopened
		if err != nil {
			r.glance(ctx)
		} else {
			err = r.settle(ctx)
		}
		return r.keys(ids(r.inv.plain())...), err
	})
}

// unavailable is the refusal for what a source has answered.
func unavailable(err error) error {
	var problem *Problem
	return &refusal{ReasonKeySourceUnavailable, errors.As(err, &problem), err}
}

// settle does one step after another, each from what the source then holds.
func (r *run) settle(ctx context.Context) error {
	for n, most := 0, maxSteps; n < most; n++ {
		err := r.look(ctx)
		if problem := (*Problem)(nil); r.inv.keysRead && errors.As(err, &problem) {
			return &refusal{ReasonStatementInvalid, true, problem}
		}
		if err != nil {
			return unavailable(err)
		}
		if n == 0 {
			if err := r.askRestore(ctx); err != nil {
				return err
			}
			most += r.moveSteps() + r.restoreSteps() + 3*len(r.inv.keys) + len(r.kr.Spec.Requests)
		}
		next, err := r.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case next.Do == DoNothing:
			return nil
		case next.Do == DoStop:
			return &refusal{next.Reason, true, errors.New(next.Message)}
		case next.Do == DoAskUses, next.Do == DoDestroy && !r.sure:
			r.askUses(ctx, next.Do == DoDestroy)
			continue
		}
		r.by, r.why, r.uses = r.behind(next), next.Why, nil
		err = r.step(ctx, next)
		problem, f := (*Problem)(nil), (*refusal)(nil)
		switch isProblem := errors.As(err, &problem) && !errors.As(err, &f); {
		case isProblem && next.Do == DoDestroy:
			// Such as a Vault that does not give the right to it: all else goes on.
			r.undestroyed = append(r.undestroyed, Undestroyed{next.Key, problem.Error(), r.m.cfg.Now(), r.kr.Generation})
			continue
		case isProblem:
			return &refusal{ReasonKeySourceUnavailable, true, err}
		case err != nil && !errors.Is(err, ErrConflict):
			return err
		}
	}
	return &refusal{ReasonKeySourceUnavailable, false, errors.New("the keys are being changed by somebody else all the time")}
}

func (r *run) class() seal.Class { return classOf(&r.kr.Spec) }

func (r *run) step(ctx context.Context, next Next) error {
	switch next.Do {
	case DoMakeStatement:
		return r.recorded(ctx, audit.ActionKeyGenerate, "StatementKey", nil, func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.did("StatementKeyMade", "made the statement key", r.src.CreateStatement(ctx, r.kr.Name))
		})
	case DoMakeKey:
		if r.made != "" {
			// The source does not show it, such as a Vault's replica that is behind. Whoever makes others meanwhile never ends.
			return unavailable(fmt.Errorf("key %s was made, and cannot be seen", display(r.made)))
		}
		return r.recorded(ctx, audit.ActionKeyGenerate, "Keyring", nil, func(ctx context.Context) ([]audit.Key, error) {
			id, err := r.src.Create(ctx, r.kr.Name, r.class())
			if err != nil {
				return nil, err
			}
			r.made = id
			return r.keys(id), r.did("KeyMade", "made key "+display(id), nil)
		})
	case DoClaim:
		// A claim touches no key: the activation that it is for is what is recorded.
		st := *r.inv.statement
		st.Claim = next.Key
		return r.src.SaveStatement(ctx, &st)
	case DoActivate:
		return r.recorded(ctx, audit.ActionKeyActivate, "Keyring", r.keys(next.Key), func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.activate(ctx, next.Key)
		})
	case DoPublish:
		return r.recorded(ctx, audit.ActionPublish, "Keyring", r.keys(next.Key), func(ctx context.Context) ([]audit.Key, error) {
			return nil, r.publish(ctx, next.Key)
		})
	case DoRestoreStatement, DoDropFresh, DoRestoreKey, DoRestoreState, DoRestoreSet, DoFinishRestore:
		return r.restoreStep(ctx, next)
	}
	return r.change(ctx, next)
}

func (r *run) activate(ctx context.Context, id string) error {
	k, err := r.inv.key(id)
	if err != nil {
		return err
	}
	if err := Step(k.State, Active); err != nil {
		return err
	}
	if err := Probe(k.Key, r.m.cfg.Now, r.m.cfg.Rand); err != nil {
		return &refusal{ReasonProbeFailed, true, fmt.Errorf("%s: %w", k.Where, err)}
	}
	return r.did("KeyActivated", "proved key "+k.Display()+" and made it active", r.src.SetState(ctx, k, Active, r.m.cfg.Now()))
}

// did notes what was done for the events, if it was.
func (r *run) did(reason, message string, err error) error {
	if err == nil {
		r.done = append(r.done, Done{reason, message})
	}
	return err
}

// recorded wraps an operation in intent and outcome, which has the ids of the requests that it made and what it was done for. Without a durable intent the operation is
// not begun.
func (r *run) recorded(ctx context.Context, action audit.Action, kind string, keys []audit.Key, operation func(context.Context) ([]audit.Key, error)) error {
	by, why := r.by, r.why
	r.by, r.why = "", ""
	object := audit.Object{Kind: kind, Name: r.kr.Name, UID: string(r.kr.UID), Generation: r.kr.Generation, ResourceVersion: r.kr.ResourceVersion}
	id, err := r.m.cfg.Audit.Intent(ctx, audit.Operation{Action: action, Object: object, Keys: keys, Actor: audit.Actor{User: audit.Unattributed, Manager: cmp.Or(by, actor)}})
	if err != nil {
		return &refusal{ReasonAuditUnavailable, false, err}
	}
	doing, requests := WithRequests(ctx)
	touched, operr := operation(doing)
	out := audit.Outcome{OK: operr == nil, Keys: touched, Message: why, VaultRequest: requests.String()}
	if operr != nil {
		out.Reason, out.Message = reasonOf(operr), operr.Error()
	}
	// What was done is recorded also when the controller is about to stop.
	if err := r.m.cfg.Audit.Outcome(context.WithoutCancel(ctx), id, out); err != nil && operr == nil {
		return &refusal{ReasonAuditUnavailable, false, err}
	}
	return operr
}

func (r *run) keys(ids ...string) []audit.Key {
	keys := make([]audit.Key, len(ids))
	for i, id := range ids {
		keys[i] = audit.Key{Keyring: r.kr.Name, ID: id}
	}
	return keys
}

func reasonOf(err error) string {
	if errors.Is(err, ErrConflict) {
		return "Conflict"
	}
	if f := (*refusal)(nil); errors.As(err, &f) {
		return f.reason
	}
	return ReasonKeySourceUnavailable
}
