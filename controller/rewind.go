package controller

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// rewindEvery is how often it is looked whether the API server's state has gone back; rewindPatience bounds one look.
	rewindEvery    = 5 * time.Second
	rewindPatience = 10 * time.Second
)

// rewindHint is for the person who finds the controller restarted.
const rewindHint = "it begins anew with new caches once it is started again, as a StatefulSet does by itself; sync from Git what is newer than the backup"

// rewind ends the process when the API server's state has gone back to an older one, as after a restore of etcd from a backup. A watch does not notice: the
// API server sends nothing below the version that the watch has seen, so the caches would stay as they are until the versions have caught up, and what has
// changed by then would be missed for good. A new process begins with new caches. A restore whose versions catch up between two looks is not seen.
type rewind struct {
	// live lists Keyrings uncached: there are few, and the version of a list is that of the whole store.
	live   client.Reader
	log    *slog.Logger
	newest string
}

// Start implements manager.Runnable.
func (r *rewind) Start(ctx context.Context) error {
	ticks := time.NewTicker(rewindEvery)
	defer ticks.Stop()
	for {
		if err := r.look(ctx); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		}
	}
}

// NeedLeaderElection implements manager.LeaderElectionRunnable: the caches of a replica that waits must not be old when it leads.
func (*rewind) NeedLeaderElection() bool { return false }

// look gives an error only where the state has gone back; an API server that does not answer is no sign of it.
func (r *rewind) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, rewindPatience)
	defer cancel()
	list := &metav1.PartialObjectMetadataList{}
	list.SetGroupVersionKind(v1alpha1.GroupVersion().WithKind("KeyringList"))
	if err := r.live.List(ctx, list, client.Limit(1)); err != nil {
		return nil
	}
	if older(list.ResourceVersion, r.newest) {
		r.log.ErrorContext(ctx, "the API server's state has gone back, as after a restore of etcd from a backup: this process ends", "from", r.newest, "to", list.ResourceVersion, "hint", rewindHint)
		return fmt.Errorf("the API server has gone back from resource version %s to %s, as after a restore of etcd: the process has to start anew", r.newest, list.ResourceVersion)
	}
	r.newest = list.ResourceVersion
	return nil
}

var (
	_ manager.Runnable               = (*rewind)(nil)
	_ manager.LeaderElectionRunnable = (*rewind)(nil)
)
