package controller

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// maxExamples is how many objects that need a key are named.
const maxExamples = 10

// uses counts who needs which key: by the marks, which have what each object claims from its first look on, and the cache, which has the objects that there are.
// It takes some 20 µs an object. Safe for concurrent use.
type uses struct {
	store   *markStore
	objects client.Reader
	live    client.Reader // uncached: SecretSyncs, and what sure asks for
	seen    *memory
	now     func() time.Time     // the date of what is found to be gone
	ahead   func() time.Duration // how far the API server's clock is ahead of ours; nil: nobody knows

	asked atomic.Int64 // how often they were

	mu      sync.Mutex
	covered int64 // what was asked so far when the last count began
	last    keyring.Uses
}

// of implements keyring.UsesFunc: a count that begins after it is called, because a key may be destroyed by it; those who wait for one share the next. It has the uses of all
// keys, whichever keyring they are of: a key that is new to this controller's memory is among them.
func (u *uses) of(ctx context.Context, _ string) (keyring.Uses, error) {
	mine := u.asked.Add(1)
	u.mu.Lock()
	defer u.mu.Unlock()
	if mine > u.covered {
		covers := u.asked.Load()
		last, err := u.count(ctx)
		if err != nil {
			return keyring.Uses{}, err
		}
		u.last, u.covered = last, covers
	}
	told := u.last
	told.Keys = maps.Clone(told.Keys)
	return told, nil
}

func (u *uses) count(ctx context.Context) (keyring.Uses, error) {
	if err := u.store.load(ctx); err != nil {
		return keyring.Uses{}, err
	}
	c := tally{keys: map[string]*keyring.KeyUses{}, present: map[string]string{}, now: u.now()}
	if u.ahead != nil {
		c.ahead = u.ahead()
	}
	// Before the objects: a namespace that becomes readable meanwhile counts as one that cannot be read, and what has a mark was in the cache then, or is gone.
	if n, ok := u.objects.(*namespaces); ok {
		c.unread, c.served = n.unread(), n.names
	}
	if err := u.follow(ctx, &c); err != nil {
		return keyring.Uses{}, err
	}
	marks := u.store.all()
	var all v1alpha1.GitSecretList
	if err := u.objects.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return keyring.Uses{}, fmt.Errorf("listing GitSecrets: %w", err)
	}
	for i := range all.Items {
		o, key := &all.Items[i], markKey(keyOf(&all.Items[i]))
		c.present[key] = keyOf(o).String()
		part := marks[u.store.index(key)]
		switch {
		case part.claims[key] == claimOf(o) && u.seen.claimed(o):
			c.cut(keyOf(o).String(), part.cut[key])
		case o.DeletionTimestamp != nil:
			c.leaving = append(c.leaving, keyOf(o).String())
		default:
			c.unseen = append(c.unseen, keyOf(o).String())
		}
	}
	for i, part := range marks {
		c.where = u.store.home + "/" + u.store.shards[i].name
		for key, text := range part.texts {
			c.add(key, text, func(left unseal.Mark) { u.store.noteLeft(key, text, left) })
		}
	}
	told := c.result()
	told.Since, told.Again = u.store.remembersSince()
	return told, nil
}

// tally is one count.
type tally struct {
	keys    map[string]*keyring.KeyUses
	present map[string]string // NAMESPACE/NAME by markKey
	// unread are namespaces that cannot be read at present; served all of them in namespaced mode, nil otherwise.
	unread map[string]bool
	served []string
	now    time.Time
	ahead  time.Duration
	where  string // the ConfigMap of the marks that are being added

	unseen, leaving   []string        // objects that were not looked at; leaving are those that are being deleted, and are not looked at any more
	marks, damaged    int             // marks of objects, with what is left of those that were forgotten
	foreign           map[string]bool // namespaces that are not read any more
	brimful           []string        // ConfigMaps
	unfollowed        string          // why it is not known which SecretSyncs there are
	unfetched, partly []string        // SecretSyncs whose files were not looked at, or not all of them
}

// add counts what one mark says; left is told the mark of an object that is found to be gone.
func (c *tally) add(key, text string, left func(unseal.Mark)) {
	c.marks++
	mark, err := unseal.ParseMark(text)
	if err != nil {
		c.damaged++
		return
	}
	object, _ := objectOf(key)
	name, there := c.present[key]
	if key == forgottenKey && mark.Brimful() {
		c.brimful = append(c.brimful, c.where)
	}
	if !there && key != forgottenKey {
		switch {
		case c.unread[object.Namespace]: // what it was last
			there, name = true, object.String()
		case c.served != nil && !slices.Contains(c.served, object.Namespace):
			there, name = true, object.String()
			c.foreign = with(c.foreign, object.Namespace)
		default:
			if gone, news := mark.Left(c.now); news {
				mark = gone
				left(gone)
			}
		}
	}
	for id, need := range mark.Needed() {
		k := c.key(id)
		if need.Present && there {
			k.Objects++
			k.Examples = append(k.Examples, name)
		}
		if need.Gone {
			k.Gone++
			if need.LastGone.After(k.LastGone) {
				k.LastGone = need.LastGone
			}
		}
	}
}

// cut counts keys that an object claims and its mark has no room for.
func (c *tally) cut(name string, ids []string) {
	for _, id := range ids {
		k := c.key(id)
		k.Objects++
		k.Examples = append(k.Examples, name)
	}
}

func (c *tally) key(id string) *keyring.KeyUses {
	k := c.keys[id]
	if k == nil {
		k = &keyring.KeyUses{}
		c.keys[id] = k
	}
	return k
}

func with(set map[string]bool, name string) map[string]bool {
	if set == nil {
		set = map[string]bool{}
	}
	set[name] = true
	return set
}

func (c *tally) result() keyring.Uses {
	out := keyring.Uses{Keys: make(map[string]keyring.KeyUses, len(c.keys))}
	for id, k := range c.keys {
		slices.Sort(k.Examples)
		k.Examples = slices.Clone(k.Examples[:min(len(k.Examples), maxExamples)])
		slices.Sort(k.Git)
		out.Keys[id] = *k
	}
	var unseen []string
	if len(c.unseen) > 0 {
		unseen = append(unseen, plural(len(c.unseen), "GitSecret was", "GitSecrets were")+" not looked at yet: "+some(c.unseen))
	}
	if len(c.leaving) > 0 {
		unseen = append(unseen, plural(len(c.leaving), "GitSecret is", "GitSecrets are")+" being deleted, which a finalizer holds up: "+some(c.leaving))
	}
	if c.damaged > 0 {
		unseen = append(unseen, plural(c.damaged, "mark is", "marks are")+" damaged")
	}
	for _, where := range c.brimful {
		unseen = append(unseen, "ConfigMap "+where+" has no room for all keys that objects which are gone have needed: remove its entry "+forgottenKey+" to give them up")
	}
	if len(c.present) == 0 && c.marks == 0 {
		// In a cluster that was just made anew nothing needs a key until Git is applied.
		unseen = append(unseen, "no GitSecret was seen in this cluster yet")
	}
	unseen = append(unseen, namesOf("cannot be read", c.unread)...)
	unseen = append(unseen, namesOf("not read any more", c.foreign)...)
	unseen = append(unseen, c.unfollowing()...)
	if text := wrong(c.ahead); text != "" {
		unseen = append(unseen, text)
	}
	out.Unseen = strings.Join(unseen, "; ")
	out.Soon = len(c.unseen) > 0 && len(unseen) == 1
	return out
}

func plural(n int, one, more string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, more)
}

// namesOf says of namespaces what is the matter with them.
func namesOf(what string, set map[string]bool) []string {
	if len(set) == 0 {
		return nil
	}
	return []string{"namespaces " + what + ": " + some(slices.Collect(maps.Keys(set)))}
}

// some names the first of names, and says how many more there are.
func some(names []string) string {
	const most = 5
	names, more := slices.Sorted(slices.Values(names)), ""
	if n := len(names) - most; n > 0 {
		names, more = names[:most], fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ") + more
}
