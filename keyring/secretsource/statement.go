package secretsource

import (
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// LoadStatement implements keyring.StatementStore.
func (s *Source) LoadStatement(ctx context.Context, name string) (*keyring.Statement, error) {
	secret, err := s.secrets.Get(ctx, StatementSecretName(name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", StatementSecretName(name), err)
	}
	st, err := readStatement(name, secret)
	if err != nil {
		return nil, &keyring.Problem{Where: where(secret.Name), Msg: err.Error()}
	}
	return st, nil
}

// readStatement is to a statement key what readKey is to a sealing key.
func readStatement(name string, secret *corev1.Secret) (*keyring.Statement, error) {
	if secret.Type != StatementType {
		return nil, fmt.Errorf("has the name of a statement key but is of type %s, not %s: it was not made by Waxwing and stays as it is", secret.Type, StatementType)
	}
	if secret.Labels[LabelKeyring] != name {
		return nil, fmt.Errorf("has the name of the statement key of keyring %s but not its label %s", name, LabelKeyring)
	}
	signer, err := statement.NewSigner(strings.TrimSpace(string(secret.Data[DataSigner])))
	if err != nil {
		return nil, fmt.Errorf("has a malformed statement key in %s", DataSigner)
	}
	verifierKey := strings.TrimSpace(string(secret.Data[DataVerifier]))
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		return nil, fmt.Errorf("has a malformed statement key in %s", DataVerifier)
	}
	if signer.Name() != name || verifier.Name() != name || signer.KeyHash() != verifier.KeyHash() {
		return nil, fmt.Errorf("has a %s and a %s that do not belong together, or to keyring %s", DataSigner, DataVerifier, name)
	}
	// Without the set the numbering would begin again under the same key, so an annotation that somebody removed is not taken for one that was never filled.
	recipients, ok := secret.Annotations[AnnotationRecipients]
	if !ok {
		return nil, fmt.Errorf("has lost its annotation %s with the last recipient set: restore it, from the status of the keyring or its ConfigMap", AnnotationRecipients)
	}
	return &keyring.Statement{
		Keyring: name, VerifierKey: verifierKey, Signer: signer, Note: []byte(recipients), Claim: secret.Annotations[AnnotationClaim],
		Where: where(secret.Name), Version: secret.ResourceVersion,
	}, nil
}

// CreateStatement implements keyring.StatementStore.
func (s *Source) CreateStatement(ctx context.Context, name string) error {
	signer, verifier, err := statement.GenerateKey(s.rand, name)
	if err != nil {
		return fmt.Errorf("making a statement key: %w", err)
	}
	immutable := true
	return s.create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        StatementSecretName(name),
			Labels:      map[string]string{LabelKeyring: name},
			Annotations: map[string]string{AnnotationRecipients: ""},
		},
		Type: StatementType, Immutable: &immutable,
		Data: map[string][]byte{DataSigner: []byte(signer + "\n"), DataVerifier: []byte(verifier + "\n")},
	})
}

// SaveStatement implements keyring.StatementStore.
func (s *Source) SaveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.update(ctx, StatementSecretName(st.Keyring), st.Version, map[string]string{AnnotationRecipients: string(st.Note), AnnotationClaim: st.Claim})
}
