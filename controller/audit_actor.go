package controller

import (
	"encoding/json"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// maxUser bounds the name of a user in a record; Kubernetes' own are far shorter.
const maxUser = 1024

// actorOf is who is behind the sealed part of an object: the user whom the admission policy has stamped, if it is known to be in force, and the field manager in any case.
// signer is the fingerprint of a signature that holds.
func actorOf(o *v1alpha1.GitSecret, stamped bool, signer string) audit.Actor {
	actor := audit.Actor{User: audit.Unattributed, Signer: signer}
	if user := o.Annotations[v1alpha1.AnnotationAppliedBy]; stamped && user != "" && len(user) <= maxUser {
		actor.User = user
	}
	if m := specManager(o.ManagedFields); m != nil {
		actor.Manager = m.Manager
	}
	return actor
}

// specManager is the entry of the field manager that wrote the spec last; nil for none.
func specManager(all []metav1.ManagedFieldsEntry) *metav1.ManagedFieldsEntry {
	if len(all) == 1 && all[0].APIVersion == "" {
		return &all[0] // from the cache
	}
	var last *metav1.ManagedFieldsEntry
	for i := range all {
		e := &all[i]
		// Who has changed metadata alone has an entry without a spec.
		if e.Subresource != "" || !ownsSpec(e) {
			continue
		}
		if last == nil || e.Time != nil && (last.Time == nil || last.Time.Before(e.Time)) {
			last = e
		}
	}
	return last
}

// ownsSpec looks at the outermost fields only: a label may be called spec.
func ownsSpec(e *metav1.ManagedFieldsEntry) bool {
	var fields struct {
		Spec json.RawMessage `json:"f:spec"`
	}
	return e.FieldsV1 != nil && json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) == nil && fields.Spec != nil
}

// slimManagers keeps of the managed fields what actorOf asks for.
func slimManagers(all []metav1.ManagedFieldsEntry) []metav1.ManagedFieldsEntry {
	last := specManager(all)
	if last == nil {
		return nil
	}
	return []metav1.ManagedFieldsEntry{{Manager: strings.Clone(last.Manager)}}
}
