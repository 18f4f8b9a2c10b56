package sync

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	gosync "sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

const (
	// batch is how many objects one intent of the audit log names at the most.
	batch = 256
	// batchBytes is how long their names are together: a record holds 64 KiB, and a longer one would lose names.
	batchBytes = 40 << 10
)

// Records makes durable what is about to be done, and then what came of it.
type Records interface {
	// Intent is durable when it returns; where it fails nothing is done.
	Intent(ctx context.Context, action audit.Action, objects []types.NamespacedName) (id string, err error)
	Outcome(ctx context.Context, id string, results []Result) error
}

// Manifests gives what is applied of an object, without the mark of a SecretSync.
type Manifests interface {
	Manifest(ctx context.Context, o desired.Object) (*v1alpha1.GitSecret, error)
}

// Noted is told of what was written, before a watch tells of it.
type Noted interface {
	Wrote(key types.NamespacedName, live Live)
	Deleted(key types.NamespacedName, uid types.UID)
}

// Result is what came of one object.
type Result struct {
	Key types.NamespacedName
	// Why it was applied; empty: it was deleted.
	Why  string
	Live Live
	// Failure is nil where it was done.
	Failure *Failure
}

// Actor carries plans out. All is required.
type Actor struct {
	Writer    Writer
	Manifests Manifests
	Records   Records
	Noted     Noted
	Memory    *Memory
	// Workers is how many objects are written at a time.
	Workers int
	Now     func() time.Time
}

// Carry carries a plan out: first all that is applied, in the order of the files (desired.Order), so that none is parsed for each of its objects, then all that is deleted; records and
// results have that order. Objects that fail do not keep others from being written; where a whole batch finds the API server away, what is left is not tried. What was written is in
// the results also where there is an error, which then is the audit log's, or that of ctx.
func (a Actor) Carry(ctx context.Context, p Plan) ([]Result, error) {
	apply := slices.SortedFunc(slices.Values(p.Apply), func(x, y Apply) int { return desired.Order(x.Object, y.Object) })
	results, ok, err := each(ctx, a, audit.ActionSyncApplied, apply, func(x Apply) types.NamespacedName { return x.Object.Key }, a.apply)
	for i, r := range results {
		a.Memory.Done(apply[i], r.Failure, a.Now())
	}
	if err != nil || !ok || len(p.Delete) == 0 {
		return results, err
	}
	deleted, err := a.Prune(ctx, p.Delete)
	return append(results, deleted...), err
}

// Prune deletes objects.
func (a Actor) Prune(ctx context.Context, all []Delete) ([]Result, error) {
	results, _, err := each(ctx, a, audit.ActionSyncPruned, all, func(d Delete) types.NamespacedName { return d.Key }, a.delete)
	return results, err
}

// each writes objects, a batch after the other, each between an intent and an outcome. ok is false where it has stopped.
func each[T any](ctx context.Context, a Actor, action audit.Action, all []T, key func(T) types.NamespacedName, do func(context.Context, T) Result) (results []Result, ok bool, err error) {
	for some := range batches(all, key) {
		if err := ctx.Err(); err != nil {
			return results, false, err
		}
		keys := make([]types.NamespacedName, len(some))
		for i, x := range some {
			keys[i] = key(x)
		}
		id, err := a.Records.Intent(ctx, action, keys)
		if err != nil {
			return results, false, fmt.Errorf("nothing more is written: %w", err)
		}
		done := parallel(some, max(a.Workers, 1), func(x T) Result { return do(ctx, x) })
		results = append(results, done...)
		// What was done is recorded also when the agent is about to stop.
		if err := a.Records.Outcome(context.WithoutCancel(ctx), id, done); err != nil {
			return results, false, fmt.Errorf("nothing more is written: %w", err)
		}
		if !slices.ContainsFunc(done, func(r Result) bool { return r.Failure == nil || r.Failure.Reason != Unavailable }) {
			return results, false, nil
		}
	}
	return results, true, nil
}

// batches are parts of all whose names have room in one record, in their order.
func batches[T any](all []T, key func(T) types.NamespacedName) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(all) > 0 {
			n, size := 0, 0
			for n < min(len(all), batch) {
				if size += len(key(all[n]).String()) + len(`"",`); n > 0 && size > batchBytes {
					break
				}
				n++
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// parallel does something with all of some, a few at a time, and gives the results in their order.
func parallel[T any](some []T, workers int, do func(T) Result) []Result {
	results := make([]Result, len(some))
	next := make(chan int)
	var wg gosync.WaitGroup
	for range min(workers, len(some)) {
		wg.Go(func() {
			for i := range next {
				results[i] = do(some[i])
			}
		})
	}
	for i := range some {
		next <- i
	}
	close(next)
	wg.Wait()
	return results
}

func (a Actor) apply(ctx context.Context, x Apply) Result {
	r := Result{Key: x.Object.Key, Why: x.Why}
	manifest, err := a.Manifests.Manifest(ctx, x.Object)
	if err == nil {
		err = sameAs(manifest, x.Object)
	}
	if err != nil {
		r.Failure = &Failure{Reason: ApplyFailed, Message: clip("reading it again: " + err.Error()), Again: true, Err: err}
		return r
	}
	live, err := a.Writer.Apply(ctx, x, manifest)
	if live.UID != "" {
		a.Noted.Wrote(r.Key, live)
	}
	r.Live, r.Failure = live, asFailure(err)
	return r
}

// sameAs says whether a manifest is what the plan was made for.
func sameAs(manifest *v1alpha1.GitSecret, o desired.Object) error {
	if digest, _ := Digests(manifest.Labels, manifest.Annotations, &manifest.Spec); digest != o.Digest {
		return errors.New("it is not what it was when the plan was made")
	}
	return nil
}

func (a Actor) delete(ctx context.Context, d Delete) Result {
	r := Result{Key: d.Key, Live: d.Live, Failure: asFailure(a.Writer.Delete(ctx, d))}
	if r.Failure == nil {
		a.Noted.Deleted(d.Key, d.Live.UID)
	}
	return r
}

func asFailure(err error) *Failure {
	var f *Failure
	if err != nil && !errors.As(err, &f) {
		f = &Failure{Reason: ApplyFailed, Message: clip(err.Error()), Again: true, Err: err}
	}
	return f
}
