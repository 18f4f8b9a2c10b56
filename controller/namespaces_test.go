package controller

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/waxwing-io/waxwing/keyring"
)

// denying is a reader without rights while it is told so.
type denying struct {
	client.Reader
	denied atomic.Bool
}

func (d *denying) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if d.denied.Load() {
		return errors.New("no right to it")
	}
	if d.Reader == nil {
		return nil
	}
	return d.Reader.List(ctx, list, opts...)
}

// standing is a cache that is as it was.
type standing struct{ cache.Cache }

func (standing) Start(context.Context) error { return nil }

// TestANamespaceThatCannotBeReadAnyMoreIsUnread has the rights in a namespace be taken away after its cache was filled, and given back: meanwhile the cache stands still.
func TestANamespaceThatCannotBeReadAnyMoreIsUnread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := &denying{}
		n := &namespaces{
			names: []string{"prod"}, live: live, tell: func(string, bool) {}, log: slog.New(slog.DiscardHandler), jitter: func() float64 { return 0 }, caches: map[string]cache.Cache{}, synced: map[string]bool{},
			open: func(string) (cache.Cache, error) { return standing{}, nil },
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		sources := n.source(func(cache.Cache) []source.Source { return nil })
		if err := sources.Start(ctx, nil); err != nil {
			t.Fatal(err)
		}
		for _, denied := range []bool{false, true, false} {
			live.denied.Store(denied)
			time.Sleep(stillThere + time.Second)
			synctest.Wait()
			if got := n.unread()["prod"]; got != denied {
				t.Errorf("denied: %v; unread: %v", denied, got)
			}
		}
	})
}

// coming is the cache of a namespace that is filled while it is asked for its objects.
type coming struct {
	cache.Cache
	from client.Reader
	n    *namespaces
}

func (c *coming) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	c.n.mu.Lock()
	c.n.synced["late"] = true
	c.n.mu.Unlock()
	return c.from.List(ctx, list, append(opts, client.InNamespace("prod"))...)
}

// TestANamespaceThatIsReadInTheMiddleOfACountIsUnread has one become readable after the objects of the others were listed: its own are in no list.
func TestANamespaceThatIsReadInTheMiddleOfACountIsUnread(t *testing.T) {
	c := newCounting(t, "prod/a", "late/a")
	c.note(t, "prod/a", needs(keyA, 0), true)
	c.note(t, "late/a", needs(keyB, 0), false)
	n := &namespaces{names: []string{"late", "prod"}, synced: map[string]bool{"prod": true}, caches: map[string]cache.Cache{}, home: c.kube}
	n.caches["prod"] = &coming{from: c.kube, n: n}
	c.objects = n
	c.want(t, keyring.Uses{Unseen: "namespaces cannot be read: late", Keys: map[string]keyring.KeyUses{
		keyA: {Objects: 1, Examples: []string{"prod/a"}}, keyB: {Objects: 1, Examples: []string{"late/a"}},
	}})
	if m := c.store.of(t.Context(), keyOf(placed("late/a"))); m.Mark.Envelopes[first].Gone != 0 {
		t.Errorf("it is noted as gone: %s", m.Mark.Text())
	}
}
