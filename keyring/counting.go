package keyring

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// countEvery is how often, at the most, it is counted who needs the keys of a keyring, if nothing hangs on it.
const countEvery = time.Minute

// usesPatience is how long it is waited for what is known of who needs keys, such as for a cache that is being filled: status and keys do not wait for it.
const usesPatience = 10 * time.Second

// counted is what was told of who needs the keys of a keyring.
type counted struct {
	uses Uses
	at   time.Time
}

// askUses has it told afresh, for a decision; sure is for one to destroy. What cannot be told is something that was not looked at.
func (r *run) askUses(ctx context.Context, sure bool) {
	ask := r.m.cfg.glance()
	if r.sure = sure || r.m.cfg.Glance == nil; r.sure {
		ask = r.m.cfg.Uses
	}
	if r.m.cfg.Uses == nil {
		r.uses = &Uses{Unseen: "this controller does not know who needs keys"}
		return
	}
	uses, err := r.tellUses(ctx, ask)
	if err != nil {
		r.uses = &Uses{Unseen: "it cannot be told now: " + bounded(err.Error()), Soon: true}
		return
	}
	r.uses, r.counted = &uses, true
	r.m.noteUses(r.kr.Name, counted{uses, r.m.cfg.Now()})
}

func (r *run) tellUses(ctx context.Context, ask UsesFunc) (Uses, error) {
	ctx, cancel := context.WithTimeout(ctx, usesPatience)
	defer cancel()
	return ask(ctx, r.kr.Name)
}

func (c *Config) glance() UsesFunc {
	if c.Glance != nil {
		return c.Glance
	}
	return c.Uses
}

// count has it told for the status, unless that was done a short time ago and nothing was done to the keys since: who looks at a key
// that was just replaced is to see who needs it. Where it cannot be told, what is known stays.
func (r *run) count(ctx context.Context) {
	if r.m.cfg.Uses == nil || !r.inv.keysRead {
		return
	}
	now := r.m.cfg.Now()
	if last := r.m.lastUses(r.kr.Name); last != nil && (len(r.done) == 0 || r.counted) && !last.at.After(now) && now.Sub(last.at) < countEvery {
		return
	}
	if uses, err := r.tellUses(ctx, r.m.cfg.glance()); err == nil {
		r.m.noteUses(r.kr.Name, counted{uses, now})
	}
}

func (m *Manager) noteUses(name string, c counted) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h := m.held[name]
	h.counted = &c
	m.held[name] = h
}

// lastUses is what was told last of a keyring; nil: nothing yet.
func (m *Manager) lastUses(name string) *counted {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.held[name].counted
}

// shown is what status says of the uses of a key; what it said before is left where nothing was told since the start.
func (c *counted) shown(id string, before []v1alpha1.KeyStatus) *v1alpha1.KeyUses {
	if c == nil {
		for _, k := range before {
			if k.ID == id {
				return k.Uses
			}
		}
		return nil
	}
	u := c.uses.Keys[id]
	return &v1alpha1.KeyUses{
		Objects: int32(u.Objects), Gone: int32(u.Gone), Examples: u.Examples[:min(maxExamples, len(u.Examples))], Git: u.Git[:min(maxExamples, len(u.Git))],
		Unseen: bounded(c.uses.Unseen), Counted: metav1.NewTime(c.at.Truncate(time.Second)),
	}
}

// maxExamples is how many of the objects, and of the SecretSyncs, that need a key its status names.
const maxExamples = 10
