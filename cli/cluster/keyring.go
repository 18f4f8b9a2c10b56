package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// configMapPrefix, noteKey and statementKeyKey are where a keyring publishes itself for those who may not read Keyrings.
	configMapPrefix = "waxwing-recipients-"
	noteKey         = "recipients.note"
	statementKeyKey = "statement-key"
	breakGlassKey   = "breakglass"
)

// The refusals that a caller can explain; a *StatusError stands for the others.
var (
	ErrNotInstalled = errors.New("the cluster does not know Keyrings")
	ErrNoKeyring    = errors.New("there is no Keyring of this name")
	ErrForbidden    = errors.New("not allowed")
	ErrNotReady     = errors.New("the Keyring has published no recipients yet")
)

// Published is what a keyring says in public.
type Published struct {
	Note         []byte // signed note of recipients, not verified
	StatementKey string // the keyring's own word for its statement key; may be empty
	// FromConfigMap says that both come from the ConfigMap, which more people may be able to write than the Keyring's status.
	FromConfigMap bool
	// BreakGlass are the recipients that the keyring wants everything sealed to besides. They are not signed.
	BreakGlass []string
}

// Keyring reads what the keyring called name publishes. Where Keyrings may not be read, it takes the note from the ConfigMap in namespace.
func (c *Client) Keyring(ctx context.Context, name, namespace string) (*Published, error) {
	var k v1alpha1.Keyring
	err := c.get(ctx, &k, "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version, "keyrings", name)
	var refusal *StatusError
	switch {
	case errors.As(err, &refusal) && refusal.Code == http.StatusForbidden:
		return c.configMap(ctx, name, namespace, refusal)
	case errors.As(err, &refusal) && refusal.Code == http.StatusNotFound:
		return nil, c.notFound(ctx, name, refusal)
	case err != nil:
		return nil, err
	case k.Status.Recipients == "":
		return nil, notReady(&k)
	}
	p := &Published{Note: []byte(k.Status.Recipients), StatementKey: k.Status.StatementKey}
	if k.Spec.BreakGlass != nil {
		p.BreakGlass = k.Spec.BreakGlass.Recipients
	}
	return p, nil
}

// notFound tells a cluster without the CRD from one without the Keyring, and names those that there are.
func (c *Client) notFound(ctx context.Context, name string, refusal *StatusError) error {
	if refusal.Details == nil || refusal.Details.Name != name {
		return ErrNotInstalled
	}
	var all v1alpha1.KeyringList
	if err := c.get(ctx, &all, "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version, "keyrings"); err != nil || len(all.Items) == 0 {
		return fmt.Errorf("%w: %s", ErrNoKeyring, name)
	}
	names := make([]string, len(all.Items))
	for i, k := range all.Items {
		names[i] = k.Name
	}
	return fmt.Errorf("%w: %s; there are %s", ErrNoKeyring, name, strings.Join(names, ", "))
}

// notReady joins what the Keyring says about itself.
func notReady(k *v1alpha1.Keyring) error {
	for _, condition := range k.Status.Conditions {
		if condition.Type == v1alpha1.ConditionReady && condition.Status != metav1.ConditionTrue {
			return fmt.Errorf("%w: %s: %s", ErrNotReady, condition.Reason, condition.Message)
		}
	}
	return ErrNotReady
}

func (c *Client) configMap(ctx context.Context, name, namespace string, first *StatusError) (*Published, error) {
	var m struct {
		Data map[string]string `json:"data"`
	}
	err := c.get(ctx, &m, "api", "v1", "namespaces", namespace, "configmaps", configMapPrefix+name)
	var refusal *StatusError
	switch {
	case errors.As(err, &refusal) && (refusal.Code == http.StatusForbidden || refusal.Code == http.StatusNotFound):
		return nil, fmt.Errorf("%w: %w; nor does the ConfigMap help: %w", ErrForbidden, first, refusal)
	case err != nil:
		return nil, err
	case m.Data[noteKey] == "":
		return nil, fmt.Errorf("%w: the ConfigMap %s/%s has no %s", ErrNotReady, namespace, configMapPrefix+name, noteKey)
	}
	return &Published{Note: []byte(m.Data[noteKey]), StatementKey: m.Data[statementKeyKey], FromConfigMap: true, BreakGlass: strings.Fields(m.Data[breakGlassKey])}, nil
}
