package controller

import (
	"encoding/json"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// actorOf is who is behind an object, for the audit log. signer is the fingerprint of a signature that holds.
func actorOf(o *v1alpha1.GitSecret, signer string) audit.Actor {
	return audit.Actor{User: audit.Unattributed, Manager: specManager(o.ManagedFields), Signer: signer}
}

// keepManager leaves of an object's managed fields the name of who has written the spec last, and nothing where nobody is known to have.
func keepManager(o *v1alpha1.GitSecret) {
	manager := specManager(o.ManagedFields)
	o.ManagedFields = nil
	if manager != "" {
		o.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: manager}}
	}
}

// specManager is the field manager that has written the spec last, as far as the entries tell: of several the youngest. What keepManager has left tells the same.
func specManager(entries []metav1.ManagedFieldsEntry) string {
	var last *metav1.ManagedFieldsEntry
	for i := range entries {
		e := &entries[i]
		if e.Subresource == "" && ownsSpec(e) && (last == nil || timeOf(last).Before(timeOf(e))) {
			last = e
		}
	}
	if last == nil {
		return ""
	}
	return last.Manager
}

func timeOf(e *metav1.ManagedFieldsEntry) time.Time {
	if e.Time == nil {
		return time.Time{}
	}
	return e.Time.Time
}

// ownsSpec says whether an entry has fields of the spec; one without fields is what keepManager has left.
func ownsSpec(e *metav1.ManagedFieldsEntry) bool {
	if e.FieldsV1 == nil {
		return true
	}
	var fields struct {
		Spec json.RawMessage `json:"f:spec"`
	}
	return json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) == nil && fields.Spec != nil
}
