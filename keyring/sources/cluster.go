package sources

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// tokenSeconds is how long a token for a login counts, the shortest that an API server makes.
const tokenSeconds = 600

// secret reads a Secret of the controller's namespace for a login.
func (s *Sources) secret(ctx context.Context, name string) (map[string][]byte, error) {
	secret, err := s.cfg.Secrets.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	return secret.Data, nil
}

// TokenMaker makes tokens of ServiceAccounts of one namespace. client-go's ServiceAccountInterface implements it.
type TokenMaker interface {
	CreateToken(ctx context.Context, name string, request *authenticationv1.TokenRequest, opts metav1.CreateOptions) (*authenticationv1.TokenRequest, error)
}

// Tokens is Config.ServiceAccountToken for the ServiceAccount account. No token is made for an audience of the API server: with it whoever is at the address that a Keyring
// names would be the controller.
func Tokens(maker TokenMaker, account string) func(ctx context.Context, audience string) (string, error) {
	var mu sync.Mutex
	var own []string
	request := func(ctx context.Context, audiences ...string) (*authenticationv1.TokenRequest, error) {
		seconds := int64(tokenSeconds)
		return maker.CreateToken(ctx, account, &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds}}, metav1.CreateOptions{})
	}
	server := func(ctx context.Context) ([]string, error) {
		mu.Lock()
		defer mu.Unlock()
		if len(own) == 0 {
			// Whoever names none gets the API server's own.
			made, err := request(ctx)
			if err != nil {
				return nil, err
			}
			own = made.Spec.Audiences
		}
		return own, nil
	}
	return func(ctx context.Context, audience string) (string, error) {
		if account == "" {
			return "", errors.New("the controller does not know which ServiceAccount it has: set --service-account or $POD_SERVICE_ACCOUNT")
		}
		audiences, err := server(ctx)
		if err != nil {
			return "", err
		}
		if len(audiences) == 0 || slices.Contains(audiences, audience) {
			return "", fmt.Errorf("%q is an audience of the API server itself, and whoever gets such a token is the controller: choose another audience", audience)
		}
		made, err := request(ctx, audience)
		if err != nil {
			return "", err
		}
		return made.Status.Token, nil
	}
}

// NamespaceReader reads namespaces. client-go's NamespaceInterface implements it.
type NamespaceReader interface {
	Get(ctx context.Context, name string, opts metav1.GetOptions) (*corev1.Namespace, error)
}

// Cluster is Config.Cluster. It asks until it is told, and then no more.
func Cluster(namespaces NamespaceReader) func(ctx context.Context) (string, error) {
	var mu sync.Mutex
	uid := ""
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if uid != "" {
			return uid, nil
		}
		ns, err := namespaces.Get(ctx, metav1.NamespaceSystem, metav1.GetOptions{})
		switch {
		case err != nil:
			return "", err
		case ns.UID == "":
			return "", fmt.Errorf("namespace %s has none", metav1.NamespaceSystem)
		}
		uid = string(ns.UID)
		return uid, nil
	}
}
