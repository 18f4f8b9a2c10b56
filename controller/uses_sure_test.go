package controller

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/keyring"
)

// paged is the API server in memory: lists of metadata in pages of two, as a real one gives them by the limit.
type paged struct {
	client.Client
	pages int
}

func (p *paged) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	all, ok := list.(*metav1.PartialObjectMetadataList)
	if err := p.Client.List(ctx, list, opts...); err != nil || !ok {
		return err
	}
	o, from := (&client.ListOptions{}).ApplyOptions(opts), 0
	if o.Continue != "" {
		_, _ = fmt.Sscan(o.Continue, &from)
	}
	to := min(from+2, len(all.Items))
	if p.pages++; to < len(all.Items) {
		all.Continue = fmt.Sprint(to)
	}
	all.Items = slices.Clone(all.Items[from:to])
	return nil
}

// TestADestructionWaitsForTheCache has a cache be behind the API server in each way, catch up, or not: what it lacks is unseen.
func TestADestructionWaitsForTheCache(t *testing.T) {
	cached := []string{"prod/a", "prod/b", "prod/c"}
	for name, c := range map[string]struct {
		change func(t *testing.T, live client.Client) // what the cache does not have
		later  func(t *testing.T, live client.Client, cache client.Client)
		want   string
	}{
		"it is not": {want: ""},
		"one was made, and another deleted": {
			change: func(t *testing.T, live client.Client) {
				must(t, live.Delete(t.Context(), placed("prod/a")), live.Create(t.Context(), placed("prod/new")))
			},
			want: "the cache is behind the API server: prod/new",
		},
		"one was changed": {
			change: func(t *testing.T, live client.Client) {
				o := placed("prod/c")
				o.Generation++
				must(t, live.Delete(t.Context(), o), live.Create(t.Context(), o))
			},
			want: "the cache is behind the API server: prod/c",
		},
		"one was made anew": {
			change: func(t *testing.T, live client.Client) {
				o := placed("prod/c")
				o.UID = "other"
				must(t, live.Delete(t.Context(), o), live.Create(t.Context(), o))
			},
			want: "the cache is behind the API server: prod/c",
		},
		"it catches up": {
			change: func(t *testing.T, live client.Client) { must(t, live.Create(t.Context(), placed("prod/new"))) },
			later:  func(t *testing.T, _, cache client.Client) { must(t, cache.Create(t.Context(), placed("prod/new"))) },
			want:   "1 GitSecret was not looked at yet: prod/new",
		},
		"what it lacks is gone": {
			change: func(t *testing.T, live client.Client) { must(t, live.Create(t.Context(), placed("prod/new"))) },
			later:  func(t *testing.T, live, _ client.Client) { must(t, live.Delete(t.Context(), placed("prod/new"))) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n, server := newCounting(t, cached...), &paged{Client: newCounting(t, cached...).kube}
				for _, name := range cached {
					n.note(t, name, needs(keyA, 0), true)
				}
				n.live = server
				if c.change != nil {
					c.change(t, server.Client)
				}
				if c.later != nil {
					go func() {
						time.Sleep(time.Second)
						c.later(t, server.Client, n.kube)
					}()
				}
				got, err := n.sure(t.Context(), "prod-eu")
				want := keyring.Uses{Unseen: c.want, Soon: c.want != "", Keys: map[string]keyring.KeyUses{keyA: {Objects: 3, Examples: cached}}}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(keyring.Uses{}, "Since")); err != nil || diff != "" {
					t.Error(err, diff)
				}
				if server.pages < 2 {
					t.Errorf("%d pages were asked for", server.pages)
				}
			})
		})
	}
}

func must(t *testing.T, all ...error) {
	t.Helper()
	for _, err := range all {
		if err != nil {
			t.Error(err)
		}
	}
}

// TestWhatTheAPIServerDoesNotTellIsNotTold holds that a decision is not made by the cache alone.
func TestWhatTheAPIServerDoesNotTellIsNotTold(t *testing.T) {
	c := newCounting(t, "prod/a")
	live := &denying{Reader: c.kube}
	live.denied.Store(true)
	c.live = live
	if got, err := c.sure(t.Context(), "prod-eu"); err == nil {
		t.Errorf("%+v", got)
	}
}
