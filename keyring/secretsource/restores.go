package secretsource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/keyring"
)

// RestoreType is the type of the Secret that asks for keys to be taken from a backup; `seal keys restore` makes it, and the controller deletes it when all is done.
const RestoreType corev1.SecretType = "waxwing.io/restore"

// Keys of its data.
const (
	DataBackup     = "backup"     // the signed backup
	DataContents   = "contents"   // what is inside of it
	DataRecipients = "recipients" // the newest signed recipient set that is known; may be absent
	DataKeysOnly   = "keys-only"  // "true": the statement key is left out; may be absent
)

// AnnotationRefused says on it why nothing is taken.
const AnnotationRefused = "waxwing.io/refused"

const restorePrefix = "waxwing-restore-"

// RestoreSecretName is the name of the Secret that asks for keys of a keyring.
func RestoreSecretName(keyring string) string { return restorePrefix + keyring }

// RestoreOf is the keyring whose keys a Secret asks for by its name. A foreign Secret may have such a name too.
func RestoreOf(secretName string) (keyring string, ok bool) {
	keyring, ok = strings.CutPrefix(secretName, restorePrefix)
	return keyring, ok && keyring != ""
}

// Restores implements keyring.Restores over Secrets of the controller's namespace. It is safe for concurrent use.
type Restores struct{ secrets Secrets }

var _ keyring.Restores = (*Restores)(nil)

// NewRestores gives Restores over the Secrets of the controller's namespace.
func NewRestores(secrets Secrets) *Restores { return &Restores{secrets} }

// Restore implements keyring.Restores.
func (r *Restores) Restore(ctx context.Context, name string) (*keyring.Restore, error) {
	secret, err := r.secrets.Get(ctx, RestoreSecretName(name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && secret.DeletionTimestamp != nil) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", RestoreSecretName(name), err)
	}
	if secret.Type != RestoreType {
		return nil, &keyring.Problem{Where: where(secret.Name), Msg: fmt.Sprintf("has the name of a request to restore keys but is of type %s, not %s: it stays as it is", secret.Type, RestoreType)}
	}
	return &keyring.Restore{
		Keyring: name, Backup: secret.Data[DataBackup], Contents: keyring.NewPrivate(string(secret.Data[DataContents])), Recipients: secret.Data[DataRecipients],
		KeysOnly: strings.TrimSpace(string(secret.Data[DataKeysOnly])) == "true", Refused: secret.Annotations[AnnotationRefused],
		Request: string(secret.UID), Where: where(secret.Name), Version: string(secret.UID) + " " + secret.ResourceVersion,
	}, nil
}

// RefuseRestore implements keyring.Restores.
func (r *Restores) RefuseRestore(ctx context.Context, q *keyring.Restore, why string) error {
	name := RestoreSecretName(q.Keyring)
	secret, err := r.secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && string(secret.UID)+" "+secret.ResourceVersion != q.Version) {
		return keyring.ErrConflict
	}
	if err != nil {
		return fmt.Errorf("reading Secret %s: %w", name, err)
	}
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	secret.Annotations[AnnotationRefused] = why
	_, err = r.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: manager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return keyring.ErrConflict
	}
	return writeError("updating", name, err)
}

// FinishRestore implements keyring.Restores.
func (r *Restores) FinishRestore(ctx context.Context, q *keyring.Restore) error {
	uid, version, ok := strings.Cut(q.Version, " ")
	if !ok {
		return errors.New("a request to restore keys without a version")
	}
	id := types.UID(uid)
	err := r.secrets.Delete(ctx, RestoreSecretName(q.Keyring), metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &id, ResourceVersion: &version}})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return keyring.ErrConflict
	}
	return writeError("deleting", RestoreSecretName(q.Keyring), err)
}
