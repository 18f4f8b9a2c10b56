package controller

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// syncPage is how many SecretSyncs the API server is asked for at a time. Each may have all that an object of etcd has room for, and tenants make them: a page has to fit into memory.
const syncPage = 16

// follow adds the keys that files are wrapped for which SecretSyncs follow, as the agent says in their statuses. It only adds: whoever can write a status can hold a key up, and let none
// go. A cluster has few SecretSyncs and it is counted once a minute at the most, so they are asked for past the cache: a decision to destroy is by what there is.
func (u *uses) follow(ctx context.Context, c *tally) error {
	for next := ""; ; {
		var page v1alpha1.SecretSyncList
		err := u.live.List(ctx, &page, client.Limit(syncPage), client.Continue(next))
		switch {
		case apimeta.IsNoMatchError(err) || apierrors.IsNotFound(err):
			return nil // the cluster does not know the kind, so there is none
		case apierrors.IsForbidden(err):
			c.unfollowed = "SecretSyncs cannot be read: " + err.Error()
			return nil
		case err != nil:
			return fmt.Errorf("listing SecretSyncs: %w", err)
		}
		for i := range page.Items {
			c.follows(&page.Items[i])
		}
		if next = page.Continue; next == "" {
			return nil
		}
	}
}

// follows counts what one SecretSync says.
func (c *tally) follows(s *v1alpha1.SecretSync) {
	name := s.Namespace + "/" + s.Name
	for _, id := range s.Status.Keys {
		if k := c.key(id); len(k.Git) == 0 || k.Git[len(k.Git)-1] != name {
			k.Git = append(k.Git, name)
		}
	}
	switch {
	case s.Status.Fetched == nil || s.Status.ObservedGeneration != s.Generation,
		// It was fetched, and refused as a whole: for want of a signature, say.
		len(s.Status.Keys) == 0 && !apimeta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionReady):
		c.unfetched = append(c.unfetched, name)
	case len(s.Status.Keys) >= v1alpha1.MaxSyncKeys || apimeta.IsStatusConditionTrue(s.Status.Conditions, v1alpha1.ConditionKeysIncomplete):
		c.partly = append(c.partly, name)
	}
}

// unfollowing says of which files it is not known what they are wrapped for.
func (c *tally) unfollowing() []string {
	var unseen []string
	if c.unfollowed != "" {
		unseen = append(unseen, c.unfollowed)
	}
	if len(c.unfetched) > 0 {
		unseen = append(unseen, "the agent has not read what "+plural(len(c.unfetched), "SecretSync asks", "SecretSyncs ask")+" for now: "+some(c.unfetched))
	}
	if len(c.partly) > 0 {
		unseen = append(unseen, "not all keys are known that files need which "+plural(len(c.partly), "SecretSync follows", "SecretSyncs follow")+": "+some(c.partly))
	}
	return unseen
}
