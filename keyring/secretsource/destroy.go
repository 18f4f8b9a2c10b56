package secretsource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// Destroyer is a Custody whose private keys are elsewhere than in the Secrets, so that they do not go with these. A key of it that is destroyed keeps its Secret, with its public half and dates.
type Destroyer interface {
	Custody
	// Destroy deletes a private key for good where it is; one that is not there any more is no error. It deletes none that does not belong to the recipient.
	Destroy(ctx context.Context, keyring string, held Held) error
}

// ErrGone is in the Err of a Found whose private key is not where it should be.
var ErrGone = errors.New("the private key is gone")

// AnnotationDestroying is on a KeyType whose private key, elsewhere, is being deleted, and says since when: it cannot become active any more. RFC 3339.
const AnnotationDestroying = "waxwing.io/destroying"

// AnnotationWasCompromised is on what is left of a destroyed key that others knew.
const AnnotationWasCompromised = "waxwing.io/was-compromised"

// destroy takes a key to Destroyed. The deletion of the Secret with its private half is what does it, at once or not at all. What is left is in a Secret that is made before; beside one that
// has the private half it says nothing.
func (s *Source) destroy(ctx context.Context, k keyring.Stored, at time.Time) error {
	secret, err := s.current(ctx, s.form.KeySecretName(k.Keyring, k.ID), k.Version)
	if err != nil {
		return err
	}
	if d, ok := s.custody.(Destroyer); ok {
		return s.destroyElsewhere(ctx, d, k, secret, at)
	}
	if err := heldBack(secret, k.ID); err != nil {
		return err
	}
	if err := s.bury(ctx, k.Destroyed(at)); err != nil {
		return err
	}
	err = s.remove(ctx, secret.Name, k.Version)
	if apierrors.IsForbidden(err) {
		return &keyring.Problem{
			Where: where(secret.Name), KeyID: k.ID,
			Msg: "is to be destroyed, and the API server does not let this controller delete it: give it `delete secrets` in its namespace (docs/rights.md)",
		}
	}
	if err != nil {
		return err
	}
	// The API server takes the deletion of one that finalizers hold, and leaves it there.
	if secret, err = s.there(ctx, secret.Name); err != nil {
		return err
	}
	return heldBack(secret, k.ID)
}

// heldBack says what holds a Secret that is being deleted.
func heldBack(secret *corev1.Secret, id string) error {
	if secret == nil || secret.DeletionTimestamp == nil {
		return nil
	}
	return &keyring.Problem{Where: where(secret.Name), Msg: fmt.Sprintf("is being deleted, and its finalizers hold it: %s", strings.Join(secret.Finalizers, ", ")), KeyID: id}
}

// destroyElsewhere marks the Secret, has the private key deleted, and notes that it is. From the mark on nobody else can make the key active.
func (s *Source) destroyElsewhere(ctx context.Context, d Destroyer, k keyring.Stored, secret *corev1.Secret, at time.Time) error {
	if secret.Annotations[AnnotationDestroying] == "" {
		var err error
		if secret, err = s.annotate(ctx, secret, map[string]string{AnnotationDestroying: stamp(at)}); err != nil {
			return err
		}
	}
	if err := d.Destroy(ctx, k.Keyring, s.held(secret)); err != nil {
		return err
	}
	dead := map[string]string{AnnotationState: string(keyring.Destroyed), AnnotationSince: stamp(at), AnnotationDestroying: ""}
	if k.Destroyed(at).WasCompromised {
		dead[AnnotationWasCompromised] = "true"
	}
	_, err := s.annotate(ctx, secret, dead)
	return err
}

// bury makes the Secret of a key that is destroyed, or brings the one that is there up to date.
func (s *Source) bury(ctx context.Context, k keyring.Key) error {
	immutable, name := true, s.form.DestroyedSecretName(k.Keyring, k.ID)
	err := s.create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: labelsOf(k.Keyring, k.ID), Annotations: s.annotationsOf(k)},
		Type:       s.form.DestroyedType, Immutable: &immutable,
		Data: map[string][]byte{DataRecipient: []byte(k.Recipient + "\n")},
	})
	if !errors.Is(err, keyring.ErrConflict) {
		return err
	}
	there, err := s.there(ctx, name)
	if err != nil {
		return err
	}
	if there == nil {
		return keyring.ErrConflict
	}
	if err := inTheWay(k, there, s.form.DestroyedType); err != nil {
		return err
	}
	_, err = s.annotate(ctx, there, s.annotationsOf(k))
	return err
}

// readDestroyed reads what is left of a key. Its errors are as those of readKey.
func (s *Source) readDestroyed(name string, secret *corev1.Secret) (keyring.Key, error) {
	held := s.held(secret)
	k := keyring.Key{Keyring: name, ID: held.ID, Recipient: held.Recipient, State: keyring.Destroyed, WasClear: secret.Annotations[AnnotationWasClear] != ""}
	// While a destruction has not come to its end, a KeyType has the state of before.
	k.WasCompromised = secret.Annotations[AnnotationWasCompromised] != "" || secret.Annotations[AnnotationState] == string(keyring.Compromised)
	if k.ID != seal.KeyID(held.Recipient) {
		return keyring.Key{}, fmt.Errorf("has the label %s of another key than its %s", LabelKeyID, DataRecipient)
	}
	if want := s.secretOf(k); secret.Name != want {
		return keyring.Key{}, fmt.Errorf("is about a key that belongs in Secret %s", want)
	}
	err := readTimes(secret, &k)
	if begun := secret.Annotations[AnnotationDestroying]; err == nil && begun != "" {
		k.Since, err = readTime(secret, AnnotationDestroying, true)
	}
	return k, err
}
