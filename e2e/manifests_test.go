package e2e_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestManifestsOfTheController holds that the StatefulSet that ships is accepted under Pod Security "restricted", and that the program knows its flags.
func TestManifestsOfTheController(t *testing.T) {
	w := newWorld(t)
	made := w.ApplyDir(t, "", "../config/manager")
	t.Cleanup(func() {
		for _, o := range made {
			_ = w.Delete(context.WithoutCancel(w.ctx), o, client.PropagationPolicy("Background"))
		}
	})
	pod := &corev1.Pod{}
	harness.Eventually(w.ctx, t, "the pod is made", func(ctx context.Context) error {
		return w.Get(ctx, types.NamespacedName{Namespace: home, Name: "waxwing-controller-0"}, pod)
	})
	set := &appsv1.StatefulSet{}
	if err := w.Get(w.ctx, types.NamespacedName{Namespace: home, Name: "waxwing-controller"}, set); err != nil {
		t.Fatal(err)
	}
	args := append(set.Spec.Template.Spec.Containers[0].Args, "--version")
	out := harness.Run(t, harness.Command{Path: harness.BuildBinary(t, "./cmd/waxwing-controller"), Args: args})
	if strings.TrimSpace(out) != harness.BinaryVersion {
		t.Errorf("the program says %q", out)
	}
	if pod.Spec.ServiceAccountName != account {
		t.Errorf("it runs as %s", pod.Spec.ServiceAccountName)
	}
}

// TestRightsAreNamedAndExplained holds that no rule has a wildcard and that each has a comment that names the code that needs it.
func TestRightsAreNamedAndExplained(t *testing.T) {
	files, err := filepath.Glob("../config/rbac/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rights: %v", err)
	}
	named := regexp.MustCompile(`(controller|keyring)/[a-z_/]+(\.go)?`)
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "*") {
			t.Errorf("%s has a wildcard", file)
		}
		comment := ""
		for line := range strings.Lines(string(b)) {
			text := strings.TrimSpace(line)
			switch {
			case strings.HasPrefix(text, "#"):
				comment += text
			case strings.HasPrefix(text, "- apiGroups:"):
				paths := named.FindAllString(comment, -1)
				if len(paths) == 0 {
					t.Errorf("%s: a rule without a comment that names its code: %s", file, text)
				}
				for _, p := range paths {
					if _, err := os.Stat(filepath.Join("..", p)); err != nil {
						t.Errorf("%s names %s: %v", file, p, err)
					}
				}
			case !strings.HasPrefix(text, "resources:") && !strings.HasPrefix(text, "verbs:"):
				comment = ""
			}
			if strings.HasPrefix(text, "verbs:") {
				comment = ""
			}
		}
	}
}
