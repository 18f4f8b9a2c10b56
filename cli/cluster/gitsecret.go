package cluster

import (
	"context"
	"errors"
	"net/http"
	"net/url"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// metadataList asks for a list without anything but metadata.
const metadataList = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

// metadataObject is to one object what metadataList is to a list.
const metadataObject = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// GitSecrets calls each with the JSON of every GitSecret of a namespace, or of all for an empty one, which has to be one that Kubernetes allows. The bytes are
// valid during the call only. ErrNotInstalled is for a cluster without the kind, a *StatusError for a refusal.
func (c *Client) GitSecrets(ctx context.Context, namespace string, each func(doc []byte) error) error {
	return c.DecodeGitSecrets(ctx, namespace, raw(each))
}

// DecodeGitSecrets is GitSecrets for objects that are decoded, each exactly once.
func (c *Client) DecodeGitSecrets(ctx context.Context, namespace string, each func(doc Decode) error) error {
	return installed(c.list(ctx, c.resources(namespace, "gitsecrets", "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version), url.Values{}, "application/json", each))
}

// WrittenSecrets calls each with the metadata of every Secret that the controller has written in a namespace, or in all for an empty one. Other Secrets are
// not asked for, and no data is.
func (c *Client) WrittenSecrets(ctx context.Context, namespace string, each func(m *metav1.ObjectMeta)) error {
	query := url.Values{"labelSelector": {v1alpha1.LabelManagedBy + "=" + v1alpha1.ManagedBy}}
	return c.list(ctx, c.resources(namespace, "secrets", "api", "v1"), query, metadataList, func(item Decode) error {
		var o struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
		}
		if err := item(&o); err != nil {
			return err
		}
		each(&o.Metadata)
		return nil
	})
}

// KeyringObject reads a Keyring as it is; name has to be one that Kubernetes allows. ErrNoKeyring is for one that is not there, ErrNotInstalled for a cluster without the kind.
func (c *Client) KeyringObject(ctx context.Context, name string) (*v1alpha1.Keyring, error) {
	var k v1alpha1.Keyring
	err := c.get(ctx, &k, "apis", v1alpha1.GroupName, v1alpha1.GroupVersion().Version, "keyrings", name)
	var refusal *StatusError
	if errors.As(err, &refusal) && refusal.Code == http.StatusNotFound && refusal.Details != nil && refusal.Details.Name == name {
		return nil, ErrNoKeyring
	}
	if err := installed(err); err != nil {
		return nil, err
	}
	return &k, nil
}

// resources is where the objects of a namespace, or of all, are listed.
func (c *Client) resources(namespace, resource string, group ...string) *url.URL {
	if namespace != "" {
		group = append(group, "namespaces", namespace)
	}
	return c.base.JoinPath(append(group, resource)...)
}

// installed tells a cluster that does not know the kind from other refusals: a list is never not found.
func installed(err error) error {
	var refusal *StatusError
	if errors.As(err, &refusal) && refusal.Code == http.StatusNotFound {
		return ErrNotInstalled
	}
	return err
}
