package secretsource

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
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
	var keys []keyring.Stored
	var faults []keyring.Problem
	for i := range list.Items {
		secret := &list.Items[i]
		if secret.Type == StatementType && secret.Name == StatementSecretName(name) {
			continue
		}
		k, err := readKey(name, secret)
		if err != nil {
			faults = append(faults, keyring.Problem{Where: where(secret.Name), Msg: err.Error(), KeyID: keyIDOf(secret.Name)})
			continue
		}
		keys = append(keys, keyring.Stored{Key: k, Where: where(secret.Name), Version: secret.ResourceVersion})
	}
	return keys, faults, nil
}

func where(name string) string { return "Secret " + name }

// readKey reads one key. Its errors are part of a sentence that begins with the Secret's name, and never quote data.
func readKey(name string, secret *corev1.Secret) (keyring.Key, error) {
	if secret.Type != KeyType {
		return keyring.Key{}, fmt.Errorf("has the label %s but is of type %s, not %s", LabelKeyring, secret.Type, KeyType)
	}
	id, err := readIdentity(secret.Data[DataIdentity])
	if err != nil {
		return keyring.Key{}, err
	}
	// Who edits or copies one part of a Secret and forgets another is told so, before anything is sealed to a key that is not what it says.
	if strings.TrimSpace(string(secret.Data[DataRecipient])) != id.Recipient() {
		return keyring.Key{}, fmt.Errorf("has a %s that does not belong to its %s", DataRecipient, DataIdentity)
	}
	if got := secret.Labels[LabelKeyID]; got != id.KeyID() {
		return keyring.Key{}, fmt.Errorf("has the label %s of another key than its %s", LabelKeyID, DataIdentity)
	}
	if want := KeySecretName(name, id.KeyID()); secret.Name != want {
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
	return keyring.NewKey(name, id, state, created, activated), nil
}

// readIdentity reads an age identity file with exactly one identity.
func readIdentity(file []byte) (seal.Identity, error) {
	var found []string
	for line := range strings.Lines(string(file)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			found = append(found, line)
		}
	}
	if len(found) != 1 {
		return seal.Identity{}, fmt.Errorf("has %d identities in %s, not one", len(found), DataIdentity)
	}
	id, err := seal.ParseIdentity(found[0])
	if err != nil {
		return seal.Identity{}, fmt.Errorf("has a malformed identity in %s", DataIdentity)
	}
	return id, nil
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
	text, err := generate(class)
	if err != nil {
		return "", err
	}
	id, err := seal.ParseIdentity(text)
	if err != nil {
		return "", errors.New("making a key: what was made cannot be read")
	}
	immutable := true
	return id.KeyID(), s.create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        KeySecretName(name, id.KeyID()),
			Labels:      map[string]string{LabelKeyring: name, LabelKeyID: id.KeyID()},
			Annotations: map[string]string{AnnotationState: string(keyring.PreActive), AnnotationCreated: stamp(s.now())},
		},
		Type: KeyType, Immutable: &immutable,
		Data: map[string][]byte{
			DataIdentity:  []byte("# public key: " + id.Recipient() + "\n" + text + "\n"),
			DataRecipient: []byte(id.Recipient() + "\n"),
		},
	})
}

// generate gives a new private key as text.
func generate(class seal.Class) (string, error) {
	if class == seal.Classical {
		id, err := age.GenerateX25519Identity()
		if err != nil {
			return "", fmt.Errorf("making a key: %w", err)
		}
		return id.String(), nil
	}
	id, err := age.GenerateHybridIdentity()
	if err != nil {
		return "", fmt.Errorf("making a key: %w", err)
	}
	return id.String(), nil
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
	return s.update(ctx, KeySecretName(k.Keyring, k.ID), k.Version, annotations)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
