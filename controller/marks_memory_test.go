package controller

import (
	"errors"
	"log/slog"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/keyring"
)

// memoryAt is when the clock of a counting stands at the start.
var memoryAt = time.Unix(1000, 0).UTC()

// remembering is the first ConfigMap of marks, with what it says of the memory.
func remembering(since, until time.Time) *corev1.ConfigMap {
	return &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "waxwing-marks-00", Annotations: map[string]string{
		"waxwing.io/remembers-since": since.Format(time.RFC3339), "waxwing.io/remembered-until": until.Format(time.RFC3339),
	}}}
}

// TestUsesHaveABeginning holds since when uses are remembered after a start, by what is stored.
func TestUsesHaveABeginning(t *testing.T) {
	longAgo := memoryAt.Add(-1000 * time.Hour)
	damaged := remembering(longAgo, memoryAt)
	damaged.Annotations[annotationUntil] = "yesterday"
	for name, c := range map[string]struct {
		stored client.Object
		want   time.Time
	}{
		"nothing is stored":                {nil, memoryAt},
		"marks without a beginning":        {&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "waxwing-marks-00"}, Data: map[string]string{"prod_a": markOf(first)}}, memoryAt},
		"another ConfigMap alone":          {&corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "home", Name: "waxwing-marks-07"}}, memoryAt},
		"it was remembered an hour ago":    {remembering(longAgo, memoryAt.Add(-time.Hour)), longAgo},
		"it was remembered a day ago":      {remembering(longAgo, memoryAt.Add(-24*time.Hour)), longAgo},
		"it was remembered two days ago":   {remembering(longAgo, memoryAt.Add(-48*time.Hour)), longAgo},
		"it was remembered long ago":       {remembering(longAgo, memoryAt.Add(-31*24*time.Hour)), memoryAt},
		"remembered in the future":         {remembering(longAgo, memoryAt.Add(48*time.Hour)), memoryAt},
		"somebody has written in it":       {damaged, memoryAt},
		"the clock is behind what is said": {remembering(memoryAt.Add(time.Hour), memoryAt.Add(time.Hour)), memoryAt.Add(time.Hour)},
	} {
		t.Run(name, func(t *testing.T) {
			count := newCounting(t, "prod/a")
			count.at = memoryAt
			if c.stored != nil {
				if err := count.kube.Create(t.Context(), c.stored); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				got, err := count.of(t.Context(), "prod-eu")
				if err != nil || !got.Since.Equal(c.want) {
					t.Errorf("since %s, %v", got.Since, err)
				}
				count.at = count.at.Add(100 * time.Hour) // the process goes on
			}
		})
	}
}

// TestTheBeginningOfUsesIsKept holds that it is stored with the first turn, also where there are no marks, noted every hour, and written again when somebody removes it.
func TestTheBeginningOfUsesIsKept(t *testing.T) {
	c := newCounting(t)
	c.at = memoryAt
	stored := func() (map[string]string, string) {
		t.Helper()
		cm := &corev1.ConfigMap{}
		err := c.kube.Get(t.Context(), types.NamespacedName{Namespace: "home", Name: "waxwing-marks-00"}, cm)
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		return cm.Annotations, cm.ResourceVersion
	}
	turn := func(want ...string) {
		t.Helper()
		if err := c.store.load(t.Context()); err != nil {
			t.Fatal(err)
		}
		c.store.turn(t.Context(), 0)
		got, _ := stored()
		if got["waxwing.io/remembers-since"] != want[0] || got["waxwing.io/remembered-until"] != want[1] {
			t.Errorf("stored is %v", got)
		}
	}
	const began = "1970-01-01T00:16:40Z"
	turn(began, began)
	_, version := stored()
	c.at = memoryAt.Add(59 * time.Minute)
	turn(began, began)
	if _, again := stored(); again != version {
		t.Error("it was written for nothing")
	}
	c.at = memoryAt.Add(time.Hour)
	turn(began, "1970-01-01T01:16:40Z")

	// Another process goes on with it, and with a mark beside it.
	c.store = newMarkStore(c.kube, c.kube, "home", func() time.Time { return c.at }, slog.New(slog.DiscardHandler))
	c.at = memoryAt.Add(3 * time.Hour)
	c.store.shards[0].note("prod_a", markOf(first))
	turn(began, "1970-01-01T03:16:40Z")

	// Somebody removes the ConfigMap, and then what it says.
	cm := remembering(memoryAt, memoryAt)
	if err := c.kube.Delete(t.Context(), cm); err != nil {
		t.Fatal(err)
	}
	if err := c.store.shards[0].sync(t.Context(), true); err != nil {
		t.Fatal(err)
	}
	turn(began, "1970-01-01T03:16:40Z")
	cm = &corev1.ConfigMap{}
	if err := c.kube.Get(t.Context(), types.NamespacedName{Namespace: "home", Name: "waxwing-marks-00"}, cm); err != nil {
		t.Fatal(err)
	}
	cm.Annotations = nil
	if err := errors.Join(c.kube.Update(t.Context(), cm), c.store.shards[0].sync(t.Context(), true)); err != nil {
		t.Fatal(err)
	}
	turn(began, "1970-01-01T03:16:40Z")
	if err := c.kube.Get(t.Context(), types.NamespacedName{Namespace: "home", Name: "waxwing-marks-00"}, cm); err != nil || cm.Data["prod_a"] != markOf(first) {
		t.Errorf("%v, %v", cm.Data, err)
	}
}

// TestWhereNothingWasEverSeenNothingIsKnown has a cluster to which nothing was applied yet.
func TestWhereNothingWasEverSeenNothingIsKnown(t *testing.T) {
	c := newCounting(t)
	c.want(t, keyring.Uses{Unseen: "no GitSecret was seen in this cluster yet", Keys: map[string]keyring.KeyUses{}})
	c.note(t, "prod/deleted", needs(keyA, 70), false)
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{keyA: {Gone: 1, LastGone: time.Unix(70, 0)}}})
	c = newCounting(t, "prod/a")
	c.want(t, keyring.Uses{Unseen: "1 GitSecret was not looked at yet: prod/a", Soon: true, Keys: map[string]keyring.KeyUses{}})
	c.look(t, placed("prod/a"))
	c.want(t, keyring.Uses{Keys: map[string]keyring.KeyUses{}})
}

// TestWhatIsLookedAtSoon tells what a start has not come to yet from what stays in the way.
func TestWhatIsLookedAtSoon(t *testing.T) {
	c := newCounting(t, "prod/a")
	soon := func(want bool) {
		t.Helper()
		if got, err := c.of(t.Context(), "prod-eu"); err != nil || got.Soon != want || got.Unseen == "" {
			t.Errorf("%+v, %v", got, err)
		}
	}
	soon(true)
	c.store.shardOf("prod_c").note("prod_c", "damaged")
	soon(false)
	c = newCounting(t)
	soon(false)
}

// TestWeekendsDoNotKeepAKeyForEver has a cluster be off from Friday to Monday. The memory goes on, and begins again each time: not before some days after is a key destroyed.
func TestWeekendsDoNotKeepAKeyForEver(t *testing.T) {
	stored, now := remembering(memoryAt, memoryAt).Annotations, memoryAt
	for range 20 {
		now = now.Add(62 * time.Hour)
		r := &recollection{}
		r.found(stored, now)
		if since, again := r.from(); !since.Equal(memoryAt) || !again.Equal(now) {
			t.Fatalf("since %s, again %s", since, again)
		}
		// Another process, in the same week, and one that is told of what it has written itself.
		monday := now
		for range 2 {
			now = now.Add(48 * time.Hour)
			stored = r.annotations(now)
			r.found(stored, now)
			r = &recollection{}
			r.found(stored, now.Add(time.Minute))
			if since, again := r.from(); !since.Equal(memoryAt) || !again.Equal(monday) {
				t.Fatalf("since %s, again %s", since, again)
			}
		}
	}
	stored[annotationAgain] = "on Monday"
	r := &recollection{}
	r.found(stored, now)
	if since, _ := r.from(); !since.Equal(now) {
		t.Errorf("somebody has written in it: since %s", since)
	}
}

// TestACountSaysWhenItIsRememberedAgain has a count after a gap.
func TestACountSaysWhenItIsRememberedAgain(t *testing.T) {
	c := newCounting(t)
	c.at = memoryAt
	if err := c.kube.Create(t.Context(), remembering(memoryAt.Add(-1000*time.Hour), memoryAt.Add(-62*time.Hour))); err != nil {
		t.Fatal(err)
	}
	if got, err := c.of(t.Context(), "prod-eu"); err != nil || !got.Again.Equal(memoryAt) {
		t.Errorf("%s, %v", got.Again, err)
	}
}
