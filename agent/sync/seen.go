package sync

import (
	"encoding/json"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// FieldManager is the agent's name among the field managers.
const FieldManager = "waxwing-agent"

// maxManager is how much of a field manager's name is kept, in bytes.
const maxManager = 64

// Seen is an object as the API server gives it. Of labels and annotations those count that the agent has applied, because others may add their own; and all annotations that a
// signature covers, because one that somebody adds has the object refused.
func Seen(o *v1alpha1.GitSecret) Live {
	labels, annotations := owned(o.ManagedFields)
	digest, spec := Digests(
		only(o.Labels, func(key string) bool { return labels[key] }),
		only(o.Annotations, func(key string) bool { return annotations[key] || strings.HasPrefix(key, seal.SignedAnnotationPrefix) }),
		&o.Spec)
	return Live{
		UID: o.UID, ResourceVersion: o.ResourceVersion, Sync: o.Annotations[v1alpha1.AnnotationSync], Deleting: o.DeletionTimestamp != nil,
		Digest: digest, Spec: spec, Rival: rival(o.ManagedFields),
	}
}

// Digests are those of an object that has these labels and annotations, as desired.Object has them.
func Digests(labels, annotations map[string]string, spec *seal.Spec) (all, sealed string) {
	m := desired.Manifest{Metadata: desired.Metadata{Labels: labels, Annotations: annotations}, Spec: spec}
	return m.Digests()
}

// only gives the entries with certain keys; nil where there are none.
func only(all map[string]string, keep func(key string) bool) map[string]string {
	var out map[string]string
	for key, value := range all {
		if keep(key) {
			if out == nil {
				out = map[string]string{}
			}
			out[key] = value
		}
	}
	return out
}

// owned are the labels and annotations that the agent has applied.
func owned(managers []metav1.ManagedFieldsEntry) (labels, annotations map[string]bool) {
	for _, e := range managers {
		if e.Manager != FieldManager || e.Operation != metav1.ManagedFieldsOperationApply || e.Subresource != "" || e.FieldsV1 == nil {
			continue
		}
		var fields struct {
			Metadata struct {
				Labels      map[string]struct{} `json:"f:labels"`
				Annotations map[string]struct{} `json:"f:annotations"`
			} `json:"f:metadata"`
		}
		if json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) == nil {
			return names(fields.Metadata.Labels), names(fields.Metadata.Annotations)
		}
	}
	return nil, nil
}

// names takes the mark of a member off the keys of managed fields.
func names(fields map[string]struct{}) map[string]bool {
	out := make(map[string]bool, len(fields))
	for field := range fields {
		if name, ok := strings.CutPrefix(field, "f:"); ok {
			out[name] = true
		}
	}
	return out
}

// rival is the field manager that has written last, if that is not the agent.
func rival(managers []metav1.ManagedFieldsEntry) string {
	var last time.Time
	name := ""
	for _, e := range managers {
		if e.Subresource != "" || e.Time == nil || e.Time.Time.Before(last) {
			continue
		}
		// Times are in seconds: within one, who is not the agent counts as later.
		if e.Time.Time.Equal(last) && e.Manager == FieldManager {
			continue
		}
		last, name = e.Time.Time, e.Manager
	}
	if name == FieldManager {
		return ""
	}
	return strings.ToValidUTF8(name[:min(len(name), maxManager)], "")
}
