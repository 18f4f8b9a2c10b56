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
	secret, err := s.secrets.Get(ctx, s.form.StatementSecretName(name), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", s.form.StatementSecretName(name), err)
	}
	st, err := s.readStatement(ctx, name, secret)
	if err != nil {
		return nil, &keyring.Problem{Where: where(secret.Name), Msg: err.Error()}
	}
	return st, nil
}

// readStatement is to a statement key what readKey is to a sealing key.
func (s *Source) readStatement(ctx context.Context, name string, secret *corev1.Secret) (*keyring.Statement, error) {
	if secret.Type != s.form.StatementType {
		return nil, fmt.Errorf("has the name of a statement key but is of type %s, not %s: it was not made by Waxwing and stays as it is", secret.Type, s.form.StatementType)
	}
	if secret.Labels[LabelKeyring] != name {
		return nil, fmt.Errorf("has the name of the statement key of keyring %s but not its label %s", name, LabelKeyring)
	}
	verifierKey := strings.TrimSpace(string(secret.Data[DataVerifier]))
	signer, err := s.custody.Signer(ctx, name, verifierKey, secret.Data[s.form.DataSigner])
	if err != nil {
		return nil, fmt.Errorf("has a malformed statement key in %s", s.form.DataSigner)
	}
	verifier, err := statement.NewVerifier(verifierKey)
	if err != nil {
		return nil, fmt.Errorf("has a malformed statement key in %s", DataVerifier)
	}
	if signer.Name() != name || verifier.Name() != name || signer.KeyHash() != verifier.KeyHash() {
		return nil, fmt.Errorf("has a %s and a %s that do not belong together, or to keyring %s", s.form.DataSigner, DataVerifier, name)
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
	verifier, kept, err := s.custody.NewSigner(ctx, name)
	if err != nil {
		return err
	}
	return s.create(ctx, s.statementSecret(name, verifier, "", kept))
}

// statementSecret is the Secret of a statement key.
func (s *Source) statementSecret(name, verifier, note string, kept []byte) *corev1.Secret {
	immutable := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name:        s.form.StatementSecretName(name),
			Labels:      map[string]string{LabelKeyring: name},
			Annotations: map[string]string{AnnotationRecipients: note},
		},
		Type: s.form.StatementType, Immutable: &immutable,
		Data: map[string][]byte{s.form.DataSigner: kept, DataVerifier: []byte(verifier + "\n")},
	}
}

// SaveStatement implements keyring.StatementStore.
func (s *Source) SaveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.update(ctx, s.form.StatementSecretName(st.Keyring), st.Version, map[string]string{AnnotationRecipients: string(st.Note), AnnotationClaim: st.Claim})
}
