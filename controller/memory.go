package controller

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
	// recount is how long quotas have to notice that a Secret was deleted.
	recount = 30 * time.Second
)

// memory keeps, for each object, the status that this process wrote last, until the cache has it; what the last look went by; and how often it was tried in
// vain. Losing it costs nothing but a needless look. Safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	notes map[types.NamespacedName]note
	// jitter gives numbers in [0, 1), so that objects that fail together do not come back together.
	jitter func() float64
}

type note struct {
	uid types.UID
	// version is that of the status written last; empty once the cache has it.
	version string
	status  *v1alpha1.GitSecretStatus
	// shown is the newest version that the cache was given.
	shown string
	// look is the last one whose outcome stands as long as nothing of it changes; again says that it is tried again even so.
	look  look
	again bool
	// written is the Secret as this process left it last.
	written secretVersion
	// deleted is when this process deleted the Secret to make it anew, which it has not yet; zero: it did not.
	deleted time.Time
	tries   int
	// claims is the generation of the object whose claims of keys are in its mark; 0: none is known to be.
	claims int64
	// full is the version of the object whose status was refused for its size.
	full string
}

// secretVersion is one version of a Secret.
type secretVersion struct {
	uid     types.UID
	version string
}

// look is what the outcome of one look at an object depends on, its status aside.
type look struct {
	uid           types.UID
	generation    int64
	marks         string // the object's own annotations
	ring          *keyring.Ring
	secret        types.UID
	secretVersion string
	terminating   bool // its namespace
}

func lookAt(in *unseal.Input) look {
	l := look{uid: in.Object.UID, generation: in.Object.Generation, marks: ownAnnotations(in.Object.Annotations), ring: in.Ring, terminating: in.NamespaceTerminating}
	if in.Secret != nil {
		l.secret, l.secretVersion = in.Secret.UID, in.Secret.ResourceVersion
	}
	return l
}

// ownAnnotations joins the annotations that a decision may go by.
func ownAnnotations(annotations map[string]string) string {
	var all []string
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		if strings.HasPrefix(key, seal.SignedAnnotationPrefix) {
			all = append(all, key, annotations[key])
		}
	}
	return strings.Join(all, "\x00")
}

func newMemory(jitter func() float64) *memory {
	return &memory{notes: map[types.NamespacedName]note{}, jitter: jitter}
}

// change does f with the note of key, which f may change.
func (m *memory) change(key types.NamespacedName, f func(*note)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.notes[key]
	f(&n)
	m.notes[key] = n
}

// latest is the newer of the object's own status and the one that was written last, and the object's version with it. The caller must not change it.
func (m *memory) latest(o *v1alpha1.GitSecret) (status v1alpha1.GitSecretStatus, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(o)]
	if !ok || n.uid != o.UID || n.version == "" || !older(o.ResourceVersion, n.version) {
		return o.Status, o.ResourceVersion
	}
	return *n.status, n.version
}

// wrote notes that the status of o was written, which gave it a version.
func (m *memory) wrote(o *v1alpha1.GitSecret, version string, status v1alpha1.GitSecretStatus) {
	status.Rewrap = slimOffers(status.Rewrap)
	m.change(keyOf(o), func(n *note) {
		if n.uid != o.UID {
			*n = note{uid: o.UID, tries: n.tries}
		}
		if n.shown == "" || older(n.shown, version) { // else the cache was faster
			n.version, n.status = version, &status
		}
	})
}

// shown notes that the cache is being given this version of o. If that is no newer than what it had, while a newer one was written, then it is the API server
// that has gone back, as after etcd was restored: what was written is not so any more.
func (m *memory) shown(o *v1alpha1.GitSecret) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.notes[keyOf(o)]
	awaited := n.version != "" && older(o.ResourceVersion, n.version)
	back := n.shown != "" && (older(o.ResourceVersion, n.shown) || (awaited && o.ResourceVersion == n.shown))
	if n.uid != o.UID || back {
		n = note{uid: o.UID, tries: n.tries}
	} else if !awaited {
		n.version, n.status = "", nil
	}
	n.shown = o.ResourceVersion
	m.notes[keyOf(o)] = n
}

// doubt forgets what was written and looked at last, because the API server says otherwise.
func (m *memory) doubt(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.notes[key]; ok {
		m.notes[key] = note{tries: n.tries}
	}
}

// looked notes a look and its outcome, after was zero where nothing but time would change it. Where that does not stand by itself, no look does: one before it
// would keep an object that is put back as it was then from being looked at, and its status would stay that of the present outcome.
func (m *memory) looked(in *unseal.Input, out unseal.Outcome, after time.Duration) (settled bool) {
	row, _ := out.Reason.Row()
	again := row.Then == unseal.Retrying
	if after > 0 || out.Reason == unseal.Pending || (again && !row.Keys) {
		m.lookAgain(keyOf(in.Object))
		return false
	}
	l := lookAt(in)
	if out.Secret != nil {
		l.secret, l.secretVersion = types.UID(out.Secret.UID), out.Secret.ResourceVersion
	}
	m.change(keyOf(in.Object), func(n *note) {
		if n.uid != in.Object.UID {
			*n = note{uid: in.Object.UID, tries: n.tries}
		}
		n.look, n.again = l, again
	})
	return !again
}

// quiet says whether nothing has changed since the last look, and then whether its outcome is one that is tried again. A Secret that the cache still has in
// the version before our write is no change.
func (m *memory) quiet(in *unseal.Input) (again, quiet bool) {
	l := lookAt(in)
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(in.Object)]
	if ok && l.secret == n.look.secret && older(l.secretVersion, n.look.secretVersion) {
		l.secretVersion = n.look.secretVersion
	}
	return n.again, ok && n.look == l
}

// settled says whether o was looked at in this generation.
func (m *memory) settled(o *v1alpha1.GitSecret) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(o)]
	return ok && n.look.uid == o.UID && n.look.generation == o.Generation
}

// wroteSecret says whether this version of the Secret of the name is the one that was looked at, or written, last.
func (m *memory) wroteSecret(key types.NamespacedName, uid types.UID, version string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[key]
	return ok && ((n.look.secret == uid && n.look.secretVersion == version) || n.written == secretVersion{uid, version})
}

// writing notes that the look which goes on has written this version of the Secret of o. Its event may come before the look is over, and is no news: a look
// that comes to no end is repeated anyway.
func (m *memory) writing(o *v1alpha1.GitSecret, uid types.UID, version string) {
	m.change(keyOf(o), func(n *note) {
		if n.uid != o.UID {
			*n = note{uid: o.UID, tries: n.tries}
		}
		n.written, n.deleted = secretVersion{uid, version}, time.Time{}
	})
}

// deletes notes that the look which goes on deletes the Secret of o to make it anew.
func (m *memory) deletes(o *v1alpha1.GitSecret, now time.Time) {
	m.change(keyOf(o), func(n *note) {
		if n.uid != o.UID {
			*n = note{uid: o.UID, tries: n.tries}
		}
		n.deleted = now
	})
}

// uncounted says whether a quota may still count the Secret of o that was deleted to be made anew.
func (m *memory) uncounted(o *v1alpha1.GitSecret, now time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(o)]
	return ok && n.uid == o.UID && !n.deleted.IsZero() && now.Sub(n.deleted) < recount
}

// claims notes that the marks have what the wraps of o claim.
func (m *memory) claims(o *v1alpha1.GitSecret) {
	m.change(keyOf(o), func(n *note) {
		if n.uid != o.UID {
			*n = note{uid: o.UID, tries: n.tries}
		}
		n.claims = o.Generation
	})
}

// claimed says whether the marks have what the wraps of o claim.
func (m *memory) claimed(o *v1alpha1.GitSecret) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(o)]
	return ok && n.uid == o.UID && n.claims == o.Generation
}

// lookAgain has the next look at the object be a whole one, because something has changed that a look does not tell apart.
func (m *memory) lookAgain(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.notes[key]; ok {
		n.look = look{}
		m.notes[key] = n
	}
}

// retry is how long to wait before the next try: twice as long each time up to a minute, and without end.
func (m *memory) retry(key types.NamespacedName) time.Duration {
	wait := lastRetry
	m.change(key, func(n *note) {
		if n.tries < 16 {
			wait = min(firstRetry<<n.tries, lastRetry)
			n.tries++
		}
	})
	return wait/2 + time.Duration(m.jitter()*float64(wait/2))
}

// succeeded forgets the tries.
func (m *memory) succeeded(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.notes[key]; ok {
		n.tries = 0
		m.notes[key] = n
	}
}

// noRoom notes that the status of this version of o was refused for its size, and says whether that is known already.
func (m *memory) noRoom(o *v1alpha1.GitSecret) (known bool) {
	m.change(keyOf(o), func(n *note) {
		known = n.full == o.ResourceVersion
		n.full = o.ResourceVersion
	})
	return known
}

// hasNoRoom says whether the status of this version of o was refused for its size.
func (m *memory) hasNoRoom(o *v1alpha1.GitSecret) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(o)]
	return ok && n.full == o.ResourceVersion
}

// forget drops an object that is gone.
func (m *memory) forget(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.notes, key)
}

func keyOf(o *v1alpha1.GitSecret) types.NamespacedName {
	return types.NamespacedName{Namespace: o.Namespace, Name: o.Name}
}

// older says whether version a is older than b, of objects of one resource. Versions that cannot be compared are not.
func older(a, b string) bool {
	n, err := resourceversion.CompareResourceVersion(a, b)
	return err == nil && n < 0
}
