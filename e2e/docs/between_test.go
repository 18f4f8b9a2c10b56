package docs_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// awaitController waits, before the commands of a page, for the controller that it has just started: the Keyring is ready from the page before.
const awaitController = `for try in $(seq 1200); do curl -sf -o /dev/null http://127.0.0.1:8081/readyz && break; test "$try" -lt 1200; sleep 0.1; done
`

// forgetLogs takes the anchors of audit logs away: every page begins with a log of its own, in a cluster that another page has used.
func forgetLogs(t *testing.T, c *harness.Cluster) {
	t.Helper()
	anchors := metav1.ListOptions{LabelSelector: "waxwing.io/audit-anchor=true"}
	if err := c.Clientset().CoreV1().ConfigMaps(harness.WaxwingNamespace).DeleteCollection(t.Context(), metav1.DeleteOptions{}, anchors); err != nil {
		t.Fatal(err)
	}
}

// forgetLeader takes the controller's Lease away: the one of the page before was killed, and the next one would wait until that is out of its time.
func forgetLeader(t *testing.T, c *harness.Cluster) {
	t.Helper()
	err := c.Clientset().CoordinationV1().Leases(harness.WaxwingNamespace).Delete(t.Context(), "waxwing-controller", metav1.DeleteOptions{})
	if client.IgnoreNotFound(err) != nil {
		t.Fatal(err)
	}
}

// awaitNobody waits until a controller of the next page can listen where those of this page did: they are killed when the page has ended, and die a moment later.
func awaitNobody(t *testing.T) {
	t.Helper()
	harness.Eventually(t.Context(), t, "the page's controllers are gone", func(ctx context.Context) error {
		for _, port := range []string{"8080", "8081", "8082", "8443"} {
			c, err := (&net.Dialer{}).DialContext(ctx, "tcp", "127.0.0.1:"+port)
			if err == nil {
				_ = c.Close()
				return fmt.Errorf("somebody listens on port %s", port)
			}
			if !errors.Is(err, syscall.ECONNREFUSED) {
				return err
			}
		}
		return nil
	})
}

// forgetKeyring takes a Keyring away.
func forgetKeyring(t *testing.T, name string) {
	t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: name}}
	if err := harness.Start(t).Client(t, v1alpha1.AddToScheme).Delete(t.Context(), kr); err != nil {
		t.Error(err)
	}
}
