package sync

import (
	"context"
	"errors"
	"fmt"
	gosync "sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/apimachinery/pkg/types"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// resource is that of GitSecrets.
	resource = "gitsecrets"
	// requestTimeout bounds one request: a worker must not wait for an API server that has gone.
	requestTimeout = 30 * time.Second
)

// Accounts makes clients that are ServiceAccounts, by impersonation. They share the agent's connections. Safe for concurrent use.
type Accounts struct {
	base   *rest.Config
	params runtime.ParameterCodec

	mu    gosync.Mutex
	known map[types.NamespacedName]*Account
}

// NewAccounts makes them from the agent's own configuration, which must impersonate nobody.
func NewAccounts(agent *rest.Config) (*Accounts, error) {
	if agent.Impersonate.UserName != "" {
		return nil, errors.New("the agent's own client impersonates somebody already")
	}
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering kinds: %w", err)
	}
	version := v1alpha1.GroupVersion()
	base := rest.CopyConfig(agent)
	base.QPS = -1 // the API server's own fairness is limit enough
	base.WarningHandler = rest.NoWarnings{}
	base.GroupVersion, base.APIPath = &version, "/apis"
	base.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	base.ContentType = runtime.ContentTypeJSON
	return &Accounts{base: base, params: runtime.NewParameterCodec(scheme), known: map[types.NamespacedName]*Account{}}, nil
}

// Of gives the client that is a ServiceAccount. That it may be one is the caller's to know.
func (a *Accounts) Of(account types.NamespacedName) (*Account, error) {
	if account.Namespace == "" || account.Name == "" {
		return nil, errors.New("no ServiceAccount is named to apply as")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if known := a.known[account]; known != nil {
		return known, nil
	}
	config := rest.CopyConfig(a.base)
	// The API server adds the groups of a ServiceAccount by itself.
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:serviceaccount:" + account.Namespace + ":" + account.Name}
	kube, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for ServiceAccount %s: %w", account, err)
	}
	reviews, err := authorizationclient.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for ServiceAccount %s: %w", account, err)
	}
	a.known[account] = &Account{Name: account, Reviews: reviews, kube: kube, params: a.params}
	return a.known[account], nil
}

// Account is a client that is a ServiceAccount. Safe for concurrent use.
type Account struct {
	Name types.NamespacedName
	// Reviews asks what it may do, as itself.
	Reviews authorizationclient.AuthorizationV1Interface

	kube   rest.Interface
	params runtime.ParameterCodec
}

func (a *Account) apply(ctx context.Context, key types.NamespacedName, body []byte) (*v1alpha1.GitSecret, error) {
	force := true
	return a.patch(ctx, key, types.ApplyPatchType, body, &metav1.PatchOptions{FieldManager: FieldManager, Force: &force})
}

func (a *Account) merge(ctx context.Context, key types.NamespacedName, body []byte) (*v1alpha1.GitSecret, error) {
	return a.patch(ctx, key, types.MergePatchType, body, &metav1.PatchOptions{FieldManager: FieldManager})
}

func (a *Account) patch(ctx context.Context, key types.NamespacedName, kind types.PatchType, body []byte, opts *metav1.PatchOptions) (*v1alpha1.GitSecret, error) {
	o := &v1alpha1.GitSecret{}
	err := a.kube.Patch(kind).Namespace(key.Namespace).Resource(resource).Name(key.Name).VersionedParams(opts, a.params).Timeout(requestTimeout).Body(body).Do(ctx).Into(o)
	return o, err
}

func (a *Account) get(ctx context.Context, key types.NamespacedName) (*v1alpha1.GitSecret, error) {
	o := &v1alpha1.GitSecret{}
	err := a.kube.Get().Namespace(key.Namespace).Resource(resource).Name(key.Name).Timeout(requestTimeout).Do(ctx).Into(o)
	return o, err
}

// delete deletes an object only as the version that was seen.
func (a *Account) delete(ctx context.Context, key types.NamespacedName, seen Live) error {
	opts := &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &seen.UID, ResourceVersion: &seen.ResourceVersion}}
	return a.kube.Delete().Namespace(key.Namespace).Resource(resource).Name(key.Name).Timeout(requestTimeout).Body(opts).Do(ctx).Error()
}
