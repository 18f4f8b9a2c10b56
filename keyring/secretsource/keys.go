package secretsource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
)

// Load implements keyring.KeyStore.
func (s *Source) Load(ctx context.Context, name string) ([]keyring.Stored, []keyring.Problem, error) {
	list, err := s.secrets.List(ctx, metav1.ListOptions{LabelSelector: labels.Set{LabelKeyring: name}.String()})
	if err != nil {
		return nil, nil, fmt.Errorf("listing the Secrets of keyring %s: %w", name, err)
	}
	var mine []*corev1.Secret
	var held []Held
	var faults []keyring.Problem
	for i := range list.Items {
		secret := &list.Items[i]
		switch {
		case secret.Type == s.form.StatementType && secret.Name == s.form.StatementSecretName(name), s.form.foreign(secret.Type):
			continue
		case secret.Type != s.form.KeyType:
			faults = append(faults, fault(secret, fmt.Errorf("has the label %s but is of type %s, not %s", LabelKeyring, secret.Type, s.form.KeyType)))
			continue
		}
		mine = append(mine, secret)
		held = append(held, Held{ID: secret.Labels[LabelKeyID], Recipient: strings.TrimSpace(string(secret.Data[DataRecipient])), Kept: secret.Data[s.form.DataIdentity]})
	}
	if len(mine) == 0 {
		return nil, faults, nil
	}
	found, err := s.custody.Identities(ctx, name, held)
	if err != nil {
		return nil, nil, err
	}
	var keys []keyring.Stored
	for i, secret := range mine {
		k, err := s.readKey(name, secret, held[i].Recipient, found[i])
		if err != nil {
			faults = append(faults, fault(secret, err))
			continue
		}
		keys = append(keys, keyring.Stored{Key: k, Where: where(secret.Name), Version: secret.ResourceVersion})
	}
	return keys, faults, nil
}

// foreign says whether a Secret is of another Form.
func (f Form) foreign(t corev1.SecretType) bool {
	return slices.ContainsFunc(forms(), func(o Form) bool { return o.KeyType != f.KeyType && (t == o.KeyType || t == o.StatementType) })
}

func fault(secret *corev1.Secret, err error) keyring.Problem {
	return keyring.Problem{Where: where(secret.Name), Msg: err.Error(), KeyID: keyIDOf(secret.Name)}
}

func where(name string) string { return "Secret " + name }

// readKey reads one key. Its errors are part of a sentence that begins with the Secret's name, and never quote data.
func (s *Source) readKey(name string, secret *corev1.Secret, recipient string, found Found) (keyring.Key, error) {
	if found.Err != nil {
		return keyring.Key{}, found.Err
	}
	id := found.Identity
	// Who edits or copies one part of a Secret and forgets another is told so, before anything is sealed to a key that is not what it says.
	if recipient != id.Recipient() {
		return keyring.Key{}, fmt.Errorf("has a %s that does not belong to its %s", DataRecipient, s.form.DataIdentity)
	}
	if got := secret.Labels[LabelKeyID]; got != id.KeyID() {
		return keyring.Key{}, fmt.Errorf("has the label %s of another key than its %s", LabelKeyID, s.form.DataIdentity)
	}
	if want := s.form.KeySecretName(name, id.KeyID()); secret.Name != want {
		return keyring.Key{}, fmt.Errorf("holds a key that belongs in Secret %s", want)
	}
	state := keyring.State(secret.Annotations[AnnotationState])
	if !state.Known() {
		return keyring.Key{}, fmt.Errorf("has no state of a key in annotation %s", AnnotationState)
	}
	created, err := readTime(secret, AnnotationCreated, true)
	if err != nil {
		return keyring.Key{}, err
	}
	activated, err := readTime(secret, AnnotationActivated, state == keyring.Active)
	if err != nil {
		return keyring.Key{}, err
	}
	k := keyring.NewKey(name, id, state, created, activated)
	k.WasClear = secret.Annotations[AnnotationWasClear] != ""
	return k, nil
}

func readTime(secret *corev1.Secret, annotation string, required bool) (time.Time, error) {
	text, ok := secret.Annotations[annotation]
	if !ok && !required {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("has no time in annotation %s", annotation)
	}
	return t, nil
}

// Create implements keyring.KeyStore.
func (s *Source) Create(ctx context.Context, name string, class seal.Class) (string, error) {
	recipient, kept, err := s.custody.NewKey(ctx, name, class)
	if err != nil {
		return "", err
	}
	annotations := map[string]string{AnnotationState: string(keyring.PreActive), AnnotationCreated: stamp(s.now())}
	return seal.KeyID(recipient), s.create(ctx, s.keySecret(name, recipient, kept, annotations))
}

// keySecret is the Secret of a key.
func (s *Source) keySecret(name, recipient string, kept []byte, annotations map[string]string) *corev1.Secret {
	immutable, id := true, seal.KeyID(recipient)
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        s.form.KeySecretName(name, id),
			Labels:      map[string]string{LabelKeyring: name, LabelKeyID: id},
			Annotations: annotations,
		},
		Type: s.form.KeyType, Immutable: &immutable,
		Data: map[string][]byte{s.form.DataIdentity: kept, DataRecipient: []byte(recipient + "\n")},
	}
}

// SetState implements keyring.KeyStore.
func (s *Source) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	if err := keyring.Step(k.State, to); err != nil {
		return err
	}
	annotations := map[string]string{AnnotationState: string(to)}
	if to == keyring.Active && k.Activated.IsZero() {
		annotations[AnnotationActivated] = stamp(at)
	}
	return s.update(ctx, s.form.KeySecretName(k.Keyring, k.ID), k.Version, annotations)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
