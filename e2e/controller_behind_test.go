package e2e_test

import (
	"net/http"
	"testing"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// gitSecretWatches are what the controller's cache of GitSecrets learns from.
func gitSecretWatches(r *http.Request) bool {
	return r.URL.Path == "/apis/waxwing.io/v1alpha1/gitsecrets" && r.URL.Query().Get("watch") != ""
}

// TestAStaleCacheWritesNoOldVersionOverANewOne holds that a controller that does not know of an object's new version, but sees the Secret that another has
// written from it, leaves that alone.
func TestAStaleCacheWritesNoOldVersionOverANewOne(t *testing.T) {
	w := newWorld(t)
	g := w.gate(t, gitSecretWatches)
	stale := w.controllerBehind(t, g)
	stale.ready(t)
	o := w.sealed(t, "db", "user")
	w.create(t, o)
	w.seen(t, "db")
	g.close()
	w.update(t, o, func() {
		if err := sealer().Put(&o.Spec, values("password"), []seal.Holder{w.holder(t)}); err != nil {
			t.Fatal(err)
		}
	})
	looks := stale.looks()
	w.controller(t, "--leader-elect=false")
	w.holds(t, "db", "user", "password")
	newer := w.seen(t, "db")
	until(w.ctx, t, "the one that is behind has looked again", func() bool { return stale.looks() > looks+1 })
	if s := w.seen(t, "db"); s.ResourceVersion != newer.ResourceVersion || stale.intents(t, "db") != 1 {
		t.Errorf("the Secret is at %s, it was at %s; the one that is behind has opened the object %d times", s.ResourceVersion, newer.ResourceVersion, stale.intents(t, "db"))
	}
	g.open()
	w.holds(t, "db", "user", "password")
	if s := w.seen(t, "db"); s.UID != newer.UID {
		t.Error("the Secret was made anew")
	}
}
