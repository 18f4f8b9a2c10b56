package controller

import (
	"context"
	"sync"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
)

// maxGone is how many deletions of one Secret wait for their notes: more come only from somebody who deletes it faster than it is looked at.
const maxGone = 8

// gone keeps the Secrets of ours that were deleted, from the watch event until the worker that looks at the name has noted it: an event handler must not wait for a
// disk. Safe for concurrent use.
type gone struct {
	mu sync.Mutex
	// leads is false until the first look: what a replica sees while another one leads is for that one to note.
	leads    bool
	secrets  map[types.NamespacedName][]audit.Object
	replaced map[types.NamespacedName]types.UID
}

func newGone() *gone {
	return &gone{secrets: map[types.NamespacedName][]audit.Object{}, replaced: map[types.NamespacedName]types.UID{}}
}

// lead says that this replica has the lead.
func (g *gone) lead() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.leads = true
}

// observe keeps a Secret that is gone, if it was written from a GitSecret of its name.
func (g *gone) observe(o client.Object) {
	key := client.ObjectKeyFromObject(o)
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.leads || o.GetAnnotations()[v1alpha1.AnnotationOrigin] != key.String() || len(g.secrets[key]) >= maxGone {
		return
	}
	g.secrets[key] = append(g.secrets[key], audit.Object{Kind: "Secret", Namespace: key.Namespace, Name: key.Name, UID: string(o.GetUID()), ResourceVersion: o.GetResourceVersion()})
}

// replace says that we have deleted a Secret ourselves and made it anew.
func (g *gone) replace(key types.NamespacedName, uid types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replaced[key] = uid
}

// take gives the Secrets of a name that were deleted and not by us.
func (g *gone) take(key types.NamespacedName) []audit.Object {
	g.mu.Lock()
	defer g.mu.Unlock()
	var others []audit.Object
	for _, o := range g.secrets[key] {
		if string(g.replaced[key]) == o.UID {
			delete(g.replaced, key)
			continue
		}
		others = append(others, o)
	}
	delete(g.secrets, key)
	return others
}

// untake gives back what could not be noted.
func (g *gone) untake(key types.NamespacedName, o []audit.Object) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := append(o, g.secrets[key]...)
	g.secrets[key] = all[:min(len(all), maxGone)]
}

// secretDeleted keeps what is gone; its name is looked at in any case.
func (r *gitSecrets) secretDeleted(e event.DeleteEvent) bool {
	r.gone.observe(e.Object)
	return true
}

// noteGone notes the Secrets of a name that were deleted; false where the audit log did not take it, which is tried again.
func (r *gitSecrets) noteGone(ctx context.Context, key types.NamespacedName) bool {
	r.gone.lead()
	all := r.gone.take(key)
	for i, o := range all {
		op := audit.Operation{Action: audit.ActionSecretDeleted, Object: o, Actor: audit.Actor{User: audit.Unattributed}}
		if err := r.audit.Note(ctx, op, audit.Outcome{OK: true}); err != nil {
			r.log.ErrorContext(ctx, "the audit log takes no note of a deleted Secret", "secret", key.String(), "error", err)
			r.gone.untake(key, all[i:])
			return false
		}
	}
	return true
}
