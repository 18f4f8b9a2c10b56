package controller

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	// backupKey is the key of the ConfigMap that has a keyring's backup.
	backupKey = "backup.note"
	// backupRetry is how soon it is tried again to make a backup.
	backupRetry = 30 * time.Second
)

// backupConfigMap is the name of the ConfigMap with a keyring's backup, in the controller's namespace.
func backupConfigMap(name string) string { return "waxwing-backup-" + name }

// backups keeps backups in ConfigMaps of the controller's namespace. They have no owner: a backup outlives its Keyring. It implements keyring.Backups.
type backups struct {
	live      client.Reader // uncached
	writer    client.Client
	namespace string
}

// Backup implements keyring.Backups.
func (b backups) Backup(ctx context.Context, name string) (signed []byte, version string, err error) {
	cm := &corev1.ConfigMap{}
	err = b.live.Get(ctx, types.NamespacedName{Namespace: b.namespace, Name: backupConfigMap(name)}, cm)
	if apierrors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading ConfigMap %s: %w", backupConfigMap(name), err)
	}
	return []byte(cm.Data[backupKey]), cm.ResourceVersion, nil
}

// SaveBackup implements keyring.Backups: a leader that was slow does not write over what the next one has stored.
func (b backups) SaveBackup(ctx context.Context, name string, signed []byte, version string) error {
	labels := map[string]string{v1alpha1.LabelManagedBy: v1alpha1.ManagedBy, secretsource.LabelKeyring: name}
	data := map[string]string{backupKey: string(signed)}
	var err error
	if version == "" {
		cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: backupConfigMap(name), Namespace: b.namespace, Labels: labels}, Data: data}
		err = b.writer.Create(ctx, cm, client.FieldOwner(unseal.FieldManager))
	} else {
		cm := corev1ac.ConfigMap(backupConfigMap(name), b.namespace).WithResourceVersion(version).WithLabels(labels).WithData(data)
		err = b.writer.Apply(ctx, cm, client.FieldOwner(unseal.FieldManager), client.ForceOwnership)
	}
	if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("writing ConfigMap %s: %w", backupConfigMap(name), keyring.ErrConflict)
	}
	if err != nil {
		return fmt.Errorf("writing ConfigMap %s: %w", backupConfigMap(name), err)
	}
	return nil
}

// soonIfNotBackedUp is when to look again at a keyring that would be looked at after d.
func soonIfNotBackedUp(b *keyring.Backed, d time.Duration) time.Duration {
	if b != nil && b.Reason == keyring.ReasonBackupFailed {
		return min(d, backupRetry)
	}
	return d
}

// setBackedUp says how the backup does. What is not known stays.
func setBackedUp(s *v1alpha1.KeyringStatus, generation int64, b *keyring.Backed, now time.Time) {
	if b == nil {
		return
	}
	status := metav1.ConditionFalse
	if b.Current {
		status = metav1.ConditionTrue
	}
	apimeta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionBackedUp, Status: status, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		Reason: b.Reason, Message: shorten(b.Message, maxEvent),
	})
}

// setRestoring says what has become of a request to restore keys. What was done last stays; a request that was taken back goes.
func setRestoring(s *v1alpha1.KeyringStatus, generation int64, restore *keyring.Restored, now time.Time) {
	if restore == nil {
		if apimeta.IsStatusConditionTrue(s.Conditions, v1alpha1.ConditionRestoring) {
			apimeta.RemoveStatusCondition(&s.Conditions, v1alpha1.ConditionRestoring)
		}
		return
	}
	status, reason := metav1.ConditionTrue, v1alpha1.ReasonRestoreInProgress
	switch {
	case restore.Refused:
		reason = v1alpha1.ReasonRestoreRefused
	case restore.Done:
		status, reason = metav1.ConditionFalse, v1alpha1.ReasonRestoreDone
	}
	apimeta.SetStatusCondition(&s.Conditions, metav1.Condition{
		Type: v1alpha1.ConditionRestoring, Status: status, ObservedGeneration: generation, LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		Reason: reason, Message: restore.Message,
	})
}

// tellBackups makes events of what has gone wrong anew with backups. That there is no break glass is no news.
func (r *KeyringReconciler) tellBackups(ctx context.Context, kr *v1alpha1.Keyring, next *v1alpha1.KeyringStatus) {
	for _, kind := range []string{v1alpha1.ConditionBackedUp, v1alpha1.ConditionRestoring} {
		before, now := apimeta.FindStatusCondition(kr.Status.Conditions, kind), apimeta.FindStatusCondition(next.Conditions, kind)
		if now == nil || (before != nil && before.Reason == now.Reason && before.Message == now.Message) {
			continue
		}
		reason := now.Reason
		switch reason {
		case keyring.ReasonBackupFailed, keyring.ReasonBackupHasMore, keyring.ReasonBackupIncomplete:
		case v1alpha1.ReasonRestoreRefused:
			reason = keyring.ReasonRestoreRefused
		default:
			continue
		}
		r.Log.WarnContext(ctx, "Keyring "+reason, "keyring", kr.Name, "message", now.Message)
		r.Recorder.Eventf(kr, nil, corev1.EventTypeWarning, reason, "Manage", "%s", shorten(now.Message, maxEvent))
	}
}
