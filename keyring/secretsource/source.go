package secretsource

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/keyring"
)

// Reader reads Secrets of one namespace, uncached. client-go's SecretInterface implements it.
type Reader interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Secret, error)
	List(ctx context.Context, opts metav1.ListOptions) (*corev1.SecretList, error)
}

// Writer writes Secrets of one namespace. client-go's SecretInterface implements it.
type Writer interface {
	Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (*corev1.Secret, error)
	Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (*corev1.Secret, error)
	Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error
}

// Secrets reads and writes Secrets of one namespace.
type Secrets interface {
	Reader
	Writer
}

// Source implements keyring.Source. It is safe for concurrent use.
type Source struct {
	secrets Secrets
	custody Custody
	form    Form
	now     func() time.Time
}

var _ keyring.Source = (*Source)(nil)

// New gives a Source that has private keys in the clear, over the Secrets of the controller's namespace. now dates new keys; rand makes statement keys (age draws its keys
// from crypto/rand).
func New(secrets Secrets, now func() time.Time, rand io.Reader) *Source {
	return NewIn(secrets, clearKeys{rand}, now)
}

// NewIn gives a Source whose private keys are in a Custody.
func NewIn(secrets Secrets, custody Custody, now func() time.Time) *Source {
	return &Source{secrets: secrets, custody: custody, form: custody.Form(), now: now}
}

// create makes a Secret, and never changes one that is there.
func (s *Source) create(ctx context.Context, secret *corev1.Secret) error {
	_, err := s.secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: manager})
	if apierrors.IsAlreadyExists(err) {
		return keyring.ErrConflict
	}
	return writeError("creating", secret.Name, err)
}

// current reads the Secret name if it is still at version.
func (s *Source) current(ctx context.Context, name, version string) (*corev1.Secret, error) {
	secret, err := s.secrets.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || (err == nil && secret.ResourceVersion != version) {
		return nil, keyring.ErrConflict
	}
	if err != nil {
		return nil, fmt.Errorf("reading Secret %s: %w", name, err)
	}
	return secret, nil
}

// update changes annotations of the Secret name if it is still at version; an annotation with the value "" stays, as an empty one.
func (s *Source) update(ctx context.Context, name, version string, annotations map[string]string) error {
	secret, err := s.current(ctx, name, version)
	if err != nil {
		return err
	}
	_, err = s.annotate(ctx, secret, annotations)
	return err
}

// annotate changes annotations of a Secret if it is still as it was read.
func (s *Source) annotate(ctx context.Context, secret *corev1.Secret, annotations map[string]string) (*corev1.Secret, error) {
	if secret.Annotations == nil {
		secret.Annotations = map[string]string{}
	}
	for k, v := range annotations {
		secret.Annotations[k] = v
	}
	updated, err := s.secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: manager})
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil, keyring.ErrConflict
	}
	return updated, writeError("updating", secret.Name, err)
}

// apiError is an error of a request that carried a key. It prints the code and neither reason nor message, because whoever answers (an admission webhook, a proxy)
// may quote the request.
type apiError struct {
	doing, name string
	err         error
}

func writeError(doing, name string, err error) error {
	if err == nil {
		return nil
	}
	return &apiError{doing, name, err}
}

// Error implements error.
func (e *apiError) Error() string {
	var status apierrors.APIStatus
	if errors.As(e.err, &status) {
		return fmt.Sprintf("%s Secret %s: the API server answered %d %s", e.doing, e.name, status.Status().Code, http.StatusText(int(status.Status().Code)))
	}
	for _, known := range []error{context.Canceled, context.DeadlineExceeded} {
		if errors.Is(e.err, known) {
			return fmt.Sprintf("%s Secret %s: %v", e.doing, e.name, known)
		}
	}
	return fmt.Sprintf("%s Secret %s: the API server cannot be reached", e.doing, e.name)
}

// Unwrap gives the API server's error, for errors.As.
func (e *apiError) Unwrap() error { return e.err }
