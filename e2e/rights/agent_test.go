package rights_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/githttp"
)

const (
	agentAccount = "waxwing-agent"
	agentUser    = "system:serviceaccount:" + home + ":" + agentAccount
	syncAccount  = "waxwing-sync"
)

// followed is a world with an agent that follows a repository into a namespace.
type followed struct {
	*world
	namespace string
	values    []string // of the chart
	repo      *githttp.Repo
	audit     string // address of the agent's audit log
}

// agentRight is one verb on one resource, of the agent itself or of the account that it applies as.
type agentRight struct {
	right
	as bool
}

func (r agentRight) String() string {
	if r.as {
		return r.verb + " " + r.resource + ", as the account"
	}
	return r.right.String()
}

// usedBy says whether a request was answered because of r.
func (r agentRight) usedBy(req harness.APIRequest, namespace string) bool {
	if r.verb == "impersonate" {
		return req.User == agentUser && req.As == "system:serviceaccount:"+namespace+":"+syncAccount
	}
	// The rights of usedBy are the controller's.
	if req.User != agentUser || (req.As != "") != r.as {
		return false
	}
	req.User = user
	return r.right.usedBy(req)
}

// agentRights are all that the chart gives the agent, and the account.
func agentRights(t *testing.T, values []string) []agentRight {
	t.Helper()
	g := grants{cluster: &rbacv1.ClusterRole{}, home: &rbacv1.Role{}}
	as := grants{cluster: &rbacv1.ClusterRole{}, home: &rbacv1.Role{}}
	into := map[string]any{
		"ClusterRole/waxwing-agent": g.cluster, "Role/waxwing-agent": g.home, "ClusterRole/waxwing-sync": as.cluster, "Role/waxwing-agent-impersonate": &rbacv1.Role{},
	}
	for _, o := range harness.RenderWaxwing(t, values...) {
		if role, ok := into[o.GetKind()+"/"+o.GetName()]; ok {
			if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(o.Object, role, true); err != nil {
				t.Fatal(err)
			}
		}
	}
	all := []agentRight{{right: right{resource: "serviceaccounts", verb: "impersonate"}}}
	for _, r := range g.rights(t) {
		all = append(all, agentRight{right: r})
	}
	for _, r := range as.rights(t) {
		all = append(all, agentRight{right: r, as: true})
	}
	return all
}

// TestTheAgentUsesEachOfItsRightsAndNeedsNoOther has an agent do everything that it ever does.
func TestTheAgentUsesEachOfItsRightsAndNeedsNoOther(t *testing.T) {
	f := &followed{world: newWorld(t)}
	f.namespace = f.Namespace(t)
	f.values = []string{values, "agent.enabled=true", "agent.accounts[0].namespace=" + f.namespace, "agent.accounts[0].name=" + syncAccount}
	f.InstallWaxwing(t, f.values...)
	f.repo = githttp.Start(t, githttp.Options{}).Repo(t, "infra")
	requests := f.APILog(t)
	f.controller(t)
	f.recipients(t)
	f.agent(t)
	f.push(t, 0)
	f.follow(t)
	f.rival(t)
	unused, calls := agentRights(t, f.values), 0
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute) // pruning alone takes half a minute
	defer cancel()
	harness.Eventually(ctx, t, "every right has been used", func(ctx context.Context) error {
		if calls++; calls%every == 1 {
			if err := f.poke(ctx, t, calls); err != nil {
				return harness.Permanent(err)
			}
		}
		seen, err := requests.Next()
		if err != nil {
			return harness.Permanent(err)
		}
		for _, req := range seen {
			if req.User == agentUser && req.Refused() {
				return harness.Permanent(fmt.Errorf("the agent (as %q) asked for what it may not: %s", req.As, req.Message))
			}
			unused = slices.DeleteFunc(unused, func(r agentRight) bool { return r.usedBy(req, f.namespace) })
		}
		if len(unused) > 0 {
			return fmt.Errorf("not used: %v", unused)
		}
		return nil
	})
}

// agent runs the program with the rights that the chart gives it.
func (f *followed) agent(t *testing.T) {
	t.Helper()
	f.audit = harness.FreeAddress(t)
	dir := t.TempDir()
	config := "insecureHTTP: true\nimpersonate: [{namespace: " + f.namespace + ", serviceAccount: " + syncAccount + "}]\n"
	if err := os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	harness.StartProcess(t, harness.Command{
		Path: harness.BuildBinary(t, "./cmd/waxwing-agent"),
		Args: []string{
			"--kubeconfig", f.ServiceAccountKubeconfig(t, home, agentAccount), "--namespace", home, "--replica", f.AgentReplica(t), "--config", filepath.Join(dir, "config.yaml"),
			"--cache", filepath.Join(dir, "cache"), "--audit-log", filepath.Join(dir, "audit"), "--audit-bind-address", f.audit,
			"--metrics-bind-address", "0", "--health-bind-address", "0", "--hook-bind-address", "0",
			"--leader-elect-lease-duration", "30s", "--leader-elect-renew-deadline", "25s", "--leader-elect-retry-period", "500ms", // a busy machine ends no term
		},
	})
}

// push commits two sealed objects: one that is sealed anew each time, and one with a name of its own each time, so that the one before has gone from Git.
func (f *followed) push(t *testing.T, n int) {
	t.Helper()
	f.repo.Git("rm", "-rq", "--ignore-unmatch", "secrets")
	files := map[string]string{}
	for _, name := range []string{"stays", fmt.Sprintf("goes-%d", n)} {
		o := f.sealed(t, f.namespace, name)
		o.APIVersion, o.Kind = v1alpha1.GroupVersion().String(), "GitSecret"
		raw, err := yaml.Marshal(map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]string{"name": name, "namespace": f.namespace}, "spec": o.Spec})
		if err != nil {
			t.Fatal(err)
		}
		files["secrets/"+name+".yaml"] = string(raw)
	}
	f.repo.Write(files)
	f.repo.Commit(fmt.Sprintf("chore: commit %d", n))
	f.repo.Push("HEAD:main")
}

// follow makes the SecretSync.
func (f *followed) follow(t *testing.T) {
	t.Helper()
	percent := int32(100)
	o := &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "infra"}, Spec: v1alpha1.SecretSyncSpec{
		Source:             v1alpha1.SyncSource{URL: f.repo.URL, Branch: "main", Path: "secrets", Interval: &metav1.Duration{Duration: 10 * time.Second}},
		ServiceAccountName: syncAccount, Prune: &v1alpha1.SyncPrune{MaxPercent: &percent}, DeletionPolicy: v1alpha1.DeletionDelete,
		WriteBack: &v1alpha1.WriteBack{Strategy: v1alpha1.WriteBranch, Checkpoints: "audit"},
	}}
	if err := f.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
}

// rival changes what the agent applies all the time, in a part that is not the agent's: what it writes over is newer than what it has seen.
func (f *followed) rival(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for n := 0; ctx.Err() == nil; n++ {
			o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "stays"}}
			change := fmt.Sprintf(`{"metadata": {"annotations": {"example.com/rival": "%d"}}}`, n)
			_ = f.Patch(ctx, o, client.RawPatch(types.MergePatchType, []byte(change)), client.FieldOwner("rival")) // it may not be there yet
			select {
			case <-ctx.Done():
			case <-time.After(30 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
}

// poke gives the agent one more reason for everything that it ever does.
func (f *followed) poke(ctx context.Context, t *testing.T, n int) error {
	if n > 1 { // the first commit is there
		f.push(t, n)
	}
	// Somebody else changes what it applies, while it does: it has to look at it again.
	drift := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "stays"}}
	change := fmt.Sprintf(`{"spec": {"suspend": %t}}`, n%(2*every) == 1)
	if err := f.Patch(ctx, drift, client.RawPatch(types.MergePatchType, []byte(change)), client.FieldOwner("somebody")); client.IgnoreNotFound(err) != nil {
		return err
	}
	now := &v1alpha1.SecretSync{ObjectMeta: metav1.ObjectMeta{Namespace: f.namespace, Name: "infra"}}
	ask := fmt.Sprintf(`{"metadata": {"annotations": {%q: "%d"}}}`, v1alpha1.AnnotationSyncNow, n)
	if err := f.Patch(ctx, now, client.RawPatch(types.MergePatchType, []byte(ask))); err != nil {
		return err
	}
	ring := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	renew := fmt.Sprintf(`{"spec": {"rotation": {"renewBefore": %q}}}`, time.Now().UTC().Format(time.RFC3339))
	if err := f.Patch(ctx, ring, client.RawPatch(types.MergePatchType, []byte(renew))); err != nil {
		return err
	}
	// Its audit log is asked for by somebody whom it does not know yet.
	token, err := f.Clientset().CoreV1().ServiceAccounts(home).CreateToken(ctx, agentAccount, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	return askForLog(ctx, f.audit, strings.TrimSpace(token.Status.Token))
}
