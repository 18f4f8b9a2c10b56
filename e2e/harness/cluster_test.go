package harness_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

func TestTheClusterIsReady(t *testing.T) {
	c := harness.Start(t)
	v, err := c.Clientset().Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if v.Major != "1" || v.Minor == "" || !strings.HasPrefix(v.GitVersion, "v1.") {
		t.Errorf("clients cannot read the server's version: %+v", v)
	}
	t.Run("and its controllers act in a new namespace", func(t *testing.T) {
		ns := c.Namespace(t)
		harness.Eventually(t.Context(), t, "the namespace has its ServiceAccount and root CA", func(ctx context.Context) error {
			if _, err := c.Clientset().CoreV1().ServiceAccounts(ns).Get(ctx, "default", metav1.GetOptions{}); err != nil {
				return err
			}
			_, err := c.Clientset().CoreV1().ConfigMaps(ns).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
			return err
		})
	})
}

func TestAServiceAccount(t *testing.T) {
	c := harness.Start(t)
	ns := c.Namespace(t)
	cfg, err := clientcmd.BuildConfigFromFlags("", c.ServiceAccountKubeconfig(t, ns, "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	nobody, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	list := func() error {
		_, err := nobody.CoreV1().Secrets(ns).List(t.Context(), metav1.ListOptions{})
		return err
	}
	if err := list(); !apierrors.IsForbidden(err) {
		t.Fatalf("listing Secrets without a role: %v", err)
	}
	c.ApplyYAML(t, ns, `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: nobody}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: reader}
subjects: [{kind: ServiceAccount, name: nobody, namespace: `+ns+`}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: reader}
rules: [{apiGroups: [""], resources: [secrets], verbs: [list]}]
`)
	harness.Eventually(t.Context(), t, "its role lets it list Secrets", func(context.Context) error { return list() })
	if _, err := nobody.CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("listing Secrets of another namespace: %v", err)
	}
}

func TestAConfigurationOfAServiceAccountIsTheAccountAlone(t *testing.T) {
	c := harness.Start(t)
	ns := c.Namespace(t)
	account, err := kubernetes.NewForConfig(c.ServiceAccountConfig(t, ns, "somebody"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := account.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff("system:serviceaccount:"+ns+":somebody", got.Status.UserInfo.Username); diff != "" {
		t.Error(diff)
	}
}

func TestACustomResourceDefinition(t *testing.T) {
	c := harness.Start(t)
	c.InstallCRDs(t, filepath.Join("testdata", "crds"))
	ns := c.Namespace(t)
	widget := func(name string, size int) string {
		return fmt.Sprintf("apiVersion: harness.example.test/v1\nkind: Widget\nmetadata: {name: %s}\nspec: {size: %d}\n", name, size)
	}
	t.Run("accepts objects that fit it", func(t *testing.T) {
		got := c.ApplyYAML(t, ns, widget("small", 1))
		if len(got) != 1 || got[0].GetUID() == "" || got[0].GetNamespace() != ns {
			t.Errorf("got %v", got)
		}
	})
	t.Run("refuses objects that break its rules", func(t *testing.T) {
		for _, size := range []int{0, 13} {
			if _, err := c.Apply(t.Context(), ns, []byte(widget("odd", size))); !apierrors.IsInvalid(err) {
				t.Errorf("size %d: %v", size, err)
			}
		}
	})
	t.Run("has the dependents of its objects collected", func(t *testing.T) {
		owner := c.ApplyYAML(t, ns, widget("owner", 2))[0]
		dependent := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
			Name: "dependent", Namespace: ns,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(owner, owner.GroupVersionKind())},
		}}
		cl := c.Client(t)
		if err := cl.Create(t.Context(), dependent); err != nil {
			t.Fatal(err)
		}
		if err := cl.Delete(t.Context(), owner); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t.Context(), t, "the dependent is gone", func(ctx context.Context) error {
			return gone(cl.Get(ctx, client.ObjectKeyFromObject(dependent), dependent))
		})
	})
}

func TestANamespace(t *testing.T) {
	c := harness.Start(t)
	var ns string
	t.Run("is named after its test: Über & more", func(t *testing.T) {
		ns = c.Namespace(t)
		if !strings.HasPrefix(ns, "e2e-testanamespace-is-named-after-its-test") {
			t.Errorf("it is %q", ns)
		}
		c.ApplyYAML(t, ns, "apiVersion: v1\nkind: Secret\nmetadata: {name: inside}\n")
	})
	harness.Eventually(t.Context(), t, "it is gone with what was in it", func(ctx context.Context) error {
		_, err := c.Clientset().CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
		return gone(err)
	})
}

func TestApplyingAFolder(t *testing.T) {
	c := harness.Start(t)
	name := "e2e-applied-" + c.Namespace(t)[len("e2e-"):]
	dir := t.TempDir()
	for file, content := range map[string]string{
		"1-inside.json":    `{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"inside","namespace":"` + name + `"}}`,
		"2-namespace.yaml": "# a comment alone\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: " + name + "}\n",
		"3-role.yml":       "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: " + name + "}\n",
		"ignored.txt":      "no: object",
	} {
		if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	objects := c.ApplyDir(t, "default", dir)
	var kinds []string
	for _, o := range objects {
		kinds = append(kinds, o.GetKind()+" "+o.GetNamespace())
		t.Cleanup(func() {
			if err := client.IgnoreNotFound(c.Client(t).Delete(context.Background(), o)); err != nil {
				t.Error(err)
			}
		})
	}
	if diff := cmp.Diff([]string{"Namespace ", "ConfigMap " + name, "ClusterRole "}, kinds); diff != "" {
		t.Error(diff)
	}
	t.Run("lets others read what it applied", func(t *testing.T) {
		var role rbacv1.ClusterRole
		if err := c.Client(t, rbacv1.AddToScheme).Get(t.Context(), client.ObjectKey{Name: name}, &role); err != nil {
			t.Error(err)
		}
	})
	t.Run("stops at what the API server does not know", func(t *testing.T) {
		_, err := c.Apply(t.Context(), "default", []byte("apiVersion: nowhere.example.test/v1\nkind: Nothing\nmetadata: {name: x}\n"))
		if err == nil || !strings.Contains(err.Error(), "applying Nothing x") {
			t.Errorf("got %v", err)
		}
	})
}

// gone is nil for the error of an object that is not there.
func gone(err error) error {
	switch {
	case err == nil:
		return fmt.Errorf("it is still there")
	case apierrors.IsNotFound(err):
		return nil
	}
	return err
}
