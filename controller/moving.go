package controller

import (
	"time"

	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
)

// setMoving says what has become of spec.moveFrom; without it the condition goes. kstatus takes no notice of it: the keys open wherever they are.
func setMoving(s *v1alpha1.KeyringStatus, generation int64, move *keyring.Move, now time.Time) {
	if move == nil {
		apimeta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionMoving)
		return
	}
	status, reason := metav1.ConditionTrue, v1alpha1.ReasonKeysLeft
	if move.Done {
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonNothingLeft
	}
	apimeta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionMoving, Status: status, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		Reason: reason, Message: move.Message,
	})
}
