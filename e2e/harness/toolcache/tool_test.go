package toolcache

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTheCatalogue(t *testing.T) {
	root, err := FindRoot(".")
	if err != nil {
		t.Fatal(err)
	}
	for _, tool := range Catalogue() {
		t.Run("has a pinned module for "+tool.Name, func(t *testing.T) {
			if v, err := tool.version(root); err != nil || v == "" {
				t.Errorf("version %q, error %v", v, err)
			}
			if _, err := os.Stat(filepath.Join(root, tool.Dir, "go.sum")); err != nil {
				t.Error(err)
			}
			if tool.About == "" || tool.Cost == "" {
				t.Error("nothing to tell people who wait")
			}
		})
	}
}

func TestTheVersionOfKubernetes(t *testing.T) {
	const pkg = "k8s.io/component-base/version"
	want := "-s -w -X " + pkg + ".gitVersion=v1.37.2 -X " + pkg + ".gitMajor=1 -X " + pkg + ".gitMinor=37"
	if diff := cmp.Diff(want, kubernetesVersion("v1.37.2")); diff != "" {
		t.Error(diff)
	}
}

func TestTheRepositoryIsNotFound(t *testing.T) {
	if root, err := FindRoot(t.TempDir()); err == nil {
		t.Errorf("found %s", root)
	}
}

func TestADevelopersFlagsDoNotReachABuild(t *testing.T) {
	for cgo, want := range map[bool]string{false: "CGO_ENABLED=0", true: "CGO_ENABLED=1"} {
		got := buildEnv([]string{"HOME=/h", "GOFLAGS=-mod=vendor -race", "GOWORK=/w/go.work", "CGO_ENABLED=2"}, cgo)
		if diff := cmp.Diff([]string{"HOME=/h", "GOWORK=off", "GOFLAGS=-buildvcs=false", want}, got); diff != "" {
			t.Error(diff)
		}
	}
}
