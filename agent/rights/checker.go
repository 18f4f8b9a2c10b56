package rights

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
)

const (
	// stands is how long it is taken for true that an account may do nothing that is too much, and standsDear where asking costs many requests; standsBad how long the opposite is,
	// so that who mends it does not wait.
	stands     = time.Minute
	standsDear = 10 * time.Minute
	standsBad  = 10 * time.Second
	// fewKnown is how many verdicts are no burden.
	fewKnown = 1024
)

// Checker remembers for a while what accounts may do. Safe for concurrent use.
type Checker struct {
	// Always are namespaces in which every account is looked at, besides its own and those where it is to write.
	Always []string
	Now    func() time.Time

	mu    sync.Mutex
	known map[place]verdict
	most  int // how many may be known before those are dropped that stand no more
}

// place is an account in a namespace.
type place struct {
	account   types.NamespacedName
	namespace string
}

type verdict struct {
	found []string
	until time.Time
}

// Check says what an account may do that is too much, for people, sorted; empty: nothing. reviews is a client that is the account, and namespaces are those where it is to write.
func (c *Checker) Check(ctx context.Context, account types.NamespacedName, reviews authorizationclient.AuthorizationV1Interface, namespaces []string) ([]string, error) {
	all := slices.Concat(namespaces, c.Always, []string{account.Namespace})
	slices.Sort(all)
	var out []string
	for _, namespace := range slices.Compact(all) {
		found, err := c.in(ctx, place{account, namespace}, reviews)
		if err != nil {
			return nil, err
		}
		for _, means := range found {
			out = append(out, fmt.Sprintf("in namespace %s it may %s", namespace, means))
		}
	}
	return out, nil
}

func (c *Checker) in(ctx context.Context, p place, reviews authorizationclient.AuthorizationV1Interface) ([]string, error) {
	c.mu.Lock()
	v, ok := c.known[p]
	c.mu.Unlock()
	if ok && c.Now().Before(v.until) {
		return v.found, nil
	}
	found, whole, err := check(ctx, reviews, p.namespace)
	if err != nil {
		return nil, err
	}
	last := stands
	switch {
	case len(found) > 0:
		last = standsBad
	case !whole:
		last = standsDear
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[place]verdict{}
	}
	c.known[p] = verdict{found, c.Now().Add(last)}
	if len(c.known) > max(c.most, fewKnown) {
		// Git names the namespaces, others with each commit if it likes.
		maps.DeleteFunc(c.known, func(_ place, v verdict) bool { return !c.Now().Before(v.until) })
		c.most = 2 * len(c.known)
	}
	return found, nil
}
