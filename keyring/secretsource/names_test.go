package secretsource_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

func TestWhichKeyringASecretBelongsTo(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	for secret, want := range map[string]string{
		secretsource.KeySecretName("default", id):     "default",
		secretsource.KeySecretName("prod.eu-1", id):   "prod.eu-1",
		secretsource.KeySecretName("a-"+id[:16], id):  "a-" + id[:16],
		secretsource.StatementSecretName("default"):   "default",
		secretsource.StatementSecretName("prod.eu-1"): "prod.eu-1",
		"waxwing-key-default-backup":                  "",
		"waxwing-key--" + id[:16]:                     "",
		"waxwing-key-" + id[:16]:                      "",
		"waxwing-statement-":                          "",
		"waxwing-recipients-default":                  "",
		"db":                                          "",
		"":                                            "",
	} {
		if got, ok := secretsource.KeyringOf(secret); got != want && (ok || want != "") || ok != (want != "") {
			t.Errorf("%q belongs to %q, %t", secret, got, ok)
		}
	}
}

func TestNamesFitForTheLongestKeyring(t *testing.T) {
	name := strings.Repeat("a", 63)
	if got := secretsource.KeySecretName(name, strings.Repeat("0", 32)); len(got) > 253 {
		t.Errorf("%d bytes", len(got))
	}
}

// refusingSecrets is a fake of an API server that refuses every write and quotes what it was sent, which a real one does at an admission webhook's word.
type refusingSecrets struct {
	secretsource.Secrets
	refuse func(sent string) error
}

func (r refusingSecrets) Create(_ context.Context, s *corev1.Secret, _ metav1.CreateOptions) (*corev1.Secret, error) {
	return nil, r.refuse(fmt.Sprintf("%s%s", s.Data["identity"], s.Data["signer"]))
}

func TestNoErrorOfAWriteQuotesWhatWasSent(t *testing.T) {
	resource := schema.GroupResource{Resource: "secrets"}
	for name, c := range map[string]struct {
		refuse func(sent string) error
		says   string
	}{
		"forbidden": {func(sent string) error { return apierrors.NewForbidden(resource, "x", errors.New(sent)) }, "the API server answered 403 Forbidden"},
		"a webhook that says why": {func(sent string) error {
			return &apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: metav1.StatusReason(sent)}}
		}, "the API server answered 403 Forbidden"},
		"a failing webhook":         {func(sent string) error { return apierrors.NewInternalError(errors.New(sent)) }, "the API server answered 500 Internal Server Error"},
		"no answer from a server":   {func(sent string) error { return errors.New(sent) }, "the API server cannot be reached"},
		"the controller is stopped": {func(sent string) error { return fmt.Errorf("%s: %w", sent, context.Canceled) }, "context canceled"},
		"it took too long":          {func(sent string) error { return fmt.Errorf("%s: %w", sent, context.DeadlineExceeded) }, "context deadline exceeded"},
	} {
		t.Run(name, func(t *testing.T) {
			s := secretsource.New(refusingSecrets{refuse: c.refuse}, time.Now, rand.Reader)
			_, kerr := s.Create(t.Context(), "default", seal.Classical)
			for _, err := range []error{kerr, s.CreateStatement(t.Context(), "default")} {
				if err == nil {
					t.Fatal("no error")
				}
				for _, text := range []string{err.Error(), fmt.Sprintf("%+v", err), fmt.Sprintf("%v", []error{err})} {
					if !strings.Contains(text, c.says) || strings.Contains(text, "AGE-SECRET-KEY") || strings.Contains(text, "PRIVATE+KEY") {
						t.Errorf("%q", text)
					}
				}
			}
		})
	}
}
