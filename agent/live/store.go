package live

import (
	"slices"
	"strings"
	gosync "sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// patience is how long an object that was made counts as being there though no watch has told of it: it may have been deleted meanwhile.
const patience = time.Minute

// Change says that an object is not what it was.
type Change struct {
	Key types.NamespacedName
	// Syncs are the SecretSyncs, NAMESPACE/NAME, that it is marked as being of, before or now.
	Syncs []string
	// Content says that its digest, its mark, or that it is there has changed; Offers that its rewrap offers have.
	Content, Offers bool
}

// Status is of an object's status what the agent goes by. It must not be changed.
type Status struct {
	// Current says that the controller has seen the object as it is.
	Current bool
	Ready   bool
	Reason  string
	Keys    []v1alpha1.KeyUse
	Rewrap  []v1alpha1.RewrapOffer
}

// Store holds the objects. An informer whose cache has Transform tells it of them: it is a toolscache.ResourceEventHandler. Safe for concurrent use.
type Store struct {
	sees func(namespace string) bool
	tell func(Change)
	now  func() time.Time
	room *Room // nil: there is no bound

	filling gosync.Mutex // before mu
	mu      gosync.RWMutex
	entries map[types.NamespacedName]entry
	// later are sizes of offers that the cache had no room for, refilled those of them that were read since.
	later    map[types.NamespacedName]int
	refilled map[types.NamespacedName]refilled
	marked   map[string]map[types.NamespacedName]struct{} // by SecretSync
}

var (
	_ toolscache.ResourceEventHandler = (*Store)(nil)
	_ sync.Cluster                    = (*Store)(nil)
	_ sync.Noted                      = (*Store)(nil)
)

// entry is one object: as the watch has shown it, and as the agent has written it since.
type entry struct {
	shown  *v1alpha1.GitSecret // nil: it was not
	live   sync.Live           // of shown
	wrote  *sync.Live          // nil: nothing that was not shown
	at     time.Time           // of wrote
	uidOut types.UID           // was deleted by the agent, and is still shown
}

// NewStore makes an empty one. sees says whether the objects of a namespace are watched, nil: of all; tell is told of changes, from the informer's goroutine, and must not wait.
func NewStore(sees func(namespace string) bool, tell func(Change), now func() time.Time) *Store {
	if sees == nil {
		sees = func(string) bool { return true }
	}
	return &Store{sees: sees, tell: tell, now: now, entries: map[types.NamespacedName]entry{},
		marked: map[string]map[types.NamespacedName]struct{}{},
		later:  map[types.NamespacedName]int{}, refilled: map[types.NamespacedName]refilled{}}
}

// Sees implements sync.Cluster.
func (s *Store) Sees(namespace string) bool { return s.sees(namespace) }

// Live implements sync.Cluster.
func (s *Store) Live(key types.NamespacedName) (sync.Live, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.entries[key].latest(s.now())
}

// latest is the object as it is known to be.
func (e entry) latest(now time.Time) (sync.Live, bool) {
	l, there := e.live, e.shown != nil
	if e.wrote != nil && (there || now.Sub(e.at) < patience) {
		l, there = *e.wrote, true
	}
	if there && e.uidOut == l.UID {
		l.Deleting = true
	}
	return l, there
}

// Status gives of an object's status what the watch has shown.
func (s *Store) Status(key types.NamespacedName) (st Status, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	e := s.entries[key]
	if e.shown == nil {
		return Status{}, false
	}
	o := e.shown
	st = Status{Current: o.Status.ObservedGeneration == o.Generation, Keys: o.Status.Keys, Rewrap: o.Status.Rewrap}
	if read, ok := s.refilled[key]; ok {
		st.Rewrap = read.offers
	}
	for _, c := range o.Status.Conditions { // Ready is the only one
		st.Ready, st.Reason = c.Status == "True", c.Reason
	}
	return st, true
}

// Offers are the rewrap offers in an object's status, as far as there is room for them. They must not be changed.
func (s *Store) Offers(key types.NamespacedName) []v1alpha1.RewrapOffer {
	st, _ := s.Status(key)
	return st.Rewrap
}

// Marked are the objects that a SecretSync, NAMESPACE/NAME, has marked as its own, as the watch has shown them; in no order.
func (s *Store) Marked(by string) []types.NamespacedName {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([]types.NamespacedName, 0, len(s.marked[by]))
	for key := range s.marked[by] {
		out = append(out, key)
	}
	return out
}

// Wrote implements sync.Noted.
func (s *Store) Wrote(key types.NamespacedName, l sync.Live) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := s.entries[key]
	if e.shown != nil && !older(e.live.ResourceVersion, l.ResourceVersion) {
		return // the watch was faster, be it with another object that somebody has made in the place of this one
	}
	e.wrote, e.at = &l, s.now()
	s.entries[key] = e
}

// Deleted implements sync.Noted.
func (s *Store) Deleted(key types.NamespacedName, uid types.UID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	e, known := s.entries[key]
	if !known {
		return
	}
	if e.shown == nil { // then no watch will tell that it has gone
		delete(s.entries, key)
		return
	}
	e.uidOut = uid
	s.entries[key] = e
}

// OnAdd implements toolscache.ResourceEventHandler.
func (s *Store) OnAdd(obj any, _ bool) { s.show(obj) }

// OnUpdate implements toolscache.ResourceEventHandler.
func (s *Store) OnUpdate(_, obj any) { s.show(obj) }

// show takes an object from the watch.
func (s *Store) show(obj any) {
	o, ok := obj.(*v1alpha1.GitSecret)
	if !ok || o.Spec.Format != slimmed {
		return // the cache lacks Transform: a programmer's mistake, which tests find
	}
	key, l := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, kept(o)
	s.mu.Lock()
	e := s.entries[key]
	before, was := e.latest(s.now())
	offers := offered(e.shown)
	s.drop(key)
	delete(s.later, key)
	if size, later := laterOf(o); later {
		s.later[key] = size
	}
	// What was written counts until the watch has it, or something newer; or shows, as after a restore of etcd, that time has gone back.
	back := e.shown != nil && (older(l.ResourceVersion, e.live.ResourceVersion) || e.live.ResourceVersion == l.ResourceVersion)
	if e.wrote != nil && (back || !older(l.ResourceVersion, e.wrote.ResourceVersion)) {
		e.wrote = nil
	}
	s.mark(key, e.live.Sync, l.Sync)
	e.shown, e.live = o, l
	s.entries[key] = e
	after, is := e.latest(s.now())
	s.mu.Unlock()
	s.told(key, before, after, was != is, offers != offered(o))
}

// OnDelete implements toolscache.ResourceEventHandler.
func (s *Store) OnDelete(obj any) {
	if gone, ok := obj.(toolscache.DeletedFinalStateUnknown); ok {
		obj = gone.Obj
	}
	o, ok := obj.(*v1alpha1.GitSecret)
	if !ok {
		return
	}
	key := types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
	s.mu.Lock()
	e := s.entries[key]
	before, was := e.latest(s.now())
	s.mark(key, e.live.Sync, "")
	s.drop(key)
	delete(s.later, key)
	if s.room != nil {
		s.room.take(s.room.cached, o.UID, 0)
	}
	var after sync.Live
	is := false
	if e.wrote != nil && e.wrote.UID != o.UID { // the agent has made it anew already
		e.shown, e.live, e.uidOut = nil, sync.Live{}, ""
		s.entries[key] = e
		after, is = e.latest(s.now())
	} else {
		delete(s.entries, key)
	}
	s.mu.Unlock()
	s.told(key, before, after, was != is, false)
}

// mark keeps what is whose.
func (s *Store) mark(key types.NamespacedName, was, is string) {
	if was == is {
		return
	}
	if was != "" {
		delete(s.marked[was], key)
		if len(s.marked[was]) == 0 {
			delete(s.marked, was)
		}
	}
	if is != "" {
		if s.marked[is] == nil {
			s.marked[is] = map[types.NamespacedName]struct{}{}
		}
		s.marked[is][key] = struct{}{}
	}
}

// told tells of a change, if there is one.
func (s *Store) told(key types.NamespacedName, before, after sync.Live, presence, offers bool) {
	c := Change{
		Key: key, Offers: offers,
		Content: presence || before.UID != after.UID || before.Digest != after.Digest || before.Spec != after.Spec || before.Sync != after.Sync || before.Deleting != after.Deleting,
	}
	if !c.Content && !c.Offers {
		return
	}
	for _, by := range []string{before.Sync, after.Sync} {
		if by != "" && !slices.Contains(c.Syncs, by) {
			c.Syncs = append(c.Syncs, by)
		}
	}
	s.tell(c)
}

// offered tells one's offers from others, whether they are here or not; empty: there are none.
func offered(o *v1alpha1.GitSecret) string {
	if o == nil {
		return ""
	}
	if _, digest, later := strings.Cut(o.Annotations[keptLater], ":"); later {
		return digest
	}
	if len(o.Status.Rewrap) == 0 {
		return ""
	}
	return digestOf(o.Status.Rewrap)
}

// older says whether version a is older than b, of objects of one resource. Versions that cannot be compared are not.
func older(a, b string) bool {
	n, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && n < 0
}
