package controller

import (
	"sync"
	"time"

	"golang.org/x/time/rate"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

const (
	// freely is how often one generation of an object is opened again without a wait, and then once every pause: two programs that both insist on what a Secret
	// should be would otherwise write it as fast as the API server lets them, and every time an envelope is opened.
	freely = 20
	pause  = 15 * time.Second
)

// pace holds back objects whose Secret somebody else changes again and again. Losing it costs nothing but a few needless writes. Safe for concurrent use.
type pace struct {
	mu      sync.Mutex
	budgets map[types.NamespacedName]*budget
}

type budget struct {
	uid        types.UID
	generation int64
	limit      *rate.Limiter
	told       bool
}

func newPace() *pace { return &pace{budgets: map[types.NamespacedName]*budget{}} }

// wait is how long to wait before the object may be opened; zero: it may now, and that counts. news is true once, when the waiting begins.
func (p *pace) wait(o *v1alpha1.GitSecret, now time.Time) (wait time.Duration, news bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := keyOf(o)
	if o.Status.ObservedGeneration != o.Generation {
		// Nothing is known of this generation: it is new, and nobody has to wait for what is new.
		delete(p.budgets, key)
		return 0, false
	}
	b := p.budgets[key]
	if b == nil || b.uid != o.UID || b.generation != o.Generation {
		b = &budget{uid: o.UID, generation: o.Generation, limit: rate.NewLimiter(rate.Every(pause), freely)}
		p.budgets[key] = b
	}
	if b.limit.TokensAt(now) >= freely {
		b.told = false // it has been quiet for a long time
	}
	r := b.limit.ReserveN(now, 1)
	if wait = r.DelayFrom(now); wait <= 0 {
		return 0, false
	}
	r.CancelAt(now)
	news, b.told = !b.told, true
	return wait, news
}

// forget drops an object that is gone.
func (p *pace) forget(key types.NamespacedName) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.budgets, key)
}
