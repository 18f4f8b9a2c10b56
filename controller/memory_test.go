package controller

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

func object(uid, version, openedWith string) *v1alpha1.GitSecret {
	return &v1alpha1.GitSecret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "prod", Name: "db", UID: types.UID(uid), ResourceVersion: version},
		Status:     v1alpha1.GitSecretStatus{OpenedWith: openedWith},
	}
}

func TestLatestStatusIsTheNewerOfCacheAndMemory(t *testing.T) {
	for name, c := range map[string]struct {
		cached *v1alpha1.GitSecret
		want   string
	}{
		"a cache that is behind loses":           {object("u", "99", "cache"), "memory"},
		"a cache that has the write wins":        {object("u", "100", "cache"), "cache"},
		"a cache that is ahead wins":             {object("u", "101", "cache"), "cache"},
		"an object made anew has nothing of old": {object("another", "99", "cache"), "cache"},
		"a version that is no number wins":       {object("u", "x", "cache"), "cache"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(func() float64 { return 0 })
			m.wrote(object("u", "1", ""), "100", v1alpha1.GitSecretStatus{OpenedWith: "memory"})
			if got, _ := m.latest(c.cached); got.OpenedWith != c.want {
				t.Errorf("got that of the %s, want that of the %s", got.OpenedWith, c.want)
			}
		})
	}
	m := newMemory(func() float64 { return 0 })
	m.retry(keyOf(object("u", "1", "")))
	if got, _ := m.latest(object("u", "99", "cache")); got.OpenedWith != "cache" {
		t.Errorf("tries alone gave a status: %q", got.OpenedWith)
	}
	m.wrote(object("u", "1", ""), "100", v1alpha1.GitSecretStatus{OpenedWith: "memory"})
	m.forget(keyOf(object("u", "100", "")))
	if got, _ := m.latest(object("u", "99", "cache")); got.OpenedWith != "cache" {
		t.Errorf("a forgotten object is remembered: %q", got.OpenedWith)
	}
}

func TestRetriesGrowToAMinuteAndNeverEnd(t *testing.T) {
	key := types.NamespacedName{Namespace: "prod", Name: "db"}
	for jitter, want := range map[float64][]time.Duration{
		0:   {250 * time.Millisecond, 500 * time.Millisecond, time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 16 * time.Second, 30 * time.Second, 30 * time.Second},
		0.5: {375 * time.Millisecond, 750 * time.Millisecond, 1500 * time.Millisecond},
	} {
		m := newMemory(func() float64 { return jitter })
		for i, w := range want {
			if got := m.retry(key); got != w {
				t.Errorf("jitter %v, try %d: %s, want %s", jitter, i+1, got, w)
			}
		}
		for range 1000 {
			if got := m.retry(key); got <= 0 || got > lastRetry {
				t.Fatalf("it gave up: %s", got)
			}
		}
		m.succeeded(key)
		if got := m.retry(key); got != want[0] {
			t.Errorf("after a success: %s", got)
		}
	}
}

// TestMemoryGoesBackWithTheAPIServer holds that what was written before etcd was restored from a backup is not taken for the present.
func TestMemoryGoesBackWithTheAPIServer(t *testing.T) {
	for name, c := range map[string]struct {
		shown []string // versions that the cache is given before and after the write of version 100
		after []string
		want  string
	}{
		"the write comes":                         {[]string{"90"}, []string{"100"}, "cache"},
		"a change from before the write comes":    {[]string{"90"}, []string{"95"}, "memory"},
		"the write was shown and is gone":         {[]string{"90"}, []string{"100", "80"}, "cache"},
		"the write was not shown and is gone":     {[]string{"90"}, []string{"80"}, "cache"},
		"a list brings the version before it":     {[]string{"90"}, []string{"90"}, "cache"},
		"nothing is shown":                        {[]string{"90"}, nil, "memory"},
		"the write was shown before it was noted": {[]string{"90", "100"}, nil, "cache"},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(func() float64 { return 0 })
			version := ""
			show := func(versions []string) {
				for _, v := range versions {
					m.shown(object("u", v, "cache"))
					version = v
				}
			}
			show(c.shown)
			m.wrote(object("u", "90", ""), "100", v1alpha1.GitSecretStatus{OpenedWith: "memory"})
			show(c.after)
			if got, _ := m.latest(object("u", version, "cache")); got.OpenedWith != c.want {
				t.Errorf("got that of the %s, want that of the %s", got.OpenedWith, c.want)
			}
		})
	}
}

func TestNothingIsLookedAtTwice(t *testing.T) {
	ring := &keyring.Ring{}
	input := func(change func(*unseal.Input)) *unseal.Input {
		in := &unseal.Input{Object: object("u", "100", ""), Ring: ring, Secret: &metav1.ObjectMeta{UID: "s", ResourceVersion: "50"}}
		in.Object.Generation = 3
		change(in)
		return in
	}
	none := func(*unseal.Input) {}
	for name, c := range map[string]struct {
		out          unseal.Outcome
		after        time.Duration
		change       func(*unseal.Input)
		again, quiet bool
	}{
		"nothing has changed":            {unseal.Outcome{Reason: unseal.Tampered}, 0, none, false, true},
		"only the status has":            {unseal.Outcome{Reason: unseal.Tampered}, 0, func(in *unseal.Input) { in.Object.ResourceVersion = "101" }, false, true},
		"somebody else's annotation":     {unseal.Outcome{Reason: unseal.Tampered}, 0, func(in *unseal.Input) { in.Object.Annotations = map[string]string{"a": "b"} }, false, true},
		"an annotation of ours":          {unseal.Outcome{Reason: unseal.Tampered}, 0, func(in *unseal.Input) { in.Object.Annotations = map[string]string{"waxwing.io/a": "b"} }, false, false},
		"the spec":                       {unseal.Outcome{Reason: unseal.Tampered}, 0, func(in *unseal.Input) { in.Object.Generation++ }, false, false},
		"another object of the name":     {unseal.Outcome{Reason: unseal.Tampered}, 0, func(in *unseal.Input) { in.Object.UID = "v" }, false, false},
		"the keys":                       {unseal.Outcome{Reason: unseal.NoMatchingKey}, 0, func(in *unseal.Input) { in.Ring = &keyring.Ring{} }, false, false},
		"the Secret":                     {unseal.Outcome{Reason: unseal.TargetConflict}, 0, func(in *unseal.Input) { in.Secret.ResourceVersion = "51" }, false, false},
		"the Secret is gone":             {unseal.Outcome{Reason: unseal.TargetConflict}, 0, func(in *unseal.Input) { in.Secret = nil }, false, false},
		"the namespace is being deleted": {unseal.Outcome{Reason: unseal.Tampered}, 0, func(in *unseal.Input) { in.NamespaceTerminating = true }, false, false},
		"it is retried for its keys":     {unseal.Outcome{Reason: unseal.KeySourceUnavailable}, 0, none, true, true},
		"it is retried for the API":      {unseal.Outcome{Reason: unseal.ApplyFailed}, 0, none, false, false},
		"a date is waited for":           {unseal.Outcome{Reason: unseal.PolicyDenied}, time.Hour, none, false, false},
		"the cache has no write of ours yet": {
			unseal.Outcome{Reason: unseal.Unsealed, Secret: &v1alpha1.SecretRef{UID: "s", ResourceVersion: "60"}}, 0, none, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMemory(func() float64 { return 0 })
			m.looked(input(none), c.out, c.after)
			if again, quiet := m.quiet(input(c.change)); again != c.again || quiet != c.quiet {
				t.Errorf("quiet %t, tried again %t", quiet, again)
			}
		})
	}
}

func TestAStatusThatWasRefusedForItsSizeIsRemembered(t *testing.T) {
	m := newMemory(func() float64 { return 0 })
	o := object("u", "100", "")
	if m.hasNoRoom(o) {
		t.Error("nothing was refused yet")
	}
	if m.noRoom(o) {
		t.Error("it was known before the first time")
	}
	if !m.hasNoRoom(o) || !m.noRoom(o) {
		t.Error("it is not remembered")
	}
	if m.hasNoRoom(object("u", "101", "")) {
		t.Error("another version of the object has no room either")
	}
}

// TestALookThatIsNotKeptEndsTheOneBefore holds that an object that is as it was two looks ago is looked at again where the last look's outcome was another one,
// as when an annotation is set and taken off while marks cannot be written: its status would speak of the annotation for ever.
func TestALookThatIsNotKeptEndsTheOneBefore(t *testing.T) {
	m := newMemory(func() float64 { return 0 })
	before := &unseal.Input{Object: object("u", "100", "")}
	with := &unseal.Input{Object: object("u", "101", "")}
	with.Object.Annotations = map[string]string{"waxwing.io/rollback-from": "x"}
	m.looked(before, unseal.Outcome{Reason: unseal.RollbackDenied}, 0)
	m.looked(with, unseal.Outcome{Reason: unseal.Pending}, 0)
	if _, quiet := m.quiet(before); quiet {
		t.Error("the object is not looked at again")
	}
}

func TestOnlyOwnWritesOfASecretArePassedOver(t *testing.T) {
	m := newMemory(func() float64 { return 0 })
	o := whole(1, "10")
	passed := func(uid types.UID, version string) bool { return m.wroteSecret(keyOf(o), uid, version) }
	m.shown(o)
	if passed("s", "20") {
		t.Error("a Secret that was never written is passed over")
	}
	m.writing(o, "s", "20")
	if !passed("s", "20") || passed("s", "21") || passed("other", "20") {
		t.Error("it is not exactly the version that was written which is passed over before the look is over")
	}
	m.looked(&unseal.Input{Object: o}, unseal.Outcome{Reason: unseal.Unsealed, Secret: &v1alpha1.SecretRef{UID: "s", ResourceVersion: "20"}}, 0)
	m.lookAgain(keyOf(o))
	if !passed("s", "20") {
		t.Error("an own write is news because the object is to be looked at again")
	}
	m.doubt(keyOf(o))
	if passed("s", "20") {
		t.Error("what the API server has gone back behind is passed over")
	}
	m.writing(o, "s", "30")
	again := whole(1, "40")
	again.UID = "another"
	if m.shown(again); passed("s", "30") {
		t.Error("the Secret of an object that is gone is passed over")
	}
}
