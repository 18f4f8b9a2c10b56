package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/waxwing-io/waxwing/audit/cluster"
	"github.com/waxwing-io/waxwing/e2e/harness/toolcache"
)

// WaxwingNamespace is the namespace of the controller in the tests.
const WaxwingNamespace = "waxwing-system"

// ReplicaOf names a replica after the folder of its audit log: in the cluster that the tests of a process share, a log that is gone is not the one of another test.
func ReplicaOf(log string) string {
	sum := sha256.Sum256([]byte(log))
	return "replica-" + hex.EncodeToString(sum[:6])
}

// AgentReplica names the replica of the agent that a test runs: its anchor, a ConfigMap, is the one that the chart lets the agent change. The anchor of an earlier test's
// log is taken away, because it is of another log.
func (c *Cluster) AgentReplica(t testing.TB) string {
	t.Helper()
	const replica = "waxwing-agent-0"
	anchors := c.clientset.CoreV1().ConfigMaps(WaxwingNamespace)
	if err := anchors.Delete(t.Context(), cluster.AnchorName(replica), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
		t.Fatal(err)
	}
	return replica
}

// RenderWaxwing is what real helm makes of charts/waxwing as the release waxwing of WaxwingNamespace, with values such as "replicas=2" (as helm's --set
// takes them). Each set of values is rendered once a test process; the objects are the caller's own.
func RenderWaxwing(t testing.TB, values ...string) []*unstructured.Unstructured {
	t.Helper()
	s := current(t)
	key := strings.Join(values, "\x00")
	s.mu.Lock()
	render, ok := s.charts[key]
	if !ok {
		render = sync.OnceValues(func() ([]byte, error) { return renderWaxwing(values) })
		s.charts[key] = render
	}
	s.mu.Unlock()
	documents, err := render()
	if err != nil {
		t.Fatalf("rendering charts/waxwing: %v", err)
	}
	objects, err := parseObjects(documents)
	if err != nil {
		t.Fatal(err)
	}
	return objects
}

// renderWaxwing does not end with the test that asks first, because others wait for the same.
func renderWaxwing(values []string) ([]byte, error) {
	ctx := context.Background()
	root, err := toolcache.FindRoot(".")
	if err != nil {
		return nil, err
	}
	helm, err := Tool(ctx, "helm")
	if err != nil {
		return nil, err
	}
	args := []string{"template", "waxwing", filepath.Join(root, "charts", "waxwing"), "--namespace", WaxwingNamespace}
	for _, v := range values {
		args = append(args, "--set", v)
	}
	out, err := exec.CommandContext(ctx, helm, args...).Output()
	if exit, ok := err.(*exec.ExitError); ok {
		return nil, fmt.Errorf("%w: %s", err, exit.Stderr)
	}
	return out, err
}

// InstallWaxwing installs of the chart, as RenderWaxwing gives it, the namespace, the kinds and the rights. The controller itself is not among it: tests run the
// program under the ServiceAccount waxwing-controller. All tests of the process share what is installed, so it is not removed.
func (c *Cluster) InstallWaxwing(t testing.TB, values ...string) {
	t.Helper()
	c.ApplyYAML(t, "", "{apiVersion: v1, kind: Namespace, metadata: {name: "+WaxwingNamespace+", labels: {pod-security.kubernetes.io/enforce: restricted}}}")
	rights := []string{"ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding"}
	var crds []*unstructured.Unstructured
	for _, o := range RenderWaxwing(t, values...) {
		if o.GetKind() == "CustomResourceDefinition" {
			crds = append(crds, o)
		} else if !slices.Contains(rights, o.GetKind()) {
			continue
		}
		if err := c.applyOne(t.Context(), WaxwingNamespace, o); err != nil {
			t.Fatal(err)
		}
	}
	c.awaitCRDs(t, crds)
}
