package vaulttest

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/go-jose/go-jose/v4"
	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// Role is who may log in, and with what rights. For an AppRole only the rights count.
type Role struct {
	// ServiceAccount and its Namespace, and the only Audience that is taken.
	ServiceAccount, Namespace, Audience string
	Policies                            []string
	// TTL of a token, an hour if zero, and MaxTTL up to which it can be renewed, Vault's own if zero.
	TTL, MaxTTL time.Duration
}

func (r Role) tokens() map[string]any {
	ttl := r.TTL
	if ttl == 0 {
		ttl = time.Hour
	}
	data := map[string]any{"token_policies": r.Policies, "token_ttl": ttl.String()}
	if r.MaxTTL > 0 {
		data["token_max_ttl"] = r.MaxTTL.String()
	}
	return data
}

// EnableKubernetes sets Kubernetes auth up for a cluster, by the plugin of its own and with a reviewer's token that the API server lets review others.
func (v *Vault) EnableKubernetes(c *harness.Cluster, mount string) {
	v.t.Helper()
	const plugin = "vault-plugin-auth-kubernetes"
	raw, err := os.ReadFile(filepath.Join(v.plugins, plugin))
	if err != nil {
		v.t.Fatal(err)
	}
	sum := sha256.Sum256(raw)
	v.write("sys/plugins/catalog/auth/"+plugin, map[string]any{"sha256": hex.EncodeToString(sum[:]), "command": plugin})
	v.write("sys/auth/"+mount, map[string]any{"type": plugin})
	cfg := c.Config()
	v.write("auth/"+mount+"/config", map[string]any{
		"kubernetes_host": cfg.Host, "kubernetes_ca_cert": v.clusterCA(c), "token_reviewer_jwt": v.reviewer(c),
		// The Vault does not run in the cluster.
		"disable_local_ca_jwt": true,
	})
}

func (v *Vault) clusterCA(c *harness.Cluster) string {
	v.t.Helper()
	cfg := c.Config()
	if len(cfg.CAData) > 0 {
		return string(cfg.CAData)
	}
	raw, err := os.ReadFile(cfg.CAFile)
	if err != nil {
		v.t.Fatal(err)
	}
	return string(raw)
}

// reviewer is a token of a ServiceAccount that may review tokens, and nothing else.
func (v *Vault) reviewer(c *harness.Cluster) string {
	v.t.Helper()
	const namespace, name = "default", "vault-reviewer"
	token := c.ServiceAccountToken(v.t, namespace, name)
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "e2e-vault-reviewer"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "system:auth-delegator"},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}},
	}
	_, err := c.Clientset().RbacV1().ClusterRoleBindings().Create(v.t.Context(), binding, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		v.t.Fatal(err)
	}
	c.May(v.t.Context(), v.t, authorizationv1.SubjectAccessReviewSpec{
		User:               "system:serviceaccount:" + namespace + ":" + name,
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: "create", Group: "authentication.k8s.io", Resource: "tokenreviews"},
	}, true)
	return token
}

// KubernetesRole makes or replaces a role of Kubernetes auth.
func (v *Vault) KubernetesRole(mount, name string, r Role) {
	v.t.Helper()
	data := r.tokens()
	data["bound_service_account_names"], data["bound_service_account_namespaces"], data["audience"] = r.ServiceAccount, r.Namespace, r.Audience
	v.write("auth/"+mount+"/role/"+name, data)
}

// EnableJWT sets JWT auth up with the public keys by which a cluster signs the tokens of ServiceAccounts: Vault asks the cluster nothing.
func (v *Vault) EnableJWT(c *harness.Cluster, mount string) {
	v.t.Helper()
	raw, err := c.Clientset().Discovery().RESTClient().Get().AbsPath("/openid/v1/jwks").DoRaw(v.t.Context())
	if err != nil {
		v.t.Fatal(err)
	}
	keys, err := publicKeys(raw)
	if err != nil {
		v.t.Fatalf("reading the cluster's public keys: %v", err)
	}
	v.write("sys/auth/"+mount, map[string]any{"type": "jwt"})
	v.write("auth/"+mount+"/config", map[string]any{"jwt_validation_pubkeys": keys})
}

func publicKeys(raw []byte) ([]string, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(raw, &set); err != nil {
		return nil, err
	}
	var keys []string
	for _, k := range set.Keys {
		der, err := x509.MarshalPKIXPublicKey(k.Key)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", k.KeyID, err)
		}
		keys = append(keys, string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})))
	}
	return keys, nil
}

// JWTRole makes or replaces a role of JWT auth.
func (v *Vault) JWTRole(mount, name string, r Role) {
	v.t.Helper()
	data := r.tokens()
	data["role_type"], data["user_claim"], data["bound_audiences"] = "jwt", "sub", []string{r.Audience}
	data["bound_subject"] = "system:serviceaccount:" + r.Namespace + ":" + r.ServiceAccount
	v.write("auth/"+mount+"/role/"+name, data)
}

// EnableAppRole sets AppRole auth up.
func (v *Vault) EnableAppRole(mount string) {
	v.t.Helper()
	v.write("sys/auth/"+mount, map[string]any{"type": "approle"})
}

// AppRole makes or replaces a role of AppRole auth and returns its id and a new secret id.
func (v *Vault) AppRole(mount, name string, r Role) (roleID, secretID string) {
	v.t.Helper()
	role := "auth/" + mount + "/role/" + name
	v.write(role, r.tokens())
	roleID, _ = v.Read(role + "/role-id")["role_id"].(string)
	secretID, _ = v.write(role+"/secret-id", nil)["secret_id"].(string)
	return roleID, secretID
}

// Token makes a token with these policies that nothing else's end ends.
func (v *Vault) Token(ttl time.Duration, policies ...string) string {
	v.t.Helper()
	s, err := v.client.Logical().WriteWithContext(v.t.Context(), "auth/token/create-orphan", map[string]any{"policies": policies, "ttl": ttl.String()})
	if err != nil {
		v.t.Fatalf("making a token: %v", err)
	}
	return s.Auth.ClientToken
}

// RevokeLogins revokes all tokens that were had by logging in at an auth method, such as kubernetes.
func (v *Vault) RevokeLogins(mount string) {
	v.t.Helper()
	v.write("sys/leases/revoke-prefix/auth/"+mount, map[string]any{"sync": true})
}

// Revoke revokes a token.
func (v *Vault) Revoke(token string) {
	v.t.Helper()
	v.write("auth/token/revoke", map[string]any{"token": token})
}
