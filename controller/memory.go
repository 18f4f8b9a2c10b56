package controller

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	firstRetry = 500 * time.Millisecond
	lastRetry  = time.Minute
)

// memory keeps, for each object, the status that this process wrote last, because the cache may not have it yet, and how often it was tried in vain.
// Losing it costs nothing but a needless look. Safe for concurrent use.
type memory struct {
	mu    sync.Mutex
	notes map[types.NamespacedName]note
	// jitter gives numbers in [0, 1), so that objects that fail together do not come back together.
	jitter func() float64
}

type note struct {
	uid     types.UID
	version string
	status  v1alpha1.GitSecretStatus
	tries   int
}

func newMemory(jitter func() float64) *memory {
	return &memory{notes: map[types.NamespacedName]note{}, jitter: jitter}
}

// latest is the newer of the object's own status and the one that was written last, and the object's version with it. The caller must not change it.
func (m *memory) latest(o *v1alpha1.GitSecret) (status v1alpha1.GitSecretStatus, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, ok := m.notes[keyOf(o)]
	if !ok || n.uid != o.UID || n.version == "" || !older(o.ResourceVersion, n.version) {
		return o.Status, o.ResourceVersion
	}
	return n.status, n.version
}

// wrote notes that the status of o was written, which gave it a version.
func (m *memory) wrote(o *v1alpha1.GitSecret, version string, status v1alpha1.GitSecretStatus) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.notes[keyOf(o)]
	n.uid, n.version, n.status = o.UID, version, status
	m.notes[keyOf(o)] = n
}

// doubt forgets what was written last, because the API server says otherwise.
func (m *memory) doubt(key types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n, ok := m.notes[key]; ok {
		m.notes[key] = note{tries: n.tries}
	}
}

// retry is how long to wait before the next try: twice as long each time up to a minute, and without end.
func (m *memory) retry(key types.NamespacedName) time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.notes[key]
	wait := lastRetry
	if n.tries < 16 {
		wait = min(firstRetry<<n.tries, lastRetry)
		n.tries++
	}
	m.notes[key] = n
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
