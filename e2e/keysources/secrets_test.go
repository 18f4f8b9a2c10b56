package keysources_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/keyringtest"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// keySecrets are the Secrets of keys in a namespace of their own.
type keySecrets struct {
	t         testing.TB
	namespace string
	secrets   corev1client.SecretInterface
	form      secretsource.Form
}

func newKeySecrets(t testing.TB, c *harness.Cluster, form secretsource.Form) *keySecrets {
	namespace := c.Namespace(t)
	return &keySecrets{t, namespace, c.Clientset().CoreV1().Secrets(namespace), form}
}

func (s *keySecrets) get(name string) *corev1.Secret {
	s.t.Helper()
	secret, err := s.secrets.Get(s.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return secret
}

func (s *keySecrets) remove(name string) {
	s.t.Helper()
	if err := s.secrets.Delete(s.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// put makes a Secret from another.
func (s *keySecrets) put(secret *corev1.Secret) {
	s.t.Helper()
	secret.ResourceVersion, secret.UID = "", ""
	if _, err := s.secrets.Create(s.t.Context(), secret, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
}

// change replaces an immutable Secret.
func (s *keySecrets) change(name string, change func(*corev1.Secret)) {
	s.t.Helper()
	secret := s.get(name)
	s.remove(name)
	change(secret)
	s.put(secret)
}

// copy has a Secret of one keyring look like one of another in everything that is not encrypted.
func (s *keySecrets) copy(from, to, id string) {
	s.t.Helper()
	secret := s.get(s.form.KeySecretName(from, id))
	secret.Name, secret.Labels[secretsource.LabelKeyring] = s.form.KeySecretName(to, id), to
	s.put(secret)
}

func (s *keySecrets) list() []corev1.Secret {
	s.t.Helper()
	list, err := s.secrets.List(s.t.Context(), metav1.ListOptions{})
	if err != nil {
		s.t.Fatal(err)
	}
	return list.Items
}

func (s *keySecrets) content() string {
	s.t.Helper()
	var all []string
	for _, secret := range s.list() {
		all = append(all, secret.Name+" "+secret.ResourceVersion)
	}
	return fmt.Sprint(all)
}

// world is that of a source over these Secrets; Source, Watched, Away and Memorizes are missing.
func (s *keySecrets) world(class seal.Class) keyringtest.World {
	return keyringtest.World{
		Class:           class,
		RemoveKey:       func(name, id string) { s.remove(s.form.KeySecretName(name, id)) },
		RemoveStatement: func(name string) { s.remove(s.form.StatementSecretName(name)) },
		BreakKey: func(name, id string) {
			s.change(s.form.KeySecretName(name, id), func(secret *corev1.Secret) { secret.Data[s.form.DataIdentity] = []byte(keyringtest.Junk) })
		},
		BreakStatement: func(name string) {
			s.change(s.form.StatementSecretName(name), func(secret *corev1.Secret) { secret.Data[s.form.DataSigner] = []byte(keyringtest.Junk) })
		},
		Holds: func(name, id string) bool {
			return slices.ContainsFunc(s.list(), func(secret corev1.Secret) bool {
				return len(secret.Data[s.form.DataIdentity]) > 0 && secret.Labels[secretsource.LabelKeyID] == id
			})
		},
		Content: s.content,
	}
}

// watchedSecrets hand each write to at.
type watchedSecrets struct {
	secretsource.Secrets
	at func(write func() error) error
}

func (w watchedSecrets) Create(ctx context.Context, secret *corev1.Secret, opts metav1.CreateOptions) (made *corev1.Secret, err error) {
	err = w.at(func() error { made, err = w.Secrets.Create(ctx, secret, opts); return err })
	return made, err
}

func (w watchedSecrets) Update(ctx context.Context, secret *corev1.Secret, opts metav1.UpdateOptions) (updated *corev1.Secret, err error) {
	err = w.at(func() error { updated, err = w.Secrets.Update(ctx, secret, opts); return err })
	return updated, err
}

func (w watchedSecrets) Delete(ctx context.Context, name string, opts metav1.DeleteOptions) error {
	return w.at(func() error { return w.Secrets.Delete(ctx, name, opts) })
}

// behindProxy is a client of the namespace's Secrets through a proxy, which does not hand on certificates of clients.
func (s *keySecrets) behindProxy(c *harness.Cluster) (*faultproxy.Proxy, kubernetes.Interface) {
	s.t.Helper()
	binding := &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "keys"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: "keys"}},
	}
	if _, err := c.Clientset().RbacV1().RoleBindings(s.namespace).Create(s.t.Context(), binding, metav1.CreateOptions{}); err != nil {
		s.t.Fatal(err)
	}
	cfg := c.ServiceAccountConfig(s.t, s.namespace, "keys")
	proxy, err := faultproxy.New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(proxy.Close)
	cfg.Host, cfg.TLSClientConfig = proxy.URL(), rest.TLSClientConfig{CAData: []byte(proxy.CA())}
	clients, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	// The API server takes a moment to know of a binding.
	harness.Eventually(s.t.Context(), s.t, "the rights in the namespace count", func(ctx context.Context) error {
		_, err := clients.CoreV1().Secrets(s.namespace).List(ctx, metav1.ListOptions{})
		return err
	})
	return proxy, clients
}

func TestKeysInSecrets(t *testing.T) {
	c := harness.Start(t)
	for _, class := range []seal.Class{seal.PostQuantum, seal.Classical} {
		t.Run(string(class), func(t *testing.T) {
			keyringtest.Run(t, func(t *testing.T) keyringtest.World {
				s := newKeySecrets(t, c, secretsource.ClearForm())
				proxy, clients := s.behindProxy(c)
				w := s.world(class)
				w.Source = func(string) keyring.Source {
					return secretsource.New(clients.CoreV1().Secrets(s.namespace), time.Now, rand.Reader)
				}
				w.Watched = func(_ string, at func(func() error) error) keyring.Source {
					return secretsource.New(watchedSecrets{s.secrets, at}, time.Now, rand.Reader)
				}
				w.Away = func() func() {
					// A refused connection would have client-go try for ten seconds each time.
					return proxy.Add(faultproxy.Fault{Before: func(faultproxy.Request) faultproxy.Verdict {
						return faultproxy.Answer(http.StatusServiceUnavailable, 0)
					}}).Remove
				}
				return w
			})
		})
	}
}
