package controller

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiequality "k8s.io/apimachinery/pkg/api/equality"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	metav1ac "k8s.io/client-go/applyconfigurations/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// Keys of the ConfigMap with a keyring's recipients.
const (
	recipientsNoteKey = "recipients.note"
	statementKeyKey   = "statement-key"
	breakGlassKey     = "breakglass" // recipients, one a line
)

// recipientsConfigMap is the name of a keyring's ConfigMap in the controller's namespace.
func recipientsConfigMap(name string) string { return "waxwing-recipients-" + name }

// publish applies the ConfigMap: public data only. Without a recipient set to seal to, the note is taken out of it.
func (r *KeyringReconciler) publish(ctx context.Context, kr *v1alpha1.Keyring, res keyring.Result) error {
	if !res.Known || res.StatementKey == "" {
		return nil
	}
	data := map[string]string{statementKeyKey: res.StatementKey}
	if res.Note != "" {
		data[recipientsNoteKey] = res.Note
	}
	if glass, _ := keyring.BreakGlassOf(&kr.Spec); len(glass) > 0 {
		for _, r := range glass {
			data[breakGlassKey] += r.String() + "\n"
		}
	}
	owner := metav1ac.OwnerReference().WithAPIVersion(v1alpha1.GroupVersion().String()).WithKind("Keyring").WithName(kr.Name).WithUID(kr.UID)
	cm := corev1ac.ConfigMap(recipientsConfigMap(kr.Name), r.Namespace).
		WithLabels(map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, secretsource.LabelKeyring: kr.Name}).
		WithOwnerReferences(owner).
		WithData(data)
	if err := r.Client.Apply(ctx, cm, client.FieldOwner(unseal.FieldManager), client.ForceOwnership); err != nil {
		return fmt.Errorf("publishing the recipients of keyring %s: %w", kr.Name, err)
	}
	return nil
}

// report writes the status if it changes, and events for what was done and for what is wrong anew.
func (r *KeyringReconciler) report(ctx context.Context, kr *v1alpha1.Keyring, res keyring.Result) error {
	for _, d := range res.Done {
		kind := corev1.EventTypeNormal
		if d.Reason == keyring.DoneCompromised {
			kind = corev1.EventTypeWarning
		}
		r.Log.InfoContext(ctx, "Keyring "+d.Reason, "keyring", kr.Name, "message", d.Message)
		r.Recorder.Eventf(kr, nil, kind, d.Reason, "Manage", "%s", shorten(d.Message, maxEvent))
	}
	for _, q := range refusedAnew(kr.Status.Requests, res.Requests) {
		message := q.Do + " of key " + keyring.Display(q.Key) + " is refused: " + q.Message
		r.Log.WarnContext(ctx, "Keyring RequestRefused", "keyring", kr.Name, "message", message)
		r.Recorder.Eventf(kr, nil, corev1.EventTypeWarning, "RequestRefused", "Manage", "%s", shorten(message, maxEvent))
	}
	if before := apimeta.FindStatusCondition(kr.Status.Conditions, v1alpha1.ConditionReady); isWrong(res) && !sameCondition(before, res) {
		r.Log.WarnContext(ctx, "Keyring "+res.Reason, "keyring", kr.Name, "message", res.Message)
		r.Recorder.Eventf(kr, nil, corev1.EventTypeWarning, res.Reason, "Manage", "%s", shorten(res.Message, maxEvent))
	}
	changed := kr.DeepCopy()
	changed.Status = keyringStatus(kr.Status, kr.Generation, res, r.Now())
	setMoving(&changed.Status, kr.Generation, res.Move, r.Now())
	setBackedUp(&changed.Status, kr.Generation, res.Backup, r.Now())
	setRestoring(&changed.Status, kr.Generation, res.Restore, r.Now())
	r.tellBackups(ctx, kr, &changed.Status)
	changed.Status.Source = sourceName(kr.Spec.Source)
	setDegraded(&changed.Status, kr.Generation, r.AuditEphemeral, r.Now())
	if apiequality.Semantic.DeepEqual(kr.Status, changed.Status) {
		return nil
	}
	if err := r.Client.Status().Patch(ctx, changed, client.MergeFrom(kr), client.FieldOwner(unseal.FieldManager)); err != nil {
		return client.IgnoreNotFound(fmt.Errorf("writing the status of keyring %s: %w", kr.Name, err))
	}
	return nil
}

// refusedAnew lists the requests that are refused, and were not before. How many objects need a key, which the message says, may change often.
func refusedAnew(before, now []v1alpha1.RequestStatus) (anew []v1alpha1.RequestStatus) {
	for _, q := range now {
		was := slices.ContainsFunc(before, func(b v1alpha1.RequestStatus) bool { return b.Key == q.Key && b.Do == q.Do && b.Outcome == q.Outcome })
		if q.Outcome == v1alpha1.RequestRefused && !was {
			anew = append(anew, q)
		}
	}
	return anew
}

// isWrong says whether a person should hear of it. A keyring can be ready with a key that cannot be used.
func isWrong(res keyring.Result) bool { return !res.Ready || res.Reason != keyring.ReasonKeyActive }

func sameCondition(c *metav1.Condition, res keyring.Result) bool {
	return c != nil && c.Reason == res.Reason && c.Message == res.Message
}

// keyringStatus is the status after res. What res does not know stays.
func keyringStatus(old v1alpha1.KeyringStatus, generation int64, res keyring.Result, now time.Time) v1alpha1.KeyringStatus {
	next := *old.DeepCopy()
	next.ObservedGeneration = generation
	if res.Known {
		next.StatementKey, next.ActiveKey, next.Recipients, next.Keys = res.StatementKey, res.ActiveKey, res.Note, res.Keys
		next.NextRotation = res.NextRotation
	}
	next.Requests = res.Requests
	set := func(kind string, status metav1.ConditionStatus) {
		apimeta.SetStatusCondition(&next.Conditions, metav1.Condition{
			Type: kind, Status: status, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
			Reason: res.Reason, Message: res.Message,
		})
	}
	abnormal := v1alpha1.ConditionReconciling
	switch {
	case res.Ready:
		set(v1alpha1.ConditionReady, metav1.ConditionTrue)
		abnormal = ""
	case res.Stalled:
		set(v1alpha1.ConditionReady, metav1.ConditionFalse)
		abnormal = v1alpha1.ConditionStalled
	default:
		set(v1alpha1.ConditionReady, metav1.ConditionFalse)
	}
	for _, kind := range []string{v1alpha1.ConditionReconciling, v1alpha1.ConditionStalled} {
		if kind == abnormal {
			set(kind, metav1.ConditionTrue)
		} else {
			apimeta.RemoveStatusCondition(&next.Conditions, kind)
		}
	}
	return next
}

// sourceName is how a source is shown.
func sourceName(source v1alpha1.KeySource) string {
	switch {
	case source.VaultTransit != nil:
		return "vaultTransit"
	case source.VaultKV != nil:
		return "vaultKV"
	case source.Secret != nil && source.Secret.EncryptedBy != nil:
		return "secret/transit"
	}
	return "secret"
}

// maxEvent is the API server's limit of an event's note in bytes.
const maxEvent = 1024

func shorten(s string, n int) string {
	if len(s) <= n {
		return s
	}
	const mark = "…"
	cut := n - len(mark)
	for cut > 0 && s[cut]&0xC0 == 0x80 { // within a character
		cut--
	}
	return s[:cut] + mark
}
