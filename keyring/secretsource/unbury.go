package secretsource

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/waxwing-io/waxwing/keyring"
)

// notDestroyed is the state in a DestroyedType whose destruction was taken back. It says nothing, also where the key is gone.
const notDestroyed = "NotDestroyed"

// AnnotationKept is on a KeyType whose destruction was begun and taken back, and says when. RFC 3339.
const AnnotationKept = "waxwing.io/kept"

// Unbury implements keyring.KeyStore. It takes no right to delete, which may be what the destruction has lacked. The key is written first: whoever is still about to destroy it, as it was, has a conflict.
func (s *Source) Unbury(ctx context.Context, k keyring.Stored) error {
	kept := map[string]string{AnnotationKept: stamp(s.now())}
	_, elsewhere := s.custody.(Destroyer)
	if elsewhere {
		kept[AnnotationDestroying] = ""
	}
	if err := s.update(ctx, s.form.KeySecretName(k.Keyring, k.ID), k.Version, kept); err != nil || elsewhere {
		return err
	}
	left, err := s.there(ctx, s.form.DestroyedSecretName(k.Keyring, k.ID))
	if left == nil || err != nil || left.Type != s.form.DestroyedType {
		return err
	}
	_, err = s.annotate(ctx, left, map[string]string{AnnotationState: notDestroyed})
	return err
}

// buried are the ids of the keys that have both a Secret with the private half and one of what is left when they are destroyed, unless the one with the private half is about to go.
func (s *Source) buried(name string, all []corev1.Secret) map[string]bool {
	left, both := map[string]bool{}, map[string]bool{}
	for _, secret := range all {
		if id := secret.Labels[LabelKeyID]; secret.Type == s.form.DestroyedType && secret.Name == s.form.DestroyedSecretName(name, id) && secret.Annotations[AnnotationState] != notDestroyed {
			left[id] = true
		}
	}
	for _, secret := range all {
		if id := secret.Labels[LabelKeyID]; left[id] && secret.Type == s.form.KeyType && secret.DeletionTimestamp == nil {
			both[id] = true
		}
	}
	return both
}

// begun says that the private half of a key, elsewhere, is being destroyed. One that was never active stays so: nobody else may make it active any more, and nothing was sealed to it.
func begun(secret *corev1.Secret, k keyring.Key) bool {
	return secret.Annotations[AnnotationDestroying] != "" && k.State != keyring.PreActive
}
