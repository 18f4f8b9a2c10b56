package controller

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

// patchStatus makes the status of o next and gives the object's new version. o is the object as it was read last: if it has changed meanwhile, nothing is
// written and the error is a conflict, so that a controller that is behind never overwrites what one that is not has written.
//
// Neither side spends time on the sealed part: the patch is made from the statuses alone, and the answer has metadata only.
func patchStatus(ctx context.Context, to client.StatusClient, o *v1alpha1.GitSecret, next v1alpha1.GitSecretStatus) (version string, err error) {
	was, is := bare(o, o.Status), bare(o, next)
	body, err := client.MergeFromWithOptions(was, client.MergeFromWithOptimisticLock{}).Data(is)
	if err != nil {
		return "", fmt.Errorf("encoding a status: %w", err)
	}
	answer := bareMetadata(v1alpha1.GroupVersion().WithKind(seal.Kind), keyOf(o))
	if err := to.Status().Patch(ctx, answer, client.RawPatch(types.MergePatchType, body), client.FieldOwner(unseal.FieldManager)); err != nil {
		return "", err
	}
	return answer.ResourceVersion, nil
}

// bare is the object without all that a patch of its status has no use for.
func bare(o *v1alpha1.GitSecret, status v1alpha1.GitSecretStatus) *v1alpha1.GitSecret {
	return &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, ResourceVersion: o.ResourceVersion}, Status: status}
}
