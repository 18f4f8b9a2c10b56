package chart_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/waxwing-io/waxwing/agent/rights"
	"github.com/waxwing-io/waxwing/agent/settings"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestTheAgentReadsTheConfigurationThatTheChartWrites holds it for every set of values with an agent, and that it says what the values say.
func TestTheAgentReadsTheConfigurationThatTheChartWrites(t *testing.T) {
	h := newHelm(t, "helm", "")
	for name, s := range agentSets() {
		if _, err := settings.Parse([]byte(configOf(t, h.render(t, s.values)))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	s, err := settings.Parse([]byte(configOf(t, h.render(t, teamsOfAgent+"  proxy: http://proxy:3128\n  limits: {packMiB: 64, files: 7}\n"))))
	if err != nil {
		t.Fatal(err)
	}
	if !s.MayImpersonate(types.NamespacedName{Namespace: "team", Name: "waxwing-sync"}) || s.MayImpersonate(types.NamespacedName{Namespace: "team-web", Name: "waxwing-sync"}) {
		t.Error("it may impersonate others than the values say")
	}
	if err := s.Allow("infra", "prod-eu", "https://git.example.com/team/app"); err != nil {
		t.Error(err)
	}
	if s.Allow("infra", "other", "https://git.example.com/team/app") == nil || s.Allow("infra", "team", "https://git.example.com/") == nil {
		t.Error("credentials may be used by others, or for other addresses, than the values say")
	}
	if s.Proxy != "http://proxy:3128" || s.Limits.PackMiB != 64 || s.Limits.Files != 7 || s.InsecureHTTP {
		t.Errorf("it reads as %+v", s)
	}
}

// TestTheChartTakesTheAddressesThatTheAgentTakes holds that no value which helm takes has the agent end at its start, with a message that is in its log only.
func TestTheChartTakesTheAddressesThatTheAgentTakes(t *testing.T) {
	h := newHelm(t, "helm", "")
	taken := 0
	for _, url := range []string{
		"https://git.example.com/", "https://git.example.com", "https://git.example.com/team/infra.git", "https://git.example.com:8443/team/", "ssh://git@git.example.com/team/", "ssh://git.example.com:2222/",
		"https://10.0.0.1/", "https://[2001:db8::1]:8443/", "https://git.example.com/.hidden/..a/...", "https://bot@git.example.com/", "https://bot:canary@git.example.com/", "ssh://git:canary@git.example.com/",
		"https://git.example.com:port/", "https:///team/", "https://:443/", "https://git.example.com//team/", "https://git.example.com/a/../team/", "https://git.example.com/./team", "https://git.example.com/a/..",
		"https://git.example.com/team\\\\infra", "https://git.example.com/a%2fb", "https://git.example.com/?a", "https://git.example.com/#a", "git@git.example.com:team/", "file:///etc/",
	} {
		grant := fmt.Sprintf("credentials: [{name: a, %%surls: [\"%s\"], namespaces: [a]}]", url)
		_, stderr, code := h.try(t, "agent: {enabled: true, "+fmt.Sprintf(grant, "secretName: a, ")+"}", "template", "waxwing", chartDir, "--namespace", "waxwing-system")
		_, err := settings.Parse([]byte(fmt.Sprintf(grant, "")))
		if (code == 0) != (err == nil) {
			t.Errorf("%s: the agent says %v, and helm %d: %s", url, err, code, stderr)
		}
		if code == 0 {
			taken++
		} else if strings.Contains(stderr, "canary") {
			t.Errorf("helm repeats a password: %s", stderr)
		}
	}
	if taken != 9 {
		t.Errorf("%d addresses are taken", taken)
	}
}

func configOf(t *testing.T, r rendered) string {
	t.Helper()
	data, _ := r.only(t, "ConfigMap").Object["data"].(map[string]any)
	text, _ := data["config.yaml"].(string)
	if text == "" {
		t.Fatal("no configuration")
	}
	return text
}

// TestTheAgentActsAsItsAccountsOnly has the agent's own token impersonate, as the program does, and look at what the accounts may do, as it does before it applies.
func TestTheAgentActsAsItsAccountsOnly(t *testing.T) {
	w := installAgent(t, "actor")
	own, err := clientcmd.BuildConfigFromFlags("", w.ServiceAccountKubeconfig(t, w.namespace, w.agent().name))
	if err != nil {
		t.Fatal(err)
	}
	as := func(user string) kubernetes.Interface {
		config := rest.CopyConfig(own)
		config.Impersonate.UserName = user
		return kubernetes.NewForConfigOrDie(config)
	}
	check := func(ctx context.Context, a account, namespaces ...string) ([]string, error) {
		checker := &rights.Checker{Now: time.Now} // a new one remembers nothing
		return checker.Check(ctx, types.NamespacedName{Namespace: a.namespace, Name: a.name}, as(a.user()).AuthorizationV1(), namespaces)
	}
	sync := account{w.team, "waxwing-sync"}
	harness.Eventually(t.Context(), t, "what the chart gives is in force", func(ctx context.Context) error {
		found, err := check(ctx, sync, w.team, w.web)
		if err == nil && len(found) > 0 {
			err = harness.Permanent(fmt.Errorf("it is too much: %q", found))
		}
		return err
	})
	for _, a := range []account{{w.team, "default"}, {w.prod, "waxwing-sync"}, {w.namespace, w.name + "-waxwing-controller"}} {
		if _, err := check(t.Context(), a, w.team); !apierrors.IsForbidden(err) {
			t.Errorf("it may act as %s: %v", a.user(), err)
		}
	}
	for _, user := range []string{"system:admin", "somebody"} {
		if _, err := as(user).CoreV1().Pods(w.team).List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), "impersonate") {
			t.Errorf("it may act as %s: %v", user, err)
		}
	}
	// Somebody means it well.
	w.kubectl(t, "-n", w.web, "create", "rolebinding", "well-meant", "--clusterrole", "edit", "--serviceaccount", w.team+":waxwing-sync")
	harness.Eventually(t.Context(), t, "that is seen to be too much", func(ctx context.Context) error {
		found, err := check(ctx, sync, w.team, w.web)
		if err == nil && !slices.Contains(found, fmt.Sprintf("in namespace %s it may read Secrets", w.web)) {
			err = fmt.Errorf("it is %q", found)
		}
		return err
	})
}

// TestTheAgentComesAndGoes holds that a release without the agent has none of its rights any more, and that its audit log and what people wrote stay.
func TestTheAgentComesAndGoes(t *testing.T) {
	w := installAgent(t, "comes")
	w.ApplyYAML(t, w.team, secretSync)
	log := object("v1", "PersistentVolumeClaim", w.namespace, "audit-"+w.agent().name+"-0")
	harness.Eventually(t.Context(), t, "the pod and its volume are made", func(ctx context.Context) error {
		return w.present(ctx, t, object("v1", "Pod", w.namespace, w.agent().name+"-0"), log)
	})
	w.run(t, "", "upgrade", w.name, chartDir, "--namespace", w.namespace, "--set", "agent.enabled=false")
	harness.Eventually(t.Context(), t, "the agent is gone", func(ctx context.Context) error {
		const rbac, admission = "rbac.authorization.k8s.io/v1", "admissionregistration.k8s.io/v1"
		name := w.agent().name
		return w.absent(ctx, t, object("apps/v1", "StatefulSet", w.namespace, name), object("v1", "ConfigMap", w.namespace, name), object("v1", "ServiceAccount", w.namespace, name),
			object(rbac, "ClusterRole", "", name), object(rbac, "ClusterRoleBinding", "", name), object(rbac, "Role", w.namespace, name), object(rbac, "Role", w.team, name+"-impersonate"),
			object("v1", "ServiceAccount", w.team, "waxwing-sync"), object(rbac, "RoleBinding", w.web, w.name+"-waxwing-sync."+w.team+".waxwing-sync"), object(admission, "ValidatingAdmissionPolicy", "", name+"-guard"))
	})
	if err := w.present(t.Context(), t, log, object("waxwing.io/v1alpha1", "SecretSync", w.team, "infra")); err != nil {
		t.Error(err)
	}
	harness.Eventually(t.Context(), t, "the account's rights are gone, too", func(ctx context.Context) error {
		return w.asked(ctx, account{w.team, "waxwing-sync"}, "gitsecrets.waxwing.io", "get create patch delete", false, w.namespaces())
	})
}
