package controller

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

var (
	keyA = strings.Repeat("a", 32)
	keyB = strings.Repeat("b", 32)
)

// counting is a count over marks and objects in memory.
type counting struct {
	*uses
	kube client.Client
	at   time.Time
}

func newCounting(t *testing.T, objects ...string) *counting {
	t.Helper()
	scheme := kruntime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	c := &counting{at: time.Unix(1000, 0)}
	b := fake.NewClientBuilder().WithScheme(scheme)
	for _, name := range objects {
		b = b.WithObjects(placed(name))
	}
	c.kube = b.Build()
	now := func() time.Time { return c.at }
	store := newMarkStore(c.kube, c.kube, "home", now, slog.New(slog.DiscardHandler))
	c.uses = &uses{store: store, objects: c.kube, live: c.kube, seen: newMemory(func() float64 { return 0 }), now: now}
	return c
}

// placed is NAMESPACE/NAME.
func placed(name string) *v1alpha1.GitSecret {
	namespace, name, _ := strings.Cut(name, "/")
	return &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(name), Generation: 3}}
}

// needs is a mark of an object with an envelope that needs a key.
func needs(id string, gone int64) unseal.Mark {
	return unseal.Mark{Ledger: unseal.Ledger{Envelopes: map[string]unseal.Wrapped{first: {Needs: []string{id}, Ever: []string{id}, Gone: gone}}}}
}

// note has a mark be known of NAMESPACE/NAME, looked says that the object was looked at.
func (c *counting) note(t *testing.T, name string, m unseal.Mark, looked bool) {
	t.Helper()
	o := placed(name)
	if err := c.store.keep(t.Context(), keyOf(o), &m, false); err != nil {
		t.Fatal(err)
	}
	if looked {
		c.look(t, o)
	}
}

// look ends a look at an object that finds nothing new, but keys that its mark has no room for.
func (c *counting) look(t *testing.T, o *v1alpha1.GitSecret, cut ...string) {
	t.Helper()
	in := &unseal.Input{Object: o, Marks: c.store.of(t.Context(), keyOf(o))}
	(&gitSecrets{gather: &gatherer{seen: c.seen}, marks: c.store}).claims(t.Context(), in, unseal.Decision{Cut: cut})
}

func (c *counting) want(t *testing.T, want keyring.Uses) {
	t.Helper()
	c.at = c.at.Add(2 * time.Second)
	got, err := c.of(t.Context(), "prod-eu")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(keyring.Uses{}, "Since", "Soon")); diff != "" {
		t.Error(diff)
	}
}

func TestUsesAreCounted(t *testing.T) {
	c := newCounting(t, "prod/a", "prod/b", "dev/a")
	c.note(t, "prod/a", needs(keyA, 0), true)
	c.note(t, "prod/b", needs(keyA, 0).Merge(unseal.Mark{Ledger: unseal.Ledger{Former: map[string]int64{keyB: 70}}}), true)
	c.note(t, "dev/a", needs(keyB, 50), true)
	c.note(t, "dev/deleted", needs(keyA, 0), false) // while no controller ran
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{
		keyA: {Objects: 2, Gone: 1, LastGone: time.Unix(1002, 0), Examples: []string{"prod/a", "prod/b"}},
		keyB: {Gone: 2, LastGone: time.Unix(70, 0)},
	}})
	if m := c.store.of(t.Context(), types.NamespacedName{Namespace: "dev", Name: "deleted"}); m.Mark.Envelopes[first].Gone != 1002 {
		t.Errorf("when it went is not remembered: %+v", m.Mark)
	}
	// It is remembered as it was found first.
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{
		keyA: {Objects: 2, Gone: 1, LastGone: time.Unix(1002, 0), Examples: []string{"prod/a", "prod/b"}},
		keyB: {Gone: 2, LastGone: time.Unix(70, 0)},
	}})
}

// TestKeysThatHaveNoRoomAreCounted holds that a key counts which an object claims and its mark has no room for, and that too many of them are as if the object was not looked at.
func TestKeysThatHaveNoRoomAreCounted(t *testing.T) {
	c := newCounting(t, "prod/a")
	c.note(t, "prod/a", needs(keyA, 0), false)
	a := keyring.KeyUses{Objects: 1, Examples: []string{"prod/a"}}
	c.look(t, placed("prod/a"), keyB)
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{keyA: a, keyB: a}})
	c.look(t, placed("prod/a"))
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{keyA: a}})
	c.look(t, placed("prod/a"), make([]string, 257)...)
	c.want(t, keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a", Soon: true, Keys: map[string]keyring.KeyUses{keyA: a}})
}

// TestWhatWasNotLookedAtIsSaid holds everything that keeps a count from being whole.
func TestWhatWasNotLookedAtIsSaid(t *testing.T) {
	c := newCounting(t, "prod/a", "prod/b", "away/a")
	c.note(t, "prod/a", needs(keyA, 0), true)
	c.note(t, "prod/b", needs(keyA, 0), false)
	newer := placed("away/a")
	newer.Generation--
	c.look(t, newer) // it has changed since
	c.store.shardOf("prod_c").note("prod_c", "damaged")
	c.want(t, keyring.Uses{Unseen: "2 GitSecrets were not looked at yet: away/a, prod/b; 1 mark is damaged", Keys: map[string]keyring.KeyUses{keyA: {Objects: 2, Examples: []string{"prod/a", "prod/b"}}}})

	c = newCounting(t)
	c.note(t, "away/a", needs(keyA, 0), true)
	c.note(t, "left/a", needs(keyA, 0), true)
	c.objects = &namespaces{names: []string{"away", "prod"}, synced: map[string]bool{}, home: c.kube}
	c.want(t, keyring.Uses{Unseen: "namespaces cannot be read: away, prod; namespaces not read any more: left", Keys: map[string]keyring.KeyUses{keyA: {Objects: 2, Examples: []string{"away/a", "left/a"}}}})
}

// TestAnObjectThatIsBeingDeletedIsNamed holds that one finds the object that a finalizer keeps, which is not looked at any more and holds all keys.
func TestAnObjectThatIsBeingDeletedIsNamed(t *testing.T) {
	c := newCounting(t)
	var objects []client.Object
	for i := range 7 {
		o := placed(fmt.Sprintf("prod/%d", i))
		if i == 3 {
			o.Finalizers, o.DeletionTimestamp = []string{"example.org/waits"}, &metav1.Time{Time: time.Unix(900, 0)}
		}
		objects = append(objects, o)
	}
	c.objects = fake.NewClientBuilder().WithScheme(c.kube.Scheme()).WithObjects(objects...).Build()
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{},
		Unseen: "6 GitSecrets were not looked at yet: prod/0, prod/1, prod/2, prod/4, prod/5 and 1 more; 1 GitSecret is being deleted, which a finalizer holds up: prod/3"})
}

// TestUsesWithoutMarksAreNotTold holds that what cannot be counted is an error, and never nothing.
func TestUsesWithoutMarksAreNotTold(t *testing.T) {
	c := newCounting(t)
	c.store.reader = fake.NewClientBuilder().WithScheme(kruntime.NewScheme()).Build() // it can read no ConfigMap
	if got, err := c.of(t.Context(), "prod-eu"); err == nil {
		t.Errorf("%+v", got)
	}
}

// TestACountIsNoOlderThanTheQuestion holds that what is told was counted after it was asked for, and that those who wait share a count.
func TestACountIsNoOlderThanTheQuestion(t *testing.T) {
	c := newCounting(t, "prod/a")
	c.note(t, "prod/a", needs(keyA, 0), true)
	one, err := c.of(t.Context(), "prod-eu")
	if err != nil || one.Keys[keyA].Objects != 1 {
		t.Fatal(one, err)
	}
	maps.DeleteFunc(one.Keys, func(string, keyring.KeyUses) bool { return true }) // nobody can change what another is told
	c.note(t, "prod/a", needs(keyB, 0), true)
	if two, err := c.of(t.Context(), "prod-eu"); err != nil || two.Keys[keyB].Objects != 1 || two.Keys[keyA].Objects != 0 {
		t.Errorf("%+v, %v", two, err)
	}
	lists := &listCounter{Reader: c.objects}
	c.objects = lists
	c.mu.Lock()
	done := make(chan error)
	for range 10 {
		go func() {
			_, err := c.of(t.Context(), "prod-eu")
			done <- err
		}()
	}
	for c.asked.Load() < 12 {
		runtime.Gosched()
	}
	c.mu.Unlock()
	for range 10 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := lists.n.Load(); n != 1 {
		t.Errorf("%d counts for 10 who asked at a time", n)
	}
}

// listCounter counts lists.
type listCounter struct {
	client.Reader
	n atomic.Int64
}

func (l *listCounter) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	l.n.Add(1)
	return l.Reader.List(ctx, list, opts...)
}

func TestExamplesAreFew(t *testing.T) {
	var names, examples []string
	for i := range 30 {
		names = append(names, fmt.Sprintf("prod/%02d", i))
	}
	examples = append(examples, names[:10]...)
	c := newCounting(t, names...)
	for _, name := range names {
		c.note(t, name, needs(keyA, 0), true)
	}
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{keyA: {Objects: 30, Examples: examples}}})
}

// TestAnObjectThatGoesLeavesItsUses holds that it is noted when an object went, also when it was made anew meanwhile, and that the keys of a mark that is forgotten for want of room are not.
func TestAnObjectThatGoesLeavesItsUses(t *testing.T) {
	c := newCounting(t)
	c.note(t, "prod/a", needs(keyA, 0), true)
	if err := c.store.load(t.Context()); err != nil {
		t.Fatal(err)
	}
	g := &gatherer{marks: c.store, now: c.now}
	g.leave(t.Context(), types.NamespacedName{Namespace: "prod", Name: "a"})
	g.leave(t.Context(), types.NamespacedName{Namespace: "prod", Name: "b"})
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{keyA: {Gone: 1, LastGone: time.Unix(1000, 0)}}})

	sh := c.store.shardOf("prod_a")
	was, _ := sh.text("prod_a")
	again := needs(keyB, 0)
	c.note(t, "prod/a", again, true)
	c.store.noteLeft("prod_a", was, needs(keyB, 7))
	if text, _ := sh.text("prod_a"); text != again.Text() {
		t.Errorf("an object that is there again: %s", text)
	}

	c.store.limit = 1
	if dropped := sh.drop(func(string) bool { return false }); len(dropped) != 1 {
		t.Fatal(dropped)
	}
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{keyB: {Gone: 1, LastGone: c.at}}})
	if dropped := sh.drop(func(string) bool { return false }); len(dropped) != 0 || len(sh.compact()) != 0 {
		t.Errorf("what is left of forgotten marks is forgotten: %s", dropped)
	}
	if reqs := c.store.requests(t.Context(), c.kube, forgottenKey); len(reqs) != 0 {
		t.Errorf("it has objects looked at: %v", reqs)
	}
	if d := sh.unsavedDelta(); d.texts[forgottenKey] == nil {
		t.Error("it is not written")
	}
}
