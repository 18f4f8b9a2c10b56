// Package live keeps what the cluster's GitSecrets are, as digests: of each object what tells whether it is as Git has it, whose it is, and what rotations offer for it.
//
// It guarantees that no sealed part stays in memory, that what the agent has written itself counts from the answer on, before a watch tells of it, and that whoever asks is told
// of each change of an object's content, mark or offers. It decides nothing.
package live

import (
	"maps"
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// slimmed is the format of a spec that Transform has taken away; the API server has none of it.
const slimmed = -1

// Annotations of an object that Transform has been at; it has no others.
const (
	keptDigest   = "digest"
	keptSpec     = "spec"
	keptSync     = "sync"
	keptRival    = "rival"
	keptDeleting = "deleting"
)

// Transform is that of a cache of GitSecrets: it leaves metadata, digests, and of the status what the agent goes by. Whatever is given to it a second time stays as it is.
func Transform(obj any) (any, error) {
	o, ok := obj.(*v1alpha1.GitSecret)
	if !ok || o.Spec.Format == slimmed {
		return obj, nil
	}
	l := sync.Seen(o)
	kept := map[string]string{
		keptDigest: l.Digest, keptSpec: l.Spec, keptSync: l.Sync, keptRival: l.Rival, keptDeleting: strconv.FormatBool(l.Deleting),
	}
	maps.DeleteFunc(kept, func(_, value string) bool { return value == "" || value == "false" })
	o.ObjectMeta = metav1.ObjectMeta{
		Namespace: o.Namespace, Name: o.Name, UID: o.UID, ResourceVersion: o.ResourceVersion, Generation: o.Generation, Annotations: kept,
	}
	o.Spec = seal.Spec{Format: slimmed}
	o.Status = v1alpha1.GitSecretStatus{ObservedGeneration: o.Status.ObservedGeneration, Conditions: ready(o.Status.Conditions), Keys: o.Status.Keys, Rewrap: o.Status.Rewrap}
	return o, nil
}

// ready keeps the condition Ready alone, without its text.
func ready(all []metav1.Condition) []metav1.Condition {
	for _, c := range all {
		if c.Type == v1alpha1.ConditionReady {
			return []metav1.Condition{{Type: c.Type, Status: c.Status, Reason: c.Reason, ObservedGeneration: c.ObservedGeneration}}
		}
	}
	return nil
}

// kept reads what Transform has left.
func kept(o *v1alpha1.GitSecret) sync.Live {
	a := o.Annotations
	return sync.Live{
		UID: o.UID, ResourceVersion: o.ResourceVersion, Digest: a[keptDigest], Spec: a[keptSpec], Sync: a[keptSync], Rival: a[keptRival], Deleting: a[keptDeleting] != "",
	}
}
