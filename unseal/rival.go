package unseal

import (
	"strconv"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Rival names, for people, the field manager that changed the Secret last besides the controller.
func Rival(s *metav1.ObjectMeta) string {
	if s == nil {
		return "somebody who deletes it"
	}
	var last *metav1.ManagedFieldsEntry
	for i, entry := range s.ManagedFields {
		if entry.Manager != FieldManager && entry.Time != nil && (last == nil || last.Time.Before(entry.Time)) {
			last = &s.ManagedFields[i]
		}
	}
	if last == nil {
		return "somebody else"
	}
	return "field manager " + strconv.Quote(clip(last.Manager))
}
