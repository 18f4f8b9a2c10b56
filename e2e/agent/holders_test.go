package agent_test

import (
	"slices"
	"testing"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// TestARotationLeavesTheWrapsOfOtherHoldersAlone has files that are sealed for two keyrings, as for two clusters. Each rotates: what the agent makes of the files differs in the wraps
// of that keyring alone, and those of the other one are the same, byte for byte.
func TestARotationLeavesTheWrapsOfOtherHoldersAlone(t *testing.T) {
	g := &golden{
		world: newWorld(t), objects: []string{"api", "db", "web"},
		way: way{strategy: v1alpha1.WritePush, credentials: func(w *world) map[string]string { return w.token("sync") }},
	}
	east, west := g.keyring, "west-"+g.keyring
	g.keyring = west
	g.makeKeyring()
	g.keyring = east
	g.begin(west)
	g.pushed()
	g.turned(east, west)
	g.turned(west, east)
	g.told()
}

// turned has one keyring rotate, and the other's wraps stay.
func (g *golden) turned(keyring, other string) {
	g.t.Helper()
	files := []string{".seal/" + other + ".note", "prod/db.yaml", "prod/late.yaml", "prod/shop/both.yaml"}
	kept := func(file string) []string {
		text := g.clone.Read(file)
		if file == files[0] {
			return []string{text}
		}
		return wrapsOf(text, other)
	}
	before := map[string][]string{}
	for _, file := range files {
		if before[file] = kept(file); len(before[file]) == 0 {
			g.t.Fatalf("%s has no wraps of %s", file, other)
		}
	}
	g.keyring = keyring
	g.old = g.active().ID
	g.rotated()
	g.rewrapped()
	for _, file := range files {
		if !slices.Equal(before[file], kept(file)) {
			g.t.Errorf("what %s has of %s is not as it was", file, other)
		}
	}
	g.unneeded()
	g.before = g.repo.Head("main")
}
