package unseal_test

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/unseal"
)

func TestRivalIsWhoWroteLast(t *testing.T) {
	by := func(manager string, minute int) metav1.ManagedFieldsEntry {
		at := metav1.NewTime(now().Add(time.Duration(minute) * time.Minute))
		return metav1.ManagedFieldsEntry{Manager: manager, Time: &at}
	}
	for name, c := range map[string]struct {
		secret *metav1.ObjectMeta
		want   string
	}{
		"a Secret that is not there":  {nil, "somebody who deletes it"},
		"a Secret that is ours alone": {&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{by(unseal.FieldManager, 3)}}, "somebody else"},
		"the later of two": {&metav1.ObjectMeta{ManagedFields: []metav1.ManagedFieldsEntry{by("helm", 1), by("reflector", 2), by(unseal.FieldManager, 3)}},
			`field manager "reflector"`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := unseal.Rival(c.secret); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
