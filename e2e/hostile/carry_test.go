package hostile_test

import (
	"context"
	"errors"
	"fmt"
	gosync "sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/e2e/hostile"
)

// writers is how many objects the agent writes at a time.
const writers = 16

// carry has what is applied be read anew, as many at a time as the agent does.
func (w *world) carry(all []sync.Apply) {
	read := &unwritten{all: w.cache.Manifests(hostile.ReadFrom(w.repo))}
	a := sync.Actor{Manifests: read, Records: unrecorded{}, Memory: &sync.Memory{}, Workers: writers, Now: func() time.Time { return w.now }}
	if results, err := a.Carry(w.t.Context(), sync.Plan{Apply: all}); err != nil || len(results) != len(all) {
		w.t.Errorf("%d of %d objects are carried out (%v)", len(results), len(all), err)
	}
	for _, err := range read.failed {
		w.t.Errorf("it cannot be applied: %v", err)
	}
}

// unwritten gives manifests to nobody: there is no cluster to write to.
type unwritten struct {
	all *desired.Manifests

	mu     gosync.Mutex
	failed []error
}

func (u *unwritten) Manifest(ctx context.Context, o desired.Object) (*v1alpha1.GitSecret, error) {
	m, err := u.all.Manifest(ctx, o)
	if err == nil && (m.Metadata.Name != o.Key.Name || m.Metadata.Namespace != o.Key.Namespace) {
		err = fmt.Errorf("%s is %s/%s", o.Key, m.Metadata.Namespace, m.Metadata.Name)
	}
	if err != nil {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.failed = append(u.failed, err)
	}
	return nil, errors.New("there is no cluster")
}

// unrecorded is no audit log.
type unrecorded struct{}

func (unrecorded) Intent(context.Context, audit.Action, []types.NamespacedName) (string, error) {
	return "id", nil
}
func (unrecorded) Outcome(context.Context, string, []sync.Result) error { return nil }
