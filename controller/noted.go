package controller

import (
	"slices"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// envelopesANote is how many envelopes one note names: they fit into a record.
const envelopesANote = 256

// noted keeps what this process has put into the audit log of each object, so that it does so once. The status is not asked: who can write it could keep a record
// from being made. Losing it costs a second note. Safe for concurrent use.
type noted struct {
	mu      sync.Mutex
	objects map[types.NamespacedName]notes
}

type notes struct {
	uid types.UID
	// refused is the reason of the last refusal, of the generation.
	refused    unseal.Reason
	generation int64
	// envelopes were noted as seen, of those that the object has.
	envelopes []string
	// lacks is what was said last of envelopes that break glass does not open.
	lacks string
}

func newNoted() *noted { return &noted{objects: map[types.NamespacedName]notes{}} }

// of are the notes of o; the caller holds mu.
func (n *noted) of(o *v1alpha1.GitSecret) notes {
	known := n.objects[keyOf(o)]
	if known.uid != o.UID {
		return notes{uid: o.UID}
	}
	return known
}

// unmet are those of the envelopes, which the marks of o do not know of, that this process has not noted either.
func (n *noted) unmet(o *v1alpha1.GitSecret, envelopes []string) []string {
	n.mu.Lock()
	known := n.of(o).envelopes
	n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(envelopes), func(id string) bool { return slices.Contains(known, id) })
}

// opens says that the envelopes that are new are in the log, with the intent to open them.
func (n *noted) opens(o *v1alpha1.GitSecret, d unseal.Decision) { n.note(o, d, "") }

// refuses says that they are, with a refusal.
func (n *noted) refuses(o *v1alpha1.GitSecret, d unseal.Decision) { n.note(o, d, d.Outcome.Reason) }

func (n *noted) note(o *v1alpha1.GitSecret, d unseal.Decision, refused unseal.Reason) {
	n.mu.Lock()
	defer n.mu.Unlock()
	has := n.of(o)
	has.refused, has.generation = refused, o.Generation
	// What the marks know by now need not be remembered twice.
	has.envelopes = slices.Clone(d.Unmet)
	n.objects[keyOf(o)] = has
}

// refusal says whether the refusal of this generation, for this reason, is in the log.
func (n *noted) refusal(o *v1alpha1.GitSecret, reason unseal.Reason) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	has := n.of(o)
	return has.refused == reason && has.generation == o.Generation
}

// glass notes what there is to say of envelopes that break glass does not open, and says whether it is news; nothing to say is none.
func (n *noted) glass(o *v1alpha1.GitSecret, lacks string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	has := n.of(o)
	news := lacks != "" && lacks != has.lacks
	has.lacks = lacks
	n.objects[keyOf(o)] = has
	return news
}

// forget drops an object that is gone.
func (n *noted) forget(key types.NamespacedName) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.objects, key)
}
