package bench_test

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/live"
	agentsync "github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// syncAccount is the rights of an account that GitSecrets are applied as, and of the agent to be it.
const syncAccount = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: waxwing-sync, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: waxwing-sync, namespace: %[1]s}
rules:
- {apiGroups: [waxwing.io], resources: [gitsecrets], verbs: [get, create, patch, delete]}
- {apiGroups: [""], resources: [serviceaccounts], resourceNames: [waxwing-sync], verbs: [impersonate]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: waxwing-sync, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: waxwing-sync}
subjects: [{kind: ServiceAccount, name: waxwing-sync, namespace: %[1]s}, {kind: ServiceAccount, name: bench-agent, namespace: %[2]s}]
`

// inGit is what Git has, in memory.
type inGit map[types.NamespacedName]*v1alpha1.GitSecret

func (g inGit) Manifest(_ context.Context, o desired.Object) (*v1alpha1.GitSecret, error) {
	return g[o.Key], nil
}

func (g inGit) set() *desired.Set {
	s := &desired.Set{}
	for key, o := range g {
		digest, spec := agentsync.Digests(o.Labels, o.Annotations, &o.Spec)
		s.Objects = append(s.Objects, desired.Object{Key: key, Path: key.Name + ".yaml", Document: 1, Digest: digest, SpecDigest: spec})
	}
	slices.SortFunc(s.Objects, func(a, b desired.Object) int { return cmp.Compare(a.Key.Name, b.Key.Name) })
	return s
}

// unrecorded is no audit log: what one costs is measured by itself.
type unrecorded struct{}

func (unrecorded) Intent(context.Context, audit.Action, []types.NamespacedName) (string, error) {
	return "id", nil
}
func (unrecorded) Outcome(context.Context, string, []agentsync.Result) error { return nil }

// BenchmarkAgentApply applies objects to an empty cluster, and the same number with a plain client that does a server-side apply of each.
func BenchmarkAgentApply(b *testing.B) {
	c := harness.Start(b)
	c.InstallWaxwing(b)
	w := &coldWorld{Cluster: c, kube: c.Client(b, v1alpha1.AddToScheme)}
	holders := []seal.Holder{breakGlass(b)}
	var rows []row
	for _, n := range sizes() {
		ns := c.Namespace(b)
		c.ApplyYAML(b, "", fmt.Sprintf(syncAccount, ns, home))
		agent := c.ServiceAccountConfig(b, home, "bench-agent")
		plain := c.ServiceAccountConfig(b, ns, "waxwing-sync")
		var ours, theirs time.Duration
		const rounds = 4 // in turn, so that what else the machine does meets both
		for round := range rounds {
			theirs += applyPlain(b, plain, objectsOf(b, holders, ns, "plain"+strconv.Itoa(round), n/rounds))
			ours += applyAgent(b, agent, ns, objectsOf(b, holders, ns, "agent"+strconv.Itoa(round), n/rounds))
		}
		w.removeAll(b, ns) // or the next benchmark's controller has them to look at
		rows = append(rows, row{what: fmt.Sprintf("apply %d objects", n), ours: ours, baseline: "a server-side apply of each, 16 at a time", theirs: theirs})
	}
	report(b, "The agent's first apply (aim: a ratio of 0.7)", rows...)
}

func objectsOf(b *testing.B, holders []seal.Holder, ns, prefix string, n int) inGit {
	b.Helper()
	all := make([]*v1alpha1.GitSecret, n)
	parallel(b, n, func(_ context.Context, i int) error {
		name := prefix + "-" + objectName(i)
		spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: ns, Name: name}, fiveValues(), holders)
		if err == nil {
			all[i] = &v1alpha1.GitSecret{
				TypeMeta: metav1.TypeMeta{APIVersion: seal.APIVersion, Kind: seal.Kind}, ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: *spec,
			}
		}
		return err
	})
	g := inGit{}
	for _, o := range all {
		g[client.ObjectKeyFromObject(o)] = o
	}
	return g
}

func applyPlain(b *testing.B, config *rest.Config, g inGit) time.Duration {
	b.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		b.Fatal(err)
	}
	kube, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		b.Fatal(err)
	}
	var all []*v1alpha1.GitSecret
	for _, o := range g {
		all = append(all, o)
	}
	start := time.Now()
	parallel(b, len(all), func(ctx context.Context, i int) error {
		o := all[i]
		body, err := json.Marshal(map[string]any{"apiVersion": o.APIVersion, "kind": o.Kind, "metadata": map[string]string{"namespace": o.Namespace, "name": o.Name}, "spec": o.Spec})
		if err != nil {
			return err
		}
		return kube.Patch(ctx, o, client.RawPatch(types.ApplyPatchType, body), client.ForceOwnership, client.FieldOwner("bench-plain"))
	})
	return time.Since(start)
}

func applyAgent(b *testing.B, config *rest.Config, ns string, g inGit) time.Duration {
	b.Helper()
	accounts, err := agentsync.NewAccounts(config)
	if err != nil {
		b.Fatal(err)
	}
	as, err := accounts.Of(types.NamespacedName{Namespace: ns, Name: "waxwing-sync"})
	if err != nil {
		b.Fatal(err)
	}
	store := live.NewStore(nil, func(live.Change) {}, time.Now)
	memory := &agentsync.Memory{}
	actor := agentsync.Actor{
		Writer: agentsync.Writer{Sync: ns + "/bench", Account: as}, Manifests: g, Records: unrecorded{}, Noted: store, Memory: memory, Workers: coldWorkers, Now: time.Now,
	}
	set := g.set()
	start := time.Now()
	p := memory.Decide(agentsync.Input{Sync: ns + "/bench", Set: set, Fetched: start, Cluster: store, Now: start})
	results, err := actor.Carry(b.Context(), p)
	took := time.Since(start)
	if err != nil || len(results) != len(g) {
		b.Fatalf("%d results, %v", len(results), err)
	}
	for _, r := range results {
		if r.Failure != nil {
			b.Fatal(r.Failure)
		}
	}
	return took
}
