package secretsource

import (
	"context"
	"errors"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/keyring"
)

// AnnotationWasClear is on a KeyType of another Form than the clear one: the key has lain in a Secret in the clear before it was moved here.
const AnnotationWasClear = "waxwing.io/was-clear"

// Carrier is a Custody whose private keys can come from elsewhere, and go.
type Carrier interface {
	Custody
	// Keep gives what a Secret is to have of the age identity that belongs to recipient, and KeepSigner of a signer key in C2SP form.
	Keep(ctx context.Context, keyring, recipient string, private keyring.Private) (kept []byte, err error)
	KeepSigner(ctx context.Context, keyring, verifierKey string, private keyring.Private) (kept []byte, err error)
	// SignerKey is the inverse of KeepSigner.
	SignerKey(ctx context.Context, keyring, verifierKey string, kept []byte) (keyring.Private, error)
}

var (
	_ keyring.Mover = (*Source)(nil)
	_ Carrier       = clearKeys{}
)

// Keep implements Carrier.
func (clearKeys) Keep(_ context.Context, _, recipient string, private keyring.Private) ([]byte, error) {
	return PrivateFile(recipient, private)
}

// PrivateFile is IdentityFile for a key that comes from elsewhere.
func PrivateFile(recipient string, private keyring.Private) ([]byte, error) {
	file := []byte("# public key: " + recipient + "\n" + private.Text() + "\n")
	id, err := ReadIdentityFile(file, DataIdentity)
	if err != nil || id.Recipient() != recipient {
		return nil, errors.New("a private key that is to be kept does not belong to its recipient")
	}
	return file, nil
}

// KeepSigner implements Carrier.
func (clearKeys) KeepSigner(_ context.Context, _, _ string, private keyring.Private) ([]byte, error) {
	return []byte(private.Text() + "\n"), nil
}

// SignerKey implements Carrier.
func (clearKeys) SignerKey(_ context.Context, _, _ string, kept []byte) (keyring.Private, error) {
	text := strings.TrimSpace(string(kept))
	if _, err := statement.NewSigner(text); err != nil {
		return keyring.Private{}, errors.New("not a statement key")
	}
	return keyring.NewPrivate(text), nil
}

// carrier is the custody of keys that can be moved.
func (s *Source) carrier() (Carrier, error) {
	if c, ok := s.custody.(Carrier); ok {
		return c, nil
	}
	return nil, &keyring.Problem{Where: "the source", Msg: "has keys that cannot be moved"}
}

// Import implements keyring.Mover.
func (s *Source) Import(ctx context.Context, k keyring.Key, private keyring.Private) error {
	c, err := s.carrier()
	if err != nil {
		return err
	}
	if k.State == keyring.Destroyed {
		return s.bury(ctx, k)
	}
	there, err := s.there(ctx, s.form.KeySecretName(k.Keyring, k.ID))
	if err != nil {
		return err
	}
	if there != nil {
		return inTheWay(k, there, s.form.KeyType)
	}
	kept, err := c.Keep(ctx, k.Keyring, k.Recipient, private)
	if err != nil {
		return err
	}
	return s.create(ctx, s.keySecret(k, kept))
}

// there is the Secret of a name; nil: there is none.
func (s *Source) there(ctx context.Context, name string) (*corev1.Secret, error) {
	secret, err := s.secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret, nil
}

// inTheWay says whether a Secret is another thing than one of type t of k: what Load would not even list.
func inTheWay(k keyring.Key, there *corev1.Secret, t corev1.SecretType) error {
	if there.Type == t && there.Labels[LabelKeyring] == k.Keyring && strings.TrimSpace(string(there.Data[DataRecipient])) == k.Recipient {
		return nil
	}
	return &keyring.Problem{Where: where(there.Name), Msg: "is in the way of key " + k.Display() + ", which is to be kept here: it is something else, and stays as it is. Delete it if nothing needs it", KeyID: k.ID}
}

// secretOf is the name of the Secret that a key was loaded from.
func (s *Source) secretOf(k keyring.Key) string {
	if _, elsewhere := s.custody.(Destroyer); k.State == keyring.Destroyed && !elsewhere {
		return s.form.DestroyedSecretName(k.Keyring, k.ID)
	}
	return s.form.KeySecretName(k.Keyring, k.ID)
}

// MarkClear implements keyring.Mover.
func (s *Source) MarkClear(ctx context.Context, k keyring.Stored) error {
	return s.update(ctx, s.secretOf(k.Key), k.Version, map[string]string{AnnotationWasClear: "true"})
}

// Remove implements keyring.Mover. A Secret of a destruction that has not come to its end goes first: alone, it would say that the key is destroyed.
func (s *Source) Remove(ctx context.Context, k keyring.Stored) error {
	if k.State != keyring.Destroyed {
		if err := s.dropLeft(ctx, k.Key); err != nil {
			return err
		}
	}
	return s.remove(ctx, s.secretOf(k.Key), k.Version)
}

// dropLeft deletes what is left of a destruction that has not come to its end.
func (s *Source) dropLeft(ctx context.Context, k keyring.Key) error {
	there, err := s.there(ctx, s.form.DestroyedSecretName(k.Keyring, k.ID))
	if there == nil || err != nil || there.Type != s.form.DestroyedType {
		return err
	}
	return s.remove(ctx, there.Name, there.ResourceVersion)
}

func (s *Source) remove(ctx context.Context, name, version string) error {
	err := s.secrets.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{ResourceVersion: &version}})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return keyring.ErrConflict
	}
	return writeError("deleting", name, err)
}

// ExportStatement implements keyring.Mover.
func (s *Source) ExportStatement(ctx context.Context, st *keyring.Statement) (keyring.Private, error) {
	c, err := s.carrier()
	if err != nil {
		return keyring.Private{}, err
	}
	secret, err := s.there(ctx, s.form.StatementSecretName(st.Keyring))
	if err != nil {
		return keyring.Private{}, err
	}
	if secret == nil || secret.ResourceVersion != st.Version {
		return keyring.Private{}, keyring.ErrConflict
	}
	return c.SignerKey(ctx, st.Keyring, st.VerifierKey, secret.Data[s.form.DataSigner])
}

// ImportStatement implements keyring.Mover.
func (s *Source) ImportStatement(ctx context.Context, st *keyring.Statement, private keyring.Private) error {
	c, err := s.carrier()
	if err != nil {
		return err
	}
	kept, err := c.KeepSigner(ctx, st.Keyring, st.VerifierKey, private)
	if err != nil {
		return err
	}
	return s.create(ctx, s.statementSecret(st.Keyring, st.VerifierKey, string(st.Note), kept))
}

// RemoveStatement implements keyring.Mover.
func (s *Source) RemoveStatement(ctx context.Context, st *keyring.Statement) error {
	return s.remove(ctx, s.form.StatementSecretName(st.Keyring), st.Version)
}
