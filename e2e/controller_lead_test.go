package e2e_test

import (
	"context"

	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// patient has a leader keep the lead on a busy machine: one that cannot renew ends its process, for the kubelet to start it again, and no kubelet is here.
var patient = []string{"--leader-elect-lease-duration", "15s", "--leader-elect-renew-deadline", "12s"}

// Kill is kill -9, after which the next controller need not wait until the lead of this one has run out: it is given back as by one that ends. With a second
// replica that waits for it, Process.Kill is the true thing.
func (r *replica) Kill() {
	r.Process.Kill()
	harness.Eventually(r.w.ctx, r.t, "the lead of the killed controller is given back", func(ctx context.Context) error {
		lease := &coordinationv1.Lease{}
		err := r.w.Get(ctx, types.NamespacedName{Namespace: home, Name: "waxwing-controller"}, lease)
		if err != nil || lease.Labels["waxwing.io/replica"] != harness.ReplicaOf(r.log) {
			return client.IgnoreNotFound(err)
		}
		nobody, second := "", int32(1)
		lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds = &nobody, &second
		return r.w.Update(ctx, lease)
	})
}
