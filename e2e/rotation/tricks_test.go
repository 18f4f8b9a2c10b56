package rotation_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestAGitWriterBringsNoNeededKeyToItsEnd does with files what somebody may do who can write to Git: after each of it the key that is still needed is destroyed neither by itself,
// although destroyAfter is over, nor when somebody asks for it.
func TestAGitWriterBringsNoNeededKeyToItsEnd(t *testing.T) {
	g := &golden{world: newWorld(t), source: sources()[0], objects: []string{"api", "db"}}
	g.begin()
	g.rotate()
	g.offered(g.objects...)
	old := g.read(filepath.Join(g.repo, "db.yaml"))

	// The new key is claimed over a wrap that is not for it.
	g.write("db.yaml", strings.ReplaceAll(old, g.first, g.next))
	g.apply("db.yaml")
	g.comesTo("db", unseal.Tampered)
	g.neededFor("db")

	// The object goes, and comes back as it was.
	g.run(g.kubectl, "delete", "-n", g.namespace, "gitsecret", "api", "--wait")
	g.refused(1, "keys", "destroy", g.first, "--keyring", g.keyring, "--yes")
	g.apply("api.yaml")
	g.comesTo("api", unseal.Unsealed)
	g.neededFor("api")

	// What was rewrapped, and opened with the new key, is put back.
	g.write("db.yaml", old)
	g.apply("db.yaml")
	g.comesTo("db", unseal.Unsealed)
	g.offered(g.objects...)
	g.seal("rewrap", ".")
	for _, name := range g.objects {
		g.apply(name + ".yaml")
		g.openedWithNext(name)
	}
	g.write("db.yaml", old)
	g.apply("db.yaml")
	g.comesTo("db", unseal.Unsealed)
	g.neededFor("db")

	// The time is over, and whoever looks counts. It was not set before: for a moment above, nothing needed the key.
	g.setRotation(func(r *v1alpha1.Rotation) { r.DestroyAfter = &metav1.Duration{Duration: time.Minute} })
	since, set := g.key(g.first).Since, time.Now()
	g.eventually("the key is as old as destroyAfter says, and was counted after that", func(ctx context.Context) error {
		k := g.key(g.first)
		if k.State != "Deactivated" {
			t.Fatalf("the key is %s", k.State)
		}
		if k.Uses == nil || k.Uses.Counted.Sub(since.Time) < time.Minute+5*time.Second || !k.Uses.Counted.After(set) {
			return errors.Join(fmt.Errorf("counted is %+v", k.Uses), g.nudge(ctx))
		}
		return nil
	})
	g.neededFor("db")

	g.madeAnew()
	g.neededFor("db")

	g.offered("db")
	g.seal("rewrap", ".")
	g.apply("db.yaml")
	g.openedWithNext("db")
	g.eventually("the key goes by itself when nobody needs it", func(ctx context.Context) error {
		if k := g.key(g.first); k.State != "Destroyed" {
			return errors.Join(fmt.Errorf("it is %s, its uses are %+v", k.State, k.Uses), g.nudge(ctx))
		}
		return nil
	})
	for _, name := range g.objects {
		g.comesTo(name, unseal.Unsealed)
		g.secret(name)
	}
}

// madeAnew has the cluster lose its objects and what was remembered of them, beside keys that were kept: the first key is older than destroyAfter, and nothing needs it before Git is
// applied.
func (g *golden) madeAnew() {
	g.t.Helper()
	g.process.Signal(g.t, os.Interrupt)
	g.process.Wait(g.t)
	for _, name := range g.objects {
		g.run(g.kubectl, "delete", "-n", g.namespace, "gitsecret", name, "--wait")
	}
	g.run(g.kubectl, "delete", "-n", home, "configmaps", "-l", "waxwing.io/marks=true", "--wait")
	g.process = g.controller()
	g.uses(g.first, "none", func(u *v1alpha1.KeyUses) bool { return u.Objects == 0 && u.Gone == 0 })
	if k := g.key(g.first); k.State != "Deactivated" {
		g.t.Fatalf("the first key is %s", k.State)
	}
	for _, name := range g.objects {
		g.apply(name + ".yaml")
		g.comesTo(name, unseal.Unsealed)
	}
}

// neededFor holds that the first key is not destroyed when that is asked for, because an object needs it.
func (g *golden) neededFor(name string) {
	g.t.Helper()
	if said := g.refused(1, "keys", "destroy", g.first, "--keyring", g.keyring, "--yes"); !strings.Contains(said, g.namespace+"/"+name) {
		g.t.Errorf("it does not name %s: %s", name, said)
	}
	if state := g.key(g.first).State; state != "Deactivated" {
		g.t.Fatalf("the first key is %s", state)
	}
}

// setRotation changes spec.rotation of the keyring.
func (g *golden) setRotation(change func(*v1alpha1.Rotation)) {
	g.t.Helper()
	g.eventually("changing the keyring", func(ctx context.Context) error {
		kr, err := g.look(ctx)
		if err != nil {
			return err
		}
		if kr.Spec.Rotation == nil {
			kr.Spec.Rotation = &v1alpha1.Rotation{}
		}
		change(kr.Spec.Rotation)
		return g.Update(ctx, kr)
	})
}
