package chart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestMakeManifests holds that the plain manifests are the chart's: together the same objects, the kinds apart, and nothing in them that holds keys.
func TestMakeManifests(t *testing.T) {
	dist := t.TempDir()
	harness.Run(t, harness.Command{Path: "make", Args: []string{"manifests", "DIST=" + dist, "VERSION=v1.2.3"}, Dir: root})
	kinds, rest := rendered{objects: parse(t, string(readFile(t, dist+"/crds.yaml")))}, rendered{objects: parse(t, string(readFile(t, dist+"/waxwing.yaml")))}
	if diff := cmp.Diff([]string{"CustomResourceDefinition/gitsecrets.waxwing.io", "CustomResourceDefinition/keyrings.waxwing.io", "CustomResourceDefinition/secretsyncs.waxwing.io"}, slices.Sorted(slices.Values(kinds.ids()))); diff != "" {
		t.Error(diff)
	}
	all := newHelm(t, "helm", "").render(t, "")
	if diff := cmp.Diff(slices.Sorted(slices.Values(all.ids())), slices.Sorted(slices.Values(append(kinds.ids(), rest.ids()...)))); diff != "" {
		t.Error(diff)
	}
	for _, id := range rest.ids() {
		if strings.HasPrefix(id, "CustomResourceDefinition/") || strings.HasPrefix(id, "Namespace/") {
			t.Errorf("deleting what dist/waxwing.yaml names would delete %s", id)
		}
	}
	if got := podOf(t, rest, "controller").Spec.Containers[0].Image; got != "waxwing-controller:v1.2.3" {
		t.Errorf("the image is %s", got)
	}
}

// TestTheProgramsKnowTheirFlags holds that each program takes the flags of every set of values.
func TestTheProgramsKnowTheirFlags(t *testing.T) {
	h := newHelm(t, "helm", "")
	for name, s := range sets() {
		for _, pod := range podsOf(t, h.render(t, s.values)) {
			container := pod.Spec.Containers[0]
			program := harness.BuildBinary(t, "./cmd/waxwing-"+container.Name)
			if out := harness.Run(t, harness.Command{Path: program, Args: append(slices.Clone(container.Args), "--version")}); strings.TrimSpace(out) != harness.BinaryVersion {
				t.Errorf("%s: the %s says %q", name, container.Name, out)
			}
		}
	}
}
