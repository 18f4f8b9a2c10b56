package live_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/agent/live"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// bounded is a store with room for so many bytes, behind a cache; the API server has objects.
type bounded struct {
	*watched
	t    *testing.T
	room *live.Room
	api  map[types.NamespacedName]*v1alpha1.GitSecret
	n    int
}

func newBounded(t *testing.T, limit int) *bounded {
	b := &bounded{watched: newWatched(), t: t, room: live.NewRoom(limit), api: map[types.NamespacedName]*v1alpha1.GitSecret{}}
	b.Bound(b.room)
	return b
}

func named(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: "prod", Name: name}
}

// offers has an object come, or change, with an offer of so many bytes; 0: with none. seen says that the watch tells of it.
func (b *bounded) offers(name string, size int, seen bool) {
	b.t.Helper()
	b.n++
	o := object(b.n, "Opaque", func(o *v1alpha1.GitSecret) { o.Name, o.UID = name, types.UID("uid-"+name) })
	if size > 0 {
		o.Status.Rewrap = []v1alpha1.RewrapOffer{{Holder: "prod", Set: 3, Note: strings.Repeat("n", size-68)}}
	}
	b.api[named(name)] = o.DeepCopy()
	if seen {
		b.OnAdd(b.cached(o), false)
	}
}

// cached is an object as the cache has it.
func (b *bounded) cached(o *v1alpha1.GitSecret) *v1alpha1.GitSecret {
	b.t.Helper()
	for range 2 { // informers give an object to their transform more than once
		if _, err := b.room.Transform(o); err != nil {
			b.t.Fatal(err)
		}
	}
	return o
}

func (b *bounded) goes(name string) {
	b.t.Helper()
	o := b.api[named(name)]
	delete(b.api, named(name))
	b.OnDelete(b.cached(o.DeepCopy())) // the watch gives the object once more
}

func (b *bounded) refill() int {
	return b.Refill(b.t.Context(), func(_ context.Context, key types.NamespacedName) (*v1alpha1.GitSecret, error) {
		if o := b.api[key]; o != nil {
			return o.DeepCopy(), nil
		}
		return nil, errors.New("it is not there")
	})
}

// have holds whose offers are here.
func (b *bounded) have(what string, want ...string) {
	b.t.Helper()
	var got []string
	for key := range b.api {
		if len(b.Offers(key)) > 0 {
			got = append(got, key.Name)
		}
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		b.t.Errorf("%s: the offers of %q are here, want %q", what, got, want)
	}
}

func TestOffersTakeNoMoreThanThereIsRoomFor(t *testing.T) {
	b := newBounded(t, 1000)
	for _, name := range []string{"a", "b", "c", "d"} {
		b.offers(name, 400, true)
	}
	b.have("as they come", "a", "b")
	if len(b.told) != 4 || !b.told[3].Offers {
		t.Errorf("nobody is told that there are more: %+v", b.told)
	}
	if left := b.refill(); left != 2 {
		t.Errorf("%d wait while there is no room", left)
	}
	b.have("while there is no room", "a", "b")
	// Git has taken one: the next comes.
	b.offers("a", 0, true)
	if left := b.refill(); left != 1 {
		t.Errorf("%d wait after one was taken", left)
	}
	b.have("after one was taken", "b", "c")
	// What was read late goes as what was there at once.
	b.offers("c", 0, true)
	b.goes("b")
	if left := b.refill(); left != 0 {
		t.Errorf("%d wait after three were taken", left)
	}
	b.have("after three were taken", "d")
	b.goes("d")
	b.offers("e", 1000, true)
	b.have("all the room is there again", "e")
}

func TestAnOfferIsOnlyReadOfWhatTheWatchHasShown(t *testing.T) {
	b := newBounded(t, 500)
	b.offers("a", 400, true)
	b.offers("b", 400, true)
	b.offers("a", 0, true)
	b.offers("b", 450, false) // the watch is behind
	if left := b.refill(); left != 1 {
		t.Errorf("%d wait", left)
	}
	b.have("the watch is behind")
	b.OnAdd(b.cached(b.api[named("b")].DeepCopy()), false)
	b.have("the watch has it", "b")
	b.told = nil
	b.offers("b", 460, true)
	if len(b.told) != 1 || !b.told[0].Offers {
		t.Errorf("told: %+v", b.told)
	}
	// It changes again and does not fit: what was there is not given any more.
	b.offers("b", 501, true)
	b.have("it is too large")
	b.goes("b")
	b.offers("c", 500, true)
	b.have("all the room is there again", "c")
}

// TestTheRoomIsNeverExceeded has objects come, change and go at random, and holds the sum after each step, and that all is here in the end.
func TestTheRoomIsNeverExceeded(t *testing.T) {
	const limit = 3000
	b := newBounded(t, limit)
	seed := uint32(1)
	next := func(n int) int {
		seed = seed*1664525 + 1013904223
		return int(seed>>8) % n
	}
	for step := range 3000 {
		name := fmt.Sprint("o", next(12))
		switch _, there := b.api[named(name)]; {
		case there && next(5) == 0:
			b.goes(name)
		case next(3) == 0:
			b.offers(name, 0, true)
		default:
			b.offers(name, 68+next(900), true)
		}
		if next(2) == 0 {
			b.refill()
		}
		sum := 0
		for key := range b.api {
			for _, o := range b.Offers(key) {
				sum += 64 + len(o.Holder) + len(o.Note)
			}
		}
		if sum > limit {
			t.Fatalf("after %d steps %d bytes are here", step, sum)
		}
	}
	for i := range 12 {
		if _, there := b.api[named(fmt.Sprint("o", i))]; there {
			b.goes(fmt.Sprint("o", i))
		}
	}
	b.now = begin.Add(time.Hour)
	b.offers("last", limit, true)
	b.have("all the room is there again", "last")
}
