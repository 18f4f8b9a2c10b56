package faults_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/audit/tiles"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
)

// anchored reads the anchor of the pod's log.
func (p *pod) anchored(ctx context.Context) (audit.Anchor, error) {
	cm := &corev1.ConfigMap{}
	if err := p.w.Get(ctx, types.NamespacedName{Namespace: home, Name: cluster.AnchorName(harness.ReplicaOf(p.log))}, cm); err != nil {
		return audit.Anchor{}, err
	}
	return cluster.Parse(cm)
}

// TestKilledAtTheAuditLogsOwnWrites kills the controller before and after each kind of write that the audit log makes in the cluster: its key, its first anchor, and an anchor that
// replaces another. The next process goes on with the same log and the same key, and anchors it.
func TestKilledAtTheAuditLogsOwnWrites(t *testing.T) {
	w := newWorld(t)
	first := w.pod(single...)
	first.ready()
	holder := w.holder()
	first.kill()
	first.dies("the keyring is there")
	for _, kind := range []string{"create secrets", "create configmaps", "merge configmaps"} {
		for _, after := range []bool{false, true} {
			side := map[bool]string{false: "before", true: "after"}[after]
			t.Run(side+" "+kind, func(t *testing.T) {
				w.in(t)
				p := w.pod(single...)
				replica := harness.ReplicaOf(p.log)
				own := func(r faultproxy.Request) bool {
					return r.Kind() == kind && r.Namespace == home && (r.Name == cluster.KeySecretName(replica) || r.Name == cluster.AnchorName(replica))
				}
				fault := p.proxy.Add(p.killer(own, 0, after))
				defer fault.Remove()
				p.start()
				name := "audit-" + side + "-" + strings.ReplaceAll(kind, " ", "-")
				if kind == "merge configmaps" {
					harness.Eventually(w.ctx, t, "there is an anchor", func(ctx context.Context) error {
						_, err := p.anchored(ctx)
						return err
					})
				}
				w.create(w.sealed(holder, name, 1, "user"))
				p.dies("killed " + side + " " + kind)
				secrets := &corev1.Secret{}
				err := w.Get(w.ctx, types.NamespacedName{Namespace: home, Name: cluster.KeySecretName(replica)}, secrets)
				if there := err == nil; client.IgnoreNotFound(err) != nil || there != (after || kind != "create secrets") {
					t.Errorf("right after the kill the key: %v", err)
				}
				p.start()
				w.settle(name, unsealed(1, "user"))
				harness.Eventually(w.ctx, t, "the whole log is anchored", func(ctx context.Context) error { return p.wholeIsAnchored(ctx) })
				if there := err == nil; there {
					now := &corev1.Secret{}
					if err := w.Get(w.ctx, types.NamespacedName{Namespace: home, Name: cluster.KeySecretName(replica)}, now); err != nil || now.UID != secrets.UID {
						t.Errorf("it has another key now: %v", err)
					}
				}
			})
		}
	}
	w.in(t)
}

// wholeIsAnchored says what is missing until the anchor's checkpoint is that of the log on the disk.
func (p *pod) wholeIsAnchored(ctx context.Context) error {
	a, err := p.anchored(ctx)
	if err != nil {
		return err
	}
	var origin, root string
	var size int
	if _, err := fmt.Sscanf(a.Checkpoint, "%s\n%d\n%s\n", &origin, &size, &root); err != nil {
		return fmt.Errorf("the anchor is %q: %w", a.Checkpoint, err)
	}
	if n := len(audittest.Records(p.w.t, p.log)); a.Part != 1 || origin != tiles.PartOrigin(a.Origin, 1) || size != n {
		return fmt.Errorf("part %d of %s is anchored up to %d, the log has %d records", a.Part, origin, size, n)
	}
	return nil
}
