package chart_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

func TestLint(t *testing.T) {
	for _, tool := range []string{"helm", "helm3"} {
		h := newHelm(t, tool, "")
		out := h.run(t, "", "lint", "--strict", chartDir)
		if !strings.Contains(out, "0 chart(s) failed") || strings.Contains(out, "[WARNING]") {
			t.Errorf("%s lint: %s", tool, out)
		}
	}
}

func TestTemplate(t *testing.T) {
	h := newHelm(t, "helm", "")
	all := sets()
	if len(all) < 20 {
		t.Fatalf("only %d sets of values", len(all))
	}
	for name, s := range all {
		t.Run(name, func(t *testing.T) {
			r := h.render(t, s.values)
			ids := r.ids()
			has := s.has
			if !slices.Contains(s.hasNot, "StatefulSet/waxwing-controller") {
				has = append(always(), has...)
			}
			for _, id := range has {
				if !slices.Contains(ids, id) {
					t.Errorf("no %s in %s", id, ids)
				}
			}
			for _, id := range s.hasNot {
				if slices.Contains(ids, id) {
					t.Errorf("there is a %s", id)
				}
			}
			for _, text := range s.text {
				if !strings.Contains(r.text, text) {
					t.Errorf("no %q", text)
				}
			}
			for _, text := range s.noText {
				if strings.Contains(r.text, text) {
					t.Errorf("there is %q", text)
				}
			}
			if slices.Sort(ids); len(slices.Compact(slices.Clone(ids))) != len(ids) {
				t.Errorf("an object twice: %s", ids)
			}
		})
	}
}

// TestBothHelmsRenderTheSame holds that the chart has nothing in it that only the newer helm knows.
func TestBothHelmsRenderTheSame(t *testing.T) {
	helm4, helm3 := newHelm(t, "helm", ""), newHelm(t, "helm3", "")
	for _, name := range []string{"as it comes", "some namespaces", "three replicas", "an API server by address, and callers", "scraped", "an agent for two teams"} {
		values := sets()[name].values
		four, three := helm4.render(t, values), helm3.render(t, values)
		if len(four.objects) == 0 {
			t.Fatalf("%s: nothing", name)
		}
		if diff := cmp.Diff(four.objects, three.objects); diff != "" {
			t.Errorf("%s: helm 3 and 4 differ: %s", name, diff)
		}
	}
}

// TestKindsAreRenderedWhole holds that what helm makes of a CRD is what controller-gen wrote, but for labels and annotations.
func TestKindsAreRenderedWhole(t *testing.T) {
	r := newHelm(t, "helm", "").render(t, "crds: {keep: true}", "--show-only", "templates/crds.yaml")
	if len(r.objects) != 3 {
		t.Fatalf("%d kinds", len(r.objects))
	}
	for _, o := range r.objects {
		var want map[string]any
		group, plural, _ := strings.Cut(o.GetName(), ".")
		if err := yaml.Unmarshal(read(t, "charts/waxwing/files/crds/"+plural+"_"+group+".yaml"), &want); err != nil {
			t.Fatal(err)
		}
		got, err := yaml.Marshal(o.Object["spec"])
		if err != nil {
			t.Fatal(err)
		}
		wanted, err := yaml.Marshal(want["spec"])
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(wanted), string(got)); diff != "" {
			t.Errorf("%s: %s", o.GetName(), diff)
		}
	}
}

// TestBadValuesAreRefused holds that a mistake is told with the place where it is.
func TestBadValuesAreRefused(t *testing.T) {
	h := newHelm(t, "helm", "")
	for values, wants := range map[string][]string{
		"replica: 3":                                      {"additional properties 'replica' not allowed"},
		"persistence: {enable: false}":                    {"persistence", "additional properties 'enable' not allowed"},
		"replicas: two":                                   {"replicas", "got string, want integer"},
		"replicas: -1":                                    {"replicas", "minimum: got -1, want 0"},
		"logLevel: debug":                                 {"logLevel", "'DEBUG', 'INFO', 'WARN', 'ERROR'"},
		"workers: 0":                                      {"workers", "minimum: got 0, want 1"},
		"namespaces: prod":                                {"namespaces", "got string, want array"},
		"namespaces: [\"*\"]":                             {"namespaces/0", "does not match pattern"},
		"namespaces: [prod, prod]":                        {"namespaces", "items at 0 and 1 are equal"},
		"persistence: {size: big}":                        {"persistence/size", "does not match pattern"},
		"image: {digest: latest}":                         {"image/digest", "does not match pattern"},
		"image: {pullPolicy: Sometimes}":                  {"image/pullPolicy", "'Always', 'IfNotPresent', 'Never'"},
		"leaderElection: {leaseDuration: 15}":             {"leaderElection/leaseDuration", "got number, want string"},
		"extraEnv: [{name: POD_NAME}]":                    {"extraEnv/0/name", "'not' failed"},
		"vault: {ports: []}":                              {"vault/ports", "minItems: got 0, want 1"},
		"vault: {tokens: {name: a}}":                      {"vault/tokens", "'not' failed"},
		"networkPolicy: {apiServer: {cidrs: [10.0.0.1]}}": {"networkPolicy/apiServer/cidrs/0", "does not match pattern"},
		"commonLabels: {version: 1}":                      {"commonLabels/version", "got number, want string"},
		"commonLabels: {app.kubernetes.io/name: secrets}": {"commonLabels/app.kubernetes.io~1name"},
		"podLabels: {app.kubernetes.io/instance: prod}":   {"podLabels/app.kubernetes.io~1instance"},
		"fullnameOverride: " + strings.Repeat("a", 42):    {"fullnameOverride", "maxLength: got 42, want 41"},
		// What a schema cannot say, the templates do.
		"namespaces: [waxwing-system]":                               {"namespaces names waxwing-system, which is the controller's own"},
		"extraArgs: [--namespaces=prod]":                             {"extraArgs has --namespaces: set the value namespaces"},
		"extraArgs: [--vault-tokens=/tmp]":                           {"extraArgs has --vault-tokens: set the value vault.tokens"},
		"extraArgs: [--audit-log=/tmp/log]":                          {"extraArgs has --audit-log"},
		"serviceAccount: {create: false}":                            {"set serviceAccount.name to the ServiceAccount to use"},
		"metrics: {enabled: false, serviceMonitor: {enabled: true}}": {"there is nothing to scrape"},
		// The agent's.
		"agent: {enable: true}":                                                                                           {"agent", "additional properties 'enable' not allowed"},
		"agent: {accounts: [{namespace: team, name: default}]}":                                                           {"agent/accounts/0/name", "'not' failed"},
		"agent: {accounts: [{namespace: team}]}":                                                                          {"agent/accounts/0", "missing property 'name'"},
		"agent: {accounts: [{namespace: team, name: a, targets: []}]}":                                                    {"agent/accounts/0/targets", "minItems: got 0, want 1"},
		"agent: {credentials: [{name: a, urls: [\"https://a/\"], namespaces: [a]}]}":                                      {"agent/credentials/0", "missing property 'secretName'"},
		"agent: {credentials: [{name: a, secretName: a, volume: {secret: {}}, urls: [\"https://a/\"], namespaces: [a]}]}": {"agent/credentials/0", "'oneOf' failed"},
		"agent: {credentials: [{name: a, secretName: a, urls: [], namespaces: [a]}]}":                                     {"agent/credentials/0/urls", "minItems: got 0, want 1"},
		"agent: {credentials: [{name: a, secretName: a, urls: [git@a:b], namespaces: [a]}]}":                              {"agent/credentials/0/urls/0", "does not match pattern"},
		"agent: {proxy: \"http://user@proxy\"}":                                                                           {"agent/proxy", "does not match pattern"},
		"agent: {limits: {packMiB: 1073741825}}":                                                                          {"agent/limits/packMiB", "maximum: got 1.073741825"},
		"agent: {limits: {packMiB: 0}}":                                                                                   {"agent/limits/packMiB", "minimum: got 0, want 1"},
		"agent: {enabled: true, accounts: [{namespace: waxwing-system, name: a}]}":                                        {"waxwing-system/a is of waxwing-system, which is the controller's own namespace"},
		"agent: {enabled: true, accounts: [{namespace: a, name: a, targets: [waxwing-system]}]}":                          {"a/a is of waxwing-system, which is the controller's own namespace"},
		"agent: {enabled: true, accounts: [{namespace: a, name: a, targets: [b]}, {namespace: a, name: a}]}":              {"agent.accounts names a/a twice"},
		"agent: {enabled: true, namespaces: [a], accounts: [{namespace: a, name: a, targets: [b]}]}":                      {"a/a is of b, which agent.namespaces does not name"},
		"agent: {enabled: true, namespaces: [waxwing-system]}":                                                            {"agent.namespaces names waxwing-system"},
		"agent: {enabled: true, credentials: [{name: a, secretName: a, urls: [\"http://a/\"], namespaces: [a]}]}":         {"http://a/ sends all in the clear"},
		"agent: {enabled: true, proxy: \"http://proxy:port\"}":                                                            {"agent.proxy: http://proxy:port has no host, or one that is none"},
		"agent: {enabled: true, extraArgs: [--credentials=/tmp]}":                                                         {"agent.extraArgs has --credentials: set the value agent.credentials"},
		"agent: {enabled: true, extraArgs: [--audit-key=/tmp/key]}":                                                       {"agent.extraArgs has --audit-key"},
	} {
		t.Run(values, func(t *testing.T) {
			_, stderr, code := h.try(t, values, "template", "waxwing", chartDir, "--namespace", "waxwing-system")
			if code == 0 {
				t.Fatal("it is taken")
			}
			for _, want := range wants {
				if !strings.Contains(stderr, want) {
					t.Errorf("no %q in: %s", want, stderr)
				}
			}
		})
	}
}

// TestPodsOfALongNameCanBeMade holds that the label controller-revision-hash of a pod, the StatefulSet's name with a hash of up to 10 characters, is at most 63 long.
// The API server takes a longer StatefulSet, and then no pod of it.
func TestPodsOfALongNameCanBeMade(t *testing.T) {
	h := newHelm(t, "helm", "")
	for _, release := range []string{strings.Repeat("r", 53), "waxwing-" + strings.Repeat("r", 45)} {
		out := h.run(t, "", "template", release, chartDir, "--namespace", "waxwing-system", "--show-only", "templates/statefulset.yaml")
		var set struct{ Metadata struct{ Name string } }
		if err := yaml.Unmarshal([]byte(out), &set); err != nil {
			t.Fatal(err)
		}
		if n := len(set.Metadata.Name + "-1234567890"); set.Metadata.Name == "" || n > 63 {
			t.Errorf("%q and a hash are %d characters", set.Metadata.Name, n)
		}
	}
}
