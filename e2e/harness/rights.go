package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// May waits until the API server lets somebody do something, or does not: it hears of roles and bindings a moment after they are written.
func (c *Cluster) May(ctx context.Context, t testing.TB, what authorizationv1.SubjectAccessReviewSpec, want bool) {
	t.Helper()
	b, err := json.Marshal(what)
	if err != nil {
		t.Fatal(err)
	}
	Eventually(ctx, t, fmt.Sprintf("it is %t that they may: %s", want, b), func(ctx context.Context) error {
		review, err := c.Clientset().AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: what}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
		if review.Status.Allowed != want {
			return fmt.Errorf("%t: %s", review.Status.Allowed, review.Status.Reason)
		}
		return nil
	})
}
