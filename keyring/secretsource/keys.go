package secretsource

import (
	"context"
	"errors"
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
	alive, dead, faults := s.sort(name, list.Items)
	held := make([]Held, len(alive))
	for i, secret := range alive {
		held[i] = s.held(secret)
	}
	found, err := s.custody.Identities(ctx, name, held)
	if err != nil {
		return nil, nil, err
	}
	var keys []keyring.Stored
	buried := s.buried(name, list.Items)
	take := func(secret *corev1.Secret, k keyring.Key, err error) {
		if err != nil {
			faults = append(faults, fault(secret, err))
			return
		}
		keys = append(keys, keyring.Stored{
			Key: k, Where: where(secret.Name), Version: secret.ResourceVersion, Buried: k.State != keyring.Destroyed && (buried[k.ID] || begun(secret, k)),
		})
	}
	for i, secret := range alive {
		if errors.Is(found[i].Err, ErrGone) && secret.Annotations[AnnotationDestroying] != "" {
			dead = append(dead, secret)
			continue
		}
		k, err := s.readKey(name, secret, held[i].Recipient, found[i])
		take(secret, k, err)
	}
	for _, secret := range dead {
		k, err := s.readDestroyed(name, secret)
		take(secret, k, err)
	}
	return keys, faults, nil
}

// sort parts the Secrets of a keyring into those whose private halves are to be found, and those of destroyed keys. A key that has both is not destroyed.
func (s *Source) sort(name string, all []corev1.Secret) (alive, dead []*corev1.Secret, faults []keyring.Problem) {
	_, elsewhere := s.custody.(Destroyer)
	there := map[string]bool{}
	for i := range all {
		there[all[i].Name] = true
	}
	for i := range all {
		switch secret := &all[i]; {
		case secret.Type == s.form.StatementType && secret.Name == s.form.StatementSecretName(name), s.form.foreign(secret.Type):
		case secret.Type == s.form.KeyType && elsewhere && secret.Annotations[AnnotationState] == string(keyring.Destroyed):
			dead = append(dead, secret)
		case secret.Type == s.form.KeyType:
			alive = append(alive, secret)
		case secret.Type == s.form.DestroyedType && !elsewhere:
			if !there[s.form.KeySecretName(name, secret.Labels[LabelKeyID])] && secret.Annotations[AnnotationState] != notDestroyed {
				dead = append(dead, secret)
			}
		default:
			faults = append(faults, fault(secret, fmt.Errorf("has the label %s but is of type %s, not %s", LabelKeyring, secret.Type, s.form.KeyType)))
		}
	}
	return alive, dead, faults
}

// held is what a Secret has of a key.
func (s *Source) held(secret *corev1.Secret) Held {
	return Held{ID: secret.Labels[LabelKeyID], Recipient: strings.TrimSpace(string(secret.Data[DataRecipient])), Kept: secret.Data[s.form.DataIdentity]}
}

// foreign says whether a Secret is of another Form.
func (f Form) foreign(t corev1.SecretType) bool {
	return slices.ContainsFunc(forms(), func(o Form) bool {
		return o.KeyType != f.KeyType && slices.Contains([]corev1.SecretType{o.KeyType, o.StatementType, o.DestroyedType}, t)
	})
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
	if state == keyring.Destroyed {
		return keyring.Key{}, fmt.Errorf("says in annotation %s that the key is destroyed, and still has it: delete this Secret if that is meant, or write %s", AnnotationState, keyring.Deactivated)
	}
	k := keyring.NewKey(name, id, state, time.Time{}, time.Time{})
	k.WasClear = secret.Annotations[AnnotationWasClear] != ""
	err := readTimes(secret, &k)
	return k, err
}

// readTimes fills in the dates of a key whose state is known.
func readTimes(secret *corev1.Secret, k *keyring.Key) (err error) {
	if k.Created, err = readTime(secret, AnnotationCreated, true); err != nil {
		return err
	}
	if k.Activated, err = readTime(secret, AnnotationActivated, k.State == keyring.Active); err != nil {
		return err
	}
	k.Since, err = readTime(secret, AnnotationSince, false)
	return err
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
	k := keyring.Key{Keyring: name, ID: seal.KeyID(recipient), Recipient: recipient, State: keyring.PreActive, Created: s.now()}
	k.Since = k.Created
	return k.ID, s.create(ctx, s.keySecret(k, kept))
}

// keySecret is the Secret of a key.
func (s *Source) keySecret(k keyring.Key, kept []byte) *corev1.Secret {
	immutable := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: s.form.KeySecretName(k.Keyring, k.ID), Labels: labelsOf(k.Keyring, k.ID), Annotations: s.annotationsOf(k)},
		Type:       s.form.KeyType, Immutable: &immutable,
		Data: map[string][]byte{s.form.DataIdentity: kept, DataRecipient: []byte(k.Recipient + "\n")},
	}
}

func labelsOf(keyring, id string) map[string]string {
	return map[string]string{LabelKeyring: keyring, LabelKeyID: id}
}

// annotationsOf are those of a key's Secret.
func (s *Source) annotationsOf(k keyring.Key) map[string]string {
	all := map[string]string{AnnotationState: string(k.State), AnnotationCreated: stamp(k.Created)}
	if !k.Activated.IsZero() {
		all[AnnotationActivated] = stamp(k.Activated)
	}
	if !k.Since.IsZero() {
		all[AnnotationSince] = stamp(k.Since)
	}
	if k.WasClear && s.form.KeyType != KeyType {
		all[AnnotationWasClear] = "true"
	}
	if k.WasCompromised {
		all[AnnotationWasCompromised] = "true"
	}
	return all
}

// SetState implements keyring.KeyStore.
func (s *Source) SetState(ctx context.Context, k keyring.Stored, to keyring.State, at time.Time) error {
	if err := keyring.Step(k.State, to); err != nil {
		return err
	}
	if to == keyring.Destroyed {
		return s.destroy(ctx, k, at)
	}
	secret, err := s.current(ctx, s.form.KeySecretName(k.Keyring, k.ID), k.Version)
	if err != nil {
		return err
	}
	if to == keyring.Active && secret.Annotations[AnnotationDestroying] != "" {
		return &keyring.Problem{Where: where(secret.Name), Msg: "is being destroyed, and cannot become active any more: have that done (seal keys destroy), or delete the Secret", KeyID: k.ID}
	}
	annotations := map[string]string{AnnotationState: string(to), AnnotationSince: stamp(at)}
	if to == keyring.Active && k.Activated.IsZero() {
		annotations[AnnotationActivated] = stamp(at)
	}
	_, err = s.annotate(ctx, secret, annotations)
	return err
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
