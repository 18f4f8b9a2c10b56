package process

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/waxwing-io/waxwing/audit"
)

const (
	// LabelReplica is on the Lease and names the replica that holds it: the Lease's own holder is a name that the library makes up.
	LabelReplica = "waxwing.io/replica"
	// termRetry is how long after a failure the beginning of a term is recorded again, if no operation asks for it before.
	termRetry = time.Second
	// maxOthers and maxOthersBytes bound what the record of a term cites, so that it fits into a record whatever somebody has made ConfigMaps of.
	maxOthers, maxOthersBytes = 64, 32 << 10
)

// termStarter is what a term begins in.
type termStarter interface {
	audit.Log
	Begin(term int64)
}

// TermLog is the audit log of the leader: nothing is recorded before the beginning of its term is. It begins when it is first used, or started. Safe for concurrent use.
type TermLog struct {
	log   termStarter
	lease string
	// term tells the term that this replica leads in, others the anchors of the other replicas' logs.
	term   func(context.Context) (audit.Term, error)
	others func(context.Context) ([]audit.Anchor, error)
	errors *slog.Logger

	turn  chan struct{} // has one token, for whoever records the beginning
	began chan struct{} // closed when that is durable
}

// NewTermLog gives the log of the leader that holds a Lease, which lease names. term tells the term that this replica leads in, others the anchors of the other logs.
func NewTermLog(log termStarter, lease string, term func(context.Context) (audit.Term, error), others func(context.Context) ([]audit.Anchor, error), errors *slog.Logger) *TermLog {
	t := &TermLog{log: log, lease: lease, term: term, others: others, errors: errors, turn: make(chan struct{}, 1), began: make(chan struct{})}
	t.turn <- struct{}{}
	return t
}

// Intent implements audit.Log.
func (t *TermLog) Intent(ctx context.Context, op audit.Operation, notes ...audit.Standing) (string, error) {
	if err := t.begin(ctx); err != nil {
		return "", err
	}
	return t.log.Intent(ctx, op, notes...)
}

// Outcome implements audit.Log.
func (t *TermLog) Outcome(ctx context.Context, id string, out audit.Outcome) error {
	return t.log.Outcome(ctx, id, out)
}

// Note implements audit.Log.
func (t *TermLog) Note(ctx context.Context, op audit.Operation, out audit.Outcome) error {
	if err := t.begin(ctx); err != nil {
		return err
	}
	return t.log.Note(ctx, op, out)
}

// Start records the beginning of the term also where there is nothing to do in it.
func (t *TermLog) Start(ctx context.Context) error {
	for {
		err := t.begin(ctx)
		if err == nil {
			return nil
		}
		t.errors.ErrorContext(ctx, "the beginning of the term is not recorded", "error", err)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(termRetry):
		}
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: only a leader has a term.
func (*TermLog) NeedLeaderElection() bool { return true }

// begin returns when the beginning of the term is durable. A process leads once: with the lead it ends.
func (t *TermLog) begin(ctx context.Context) error {
	select {
	case <-t.began:
		return nil
	default:
	}
	select {
	case <-t.began:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("recording the beginning of the term: %w", ctx.Err())
	case <-t.turn:
	}
	defer func() { t.turn <- struct{}{} }()
	select {
	case <-t.began:
		return nil
	default:
	}
	if err := t.record(ctx); err != nil {
		return fmt.Errorf("recording the beginning of the term: %w", err)
	}
	close(t.began)
	return nil
}

func (t *TermLog) record(ctx context.Context) error {
	term, err := t.term(ctx)
	if err != nil {
		return err
	}
	outcome := audit.Outcome{OK: true}
	anchors, err := t.others(ctx)
	switch {
	case apierrors.IsForbidden(err):
		// Without that right no other log can be cited, and waiting would not bring it. The record says so.
		outcome.Message = "the anchors of the other replicas' logs may not be read"
	case err != nil:
		return err
	}
	term.Others = checkpoints(anchors)
	t.log.Begin(term.Number)
	return t.log.Note(ctx, audit.Operation{
		Action: audit.ActionTermBegan, Object: audit.Object{Kind: "Lease", Name: t.lease}, Actor: audit.Actor{User: audit.Unattributed}, Term: &term,
	}, outcome)
}

// checkpoints are the newest of each anchor.
func checkpoints(anchors []audit.Anchor) []string {
	var all []string
	size := 0
	for _, a := range anchors {
		newest := a.Checkpoint
		if newest == "" && len(a.Closed) > 0 {
			newest = a.Closed[len(a.Closed)-1]
		}
		if newest == "" || len(all) == maxOthers || size+len(newest) > maxOthersBytes {
			continue
		}
		size += len(newest)
		all = append(all, newest)
	}
	return all
}

// Election is where the Lease is that replicas elect their leader by.
type Election struct {
	Enabled          bool
	Namespace, Lease string
	// Replica is this process.
	Replica string
}

// TermOf reads the term from the Lease, uncached. Without leader election it is 0.
func TermOf(cfg Election, live client.Reader) func(context.Context) (audit.Term, error) {
	return func(ctx context.Context) (audit.Term, error) {
		if !cfg.Enabled {
			return audit.Term{Holder: cfg.Replica}, nil
		}
		var lease coordinationv1.Lease
		if err := live.Get(ctx, client.ObjectKey{Namespace: cfg.Namespace, Name: cfg.Lease}, &lease); err != nil {
			return audit.Term{}, fmt.Errorf("reading the Lease: %w", err)
		}
		if holder := lease.Labels[LabelReplica]; holder != cfg.Replica || lease.Spec.HolderIdentity == nil {
			return audit.Term{}, fmt.Errorf("the Lease is held by another replica, %q", holder)
		}
		term := audit.Term{Holder: *lease.Spec.HolderIdentity}
		if n := lease.Spec.LeaseTransitions; n != nil {
			term.Number = int64(*n)
		}
		return term, nil
	}
}

var (
	_ audit.Log                      = (*TermLog)(nil)
	_ manager.LeaderElectionRunnable = (*TermLog)(nil)
)
