package agentsync_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/agent/desired"
	"github.com/waxwing-io/waxwing/agent/sync"
	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// rightsOfATeam are those of one team: an account that may apply in its target namespace, and the agent's right to be that account.
const rightsOfATeam = `
apiVersion: v1
kind: ServiceAccount
metadata: {name: waxwing-sync, namespace: %[1]s}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: waxwing-sync, namespace: %[2]s}
rules: [{apiGroups: [waxwing.io], resources: [gitsecrets], verbs: [get, create, patch, delete]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: waxwing-sync, namespace: %[2]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: waxwing-sync}
subjects: [{kind: ServiceAccount, name: waxwing-sync, namespace: %[1]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: waxwing-agent-impersonate, namespace: %[1]s}
rules: [{apiGroups: [""], resources: [serviceaccounts], resourceNames: [waxwing-sync], verbs: [impersonate]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: waxwing-agent-impersonate, namespace: %[1]s}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: waxwing-agent-impersonate}
subjects: [{kind: ServiceAccount, name: test-agent, namespace: %[3]s}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: test-agent}
rules: [{apiGroups: [waxwing.io], resources: [gitsecrets], verbs: [get, list, watch]}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: test-agent}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: test-agent}
subjects: [{kind: ServiceAccount, name: test-agent, namespace: %[3]s}]
`

// world is a cluster with one team, whose SecretSync is TEAM/infra, and the agent as the clients that it has.
type world struct {
	*harness.Cluster
	client.Client // the administrator's
	team, prod    string
	accounts      *sync.Accounts
	account       *sync.Account
	writer        sync.Writer
	holder        seal.Holder
}

func newWorld(t *testing.T) *world {
	t.Helper()
	c := harness.Start(t)
	c.InstallWaxwing(t)
	w := &world{Cluster: c, Client: c.Client(t, v1alpha1.AddToScheme), team: c.Namespace(t), prod: c.Namespace(t)}
	c.ApplyYAML(t, "", fmt.Sprintf(rightsOfATeam, w.team, w.prod, harness.WaxwingNamespace))
	accounts, err := sync.NewAccounts(c.ServiceAccountConfig(t, harness.WaxwingNamespace, "test-agent"))
	if err != nil {
		t.Fatal(err)
	}
	w.accounts = accounts
	if w.account, err = accounts.Of(types.NamespacedName{Namespace: w.team, Name: "waxwing-sync"}); err != nil {
		t.Fatal(err)
	}
	w.writer = sync.Writer{Sync: w.team + "/infra", Account: w.account}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r, err := seal.ParseRecipient(id.Recipient().String())
	if err != nil {
		t.Fatal(err)
	}
	w.holder = seal.Holder{Name: "prod", Recipients: []seal.Recipient{r}}
	// Rights take a moment to be known.
	harness.Eventually(t.Context(), t, "the account may read", func(ctx context.Context) error {
		err := w.writer.Delete(ctx, sync.Delete{Key: w.key("nothing"), Live: sync.Live{Sync: w.writer.Sync, UID: "u", ResourceVersion: "1"}})
		return err
	})
	return w
}

func (w *world) key(name string) types.NamespacedName {
	return types.NamespacedName{Namespace: w.prod, Name: name}
}

// manifest is what Git has of an object.
func (w *world) manifest(t testing.TB, name string, change ...func(*v1alpha1.GitSecret)) *v1alpha1.GitSecret {
	t.Helper()
	spec, err := seal.Sealer{Rand: rand.Reader, Now: time.Now}.Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.prod, Name: name},
		seal.Values{"user": seal.NewValue([]byte("value-of-a-test"))}, []seal.Holder{w.holder})
	if err != nil {
		t.Fatal(err)
	}
	o := &v1alpha1.GitSecret{ObjectMeta: metav1.ObjectMeta{
		Namespace: w.prod, Name: name, Labels: map[string]string{"app": "db"}, Annotations: map[string]string{"example.com/note": "of Git"},
	}, Spec: *spec}
	for _, c := range change {
		c(o)
	}
	return o
}

// object is the manifest as package desired gives it.
func object(o *v1alpha1.GitSecret) desired.Object {
	digest, spec := sync.Digests(o.Labels, o.Annotations, &o.Spec)
	return desired.Object{Key: client.ObjectKeyFromObject(o), Path: o.Name + ".yaml", Document: 1, Digest: digest, SpecDigest: spec}
}

// live is the object as it is in the cluster.
func (w *world) live(t testing.TB, name string) (*v1alpha1.GitSecret, *sync.Live) {
	t.Helper()
	o := &v1alpha1.GitSecret{}
	if err := w.Get(t.Context(), w.key(name), o); err != nil {
		t.Fatal(err)
	}
	l := sync.Seen(o)
	return o, &l
}

// applied applies a manifest over what is there, and holds that it is then as Git has it.
func (w *world) applied(t testing.TB, o *v1alpha1.GitSecret, seen *sync.Live) sync.Live {
	t.Helper()
	got, err := w.writer.Apply(t.Context(), sync.Apply{Object: object(o), Live: seen}, o)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest != object(o).Digest || got.Spec != object(o).SpecDigest || got.Sync != w.writer.Sync || got.UID == "" || got.ResourceVersion == "" {
		t.Fatalf("applied: %+v", got)
	}
	if _, is := w.live(t, o.Name); is.Digest != got.Digest || is.ResourceVersion != got.ResourceVersion {
		t.Fatalf("the answer says %+v, and the cluster has %+v", got, is)
	}
	return got
}

// fails says whether err is a Failure for a reason.
func fails(t testing.TB, err error, reason string) {
	t.Helper()
	var f *sync.Failure
	if !errors.As(err, &f) || f.Reason != reason {
		t.Fatalf("%v, and %s was to be expected", err, reason)
	}
}

// git is what Git has, by name, and gives the manifests of it.
type git map[types.NamespacedName]*v1alpha1.GitSecret

func (g git) set() *desired.Set {
	s := &desired.Set{}
	for _, o := range g {
		s.Objects = append(s.Objects, object(o))
	}
	slices.SortFunc(s.Objects, func(a, b desired.Object) int { return compare(a.Key, b.Key) })
	return s
}

func compare(a, b types.NamespacedName) int {
	if a == b {
		return 0
	}
	if a.String() < b.String() {
		return -1
	}
	return 1
}

func (g git) Manifest(_ context.Context, o desired.Object) (*v1alpha1.GitSecret, error) {
	if g[o.Key] == nil {
		return nil, errors.New("Git has it no more")
	}
	return g[o.Key], nil
}

// records counts what is recorded, and holds that each outcome has its intent.
type records struct {
	intents map[string][]types.NamespacedName
	fail    error
}

func (r *records) Intent(_ context.Context, action audit.Action, objects []types.NamespacedName) (string, error) {
	if r.fail != nil {
		return "", r.fail
	}
	id := fmt.Sprintf("%s-%d", action, len(r.intents))
	if r.intents == nil {
		r.intents = map[string][]types.NamespacedName{}
	}
	r.intents[id] = objects
	return id, nil
}

func (r *records) Outcome(_ context.Context, id string, results []sync.Result) error {
	if len(r.intents[id]) != len(results) {
		return fmt.Errorf("%s has %d results for %d objects", id, len(results), len(r.intents[id]))
	}
	return nil
}
