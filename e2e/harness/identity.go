package harness

import (
	"os"
	"path/filepath"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// ServiceAccountToken makes the ServiceAccount if there is none and returns a token of it from the TokenRequest API,
// for the given audiences (the API server's own if none are given), valid for an hour.
func (c *Cluster) ServiceAccountToken(t testing.TB, namespace, name string, audiences ...string) string {
	t.Helper()
	accounts := c.clientset.CoreV1().ServiceAccounts(namespace)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if _, err := accounts.Create(t.Context(), account, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		t.Fatalf("making ServiceAccount %s/%s: %v", namespace, name, err)
	}
	hour := int64(3600)
	req := &authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &hour}}
	got, err := accounts.CreateToken(t.Context(), name, req, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("asking for a token of %s/%s: %v", namespace, name, err)
	}
	return got.Status.Token
}

// ServiceAccountConfig is a client configuration with a token of the ServiceAccount, without a rate limit.
func (c *Cluster) ServiceAccountConfig(t testing.TB, namespace, name string) *rest.Config {
	t.Helper()
	cfg := rest.AnonymousClientConfig(c.config)
	cfg.BearerToken = c.ServiceAccountToken(t, namespace, name)
	cfg.QPS = -1
	return cfg
}

// ServiceAccountKubeconfig is the path of a kubeconfig with a token of the ServiceAccount and its namespace as the
// default one. The file goes with the test process.
func (c *Cluster) ServiceAccountKubeconfig(t testing.TB, namespace, name string) string {
	t.Helper()
	ca := c.config.CAData
	if len(ca) == 0 && c.config.CAFile != "" {
		var err error
		if ca, err = os.ReadFile(c.config.CAFile); err != nil {
			t.Fatal(err)
		}
	}
	k := clientcmdapi.NewConfig()
	k.Clusters["cluster"] = &clientcmdapi.Cluster{
		Server:                   c.config.Host,
		CertificateAuthorityData: ca,
		TLSServerName:            c.config.ServerName,
		InsecureSkipTLSVerify:    c.config.Insecure,
	}
	k.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: c.ServiceAccountToken(t, namespace, name)}
	k.Contexts["cluster"] = &clientcmdapi.Context{Cluster: "cluster", AuthInfo: name, Namespace: namespace}
	k.CurrentContext = "cluster"
	// In the suite's folder, which goes even when the process is killed.
	dir, err := os.MkdirTemp(c.suite.dir, "kubeconfig-"+name+"-")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "kubeconfig")
	if err := clientcmd.WriteToFile(*k, file); err != nil {
		t.Fatalf("writing the kubeconfig of %s/%s: %v", namespace, name, err)
	}
	return file
}
