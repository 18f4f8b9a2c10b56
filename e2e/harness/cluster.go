package harness

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Cluster is an API server with everything that a cluster administrator may do. Safe for concurrent use.
type Cluster struct {
	suite      *suite
	kubeconfig string
	config     *rest.Config
	clientset  *kubernetes.Clientset
	client     client.Client
}

// Start is the cluster of this test process, started at the first call.
func Start(t testing.TB) *Cluster {
	t.Helper()
	c, err := current(t).cluster()
	if err != nil {
		t.Fatalf("harness: %v", err)
	}
	return c
}

// startCluster runs once a process; its result serves all tests, so it does not end with the test that asked first.
func (s *suite) startCluster() (*Cluster, error) {
	ctx := context.Background()
	kubeconfig := os.Getenv("WAXWING_TEST_KUBECONFIG")
	if kubeconfig == "" || s.restarts {
		binary, err := Tool(ctx, "controlplane")
		if err != nil {
			return nil, err
		}
		options, err := s.planeOptions(binary)
		if err != nil {
			return nil, err
		}
		plane, err := LaunchControlPlane(ctx, options)
		if err != nil {
			return nil, err
		}
		s.mu.Lock()
		s.plane, s.options = plane, options
		s.mu.Unlock()
		s.outputs.addFile("controlplane", "", plane.Log)
		kubeconfig = plane.Kubeconfig
	}
	return s.connect(kubeconfig)
}

func (s *suite) connect(kubeconfig string) (*Cluster, error) {
	kubeconfig, err := filepath.Abs(kubeconfig)
	if err != nil {
		return nil, err
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", kubeconfig, err)
	}
	cfg.QPS = -1 // the API server's own fairness is limit enough
	c := &Cluster{suite: s, kubeconfig: kubeconfig, config: cfg}
	if c.clientset, err = kubernetes.NewForConfig(cfg); err != nil {
		return nil, err
	}
	if c.client, err = client.New(cfg, client.Options{Scheme: clientscheme.Scheme}); err != nil {
		return nil, err
	}
	if _, err := c.clientset.Discovery().ServerVersion(); err != nil {
		return nil, fmt.Errorf("asking the cluster of %s for its version: %w", kubeconfig, err)
	}
	return c, nil
}

// Config is a copy of the administrator's client configuration, without a rate limit.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// Kubeconfig is the path of the administrator's kubeconfig.
func (c *Cluster) Kubeconfig() string { return c.kubeconfig }

// Clientset is the administrator's typed client of the built-in kinds.
func (c *Cluster) Clientset() kubernetes.Interface { return c.clientset }

// Client is an administrator's uncached client of the built-in kinds, of those that the functions add (such as
// v1alpha1.AddToScheme), and, unstructured, of all others.
func (c *Cluster) Client(t testing.TB, add ...func(*runtime.Scheme) error) client.Client {
	t.Helper()
	if len(add) == 0 {
		return c.client
	}
	return c.clientFor(t, c.config, add...)
}

// clientFor is a client with another configuration.
func (c *Cluster) clientFor(t testing.TB, cfg *rest.Config, add ...func(*runtime.Scheme) error) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, f := range append([]func(*runtime.Scheme) error{clientscheme.AddToScheme}, add...) {
		if err := f(scheme); err != nil {
			t.Fatal(err)
		}
	}
	cl, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// Namespace makes a namespace named after the test, for this call alone, and deletes it when the test ends.
func (c *Cluster) Namespace(t testing.TB) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "e2e-" + slug(t.Name()) + "-"}}
	made, err := c.clientset.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatalf("making a namespace: %v", err)
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.clientset.CoreV1().Namespaces().Delete(ctx, made.Name, metav1.DeleteOptions{}); client.IgnoreNotFound(err) != nil {
			t.Errorf("deleting namespace %s: %v", made.Name, err)
		}
	})
	return made.Name
}

// slug is the part of a test's name that fits into an object's name.
func slug(name string) string {
	mapped := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, name)
	parts := strings.FieldsFunc(mapped, func(r rune) bool { return r == '-' })
	joined := strings.Join(parts, "-")
	return strings.Trim(joined[:min(len(joined), 40)], "-")
}
