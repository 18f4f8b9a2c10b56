package e2e_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
)

// TestSecretSyncsAreCheckedByTheAPIServer holds what a real API server takes as a SecretSync, by the kind as it ships: the rules, and that it takes the kind with them at all.
func TestSecretSyncsAreCheckedByTheAPIServer(t *testing.T) {
	c := harness.Start(t)
	c.InstallWaxwing(t)
	namespace, api := c.Namespace(t), c.Client(t)
	const url = "url: https://git.example.com/team/infra.git"
	const source = "source: {" + url + ", branch: main}"
	const key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	for name, x := range map[string]struct{ spec, want string }{
		"the least there can be":                    {"{" + source + ", serviceAccountName: waxwing-sync}", ""},
		"observing":                                 {"{" + source + ", mode: Observe}", ""},
		"a tag":                                     {"{source: {" + url + ", tag: v1.2.3}, mode: Observe}", ""},
		"over SSH":                                  {"{source: {url: 'ssh://git@git.example.com:2222/team/infra.git', branch: main}, mode: Observe}", ""},
		"all of it":                                 {wholeSync(), ""},
		"no source":                                 {"{mode: Observe}", "spec.source: Required value"},
		"no branch":                                 {"{source: {" + url + "}, mode: Observe}", "set branch, or tag, and not both"},
		"a branch and a tag":                        {"{source: {" + url + ", branch: main, tag: v1}, mode: Observe}", "set branch, or tag, and not both"},
		"applying as nobody":                        {"{" + source + "}", "mode Apply needs serviceAccountName"},
		"applying as nobody, and saying so":         {"{" + source + ", mode: Apply}", "mode Apply needs serviceAccountName"},
		"pruning while observing":                   {"{" + source + ", mode: Observe, prune: {}}", "mode Observe changes nothing in the cluster"},
		"another mode":                              {"{" + source + ", mode: Push}", `spec.mode: Unsupported value: "Push"`},
		"a token in the address":                    {"{source: {url: 'https://bot:canary@git.example.com/infra.git', branch: main}, mode: Observe}", "put them into the credentials"},
		"a user in the address":                     {"{source: {url: 'http://bot@git.example.com/infra.git', branch: main}, mode: Observe}", "put them into the credentials"},
		"a file":                                    {"{source: {url: 'file:///etc', branch: main}, mode: Observe}", "spec.source.url"},
		"a program":                                 {"{source: {url: 'ext::sh -c id', branch: main}, mode: Observe}", "spec.source.url"},
		"an address like scp's":                     {"{source: {url: 'git@git.example.com:infra.git', branch: main}, mode: Observe}", "spec.source.url"},
		"a path out of the repository":              {"{source: {" + url + ", branch: main, path: a/../../b}, mode: Observe}", "inside of the repository"},
		"a path from the root":                      {"{source: {" + url + ", branch: main, path: /a}, mode: Observe}", "inside of the repository"},
		"a path into Git's own":                     {"{source: {" + url + ", branch: main, path: a/.git/b}, mode: Observe}", "inside of the repository"},
		"a path that is long":                       {"{source: {" + url + ", branch: main, path: " + strings.Repeat("a/", 513) + "}, mode: Observe}", "spec.source.path: Too long"},
		"too often":                                 {"{source: {" + url + ", branch: main, interval: 9s}, mode: Observe}", "the interval is 10s at least"},
		"an interval that is none":                  {"{source: {" + url + ", branch: main, interval: soon}, mode: Observe}", "spec.source.interval"},
		"credentials of another folder":             {"{source: {" + url + ", branch: main, credentials: ../other}, mode: Observe}", "spec.source.credentials"},
		"what becomes of a force push":              {"{source: {" + url + ", branch: main, rewritten: Ignore}, mode: Observe}", `Unsupported value: "Ignore"`},
		"a commit that is short":                    {"{source: {" + url + ", branch: main, accept: abc1234}, mode: Observe}", "spec.source.accept"},
		"verifying by nobody":                       {"{" + source + ", mode: Observe, verify: {}}", "name a signer, or an openPGP key"},
		"verifying by an empty list":                {"{" + source + ", mode: Observe, verify: {signers: [], openPGP: []}}", "name a signer, or an openPGP key"},
		"verifying by a signer":                     {"{" + source + ", mode: Observe, verify: {signers: [{name: alice, key: " + key + "}]}}", ""},
		"verifying by OpenPGP":                      {"{" + source + ", mode: Observe, verify: {openPGP: [x]}}", ""},
		"a signer twice":                            {"{" + source + ", mode: Observe, verify: {signers: [{name: a, key: " + key + "}, {name: a, key: " + key + "}]}}", "Duplicate value"},
		"more than all":                             {"{" + source + ", serviceAccountName: x, prune: {maxPercent: 101}}", "spec.prune.maxPercent"},
		"a forge of another kind":                   {"{" + source + ", mode: Observe, writeBack: {forge: {type: SourceHut}}}", `Unsupported value: "SourceHut"`},
		"a forge with a user in its address":        {"{" + source + ", mode: Observe, writeBack: {forge: {type: Gitea, url: 'https://u@git.example.com'}}}", "spec.writeBack.forge.url"},
		"an author with a line of his own":          {"{" + source + ", mode: Observe, writeBack: {author: {name: \"a\\nparent 0\", email: a@b}}}", "spec.writeBack.author.name"},
		"an author without an address":              {"{" + source + ", mode: Observe, writeBack: {author: {name: a, email: b}}}", "spec.writeBack.author.email"},
		"checkpoints out of the repository":         {"{" + source + ", mode: Observe, writeBack: {checkpoints: ../audit}}", "inside of the repository"},
		"checkpoints in all of the repository":      {"{" + source + ", mode: Observe, writeBack: {checkpoints: ''}}", "inside of the repository"},
		"what becomes of the objects with the sync": {"{" + source + ", mode: Observe, deletionPolicy: Orphan}", `Unsupported value: "Orphan"`},
	} {
		t.Run(name, func(t *testing.T) {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte("apiVersion: waxwing.io/v1alpha1\nkind: SecretSync\nmetadata: {name: infra, namespace: "+namespace+"}\nspec: "+x.spec), o); err != nil {
				t.Fatal(err)
			}
			err := api.Create(t.Context(), o, client.DryRunAll, client.FieldValidation("Strict"))
			if x.want == "" && err != nil || x.want != "" && (err == nil || !strings.Contains(err.Error(), x.want)) {
				t.Errorf("got %v, want %q", err, x.want)
			}
		})
	}
}

// wholeSync is a spec with everything in it, which is as long as it may be where that costs the API server time.
func wholeSync() string {
	return `
  source:
    url: https://git.example.com/team/infra.git
    branch: main
    path: ` + strings.Repeat("a/", 512) + `
    credentials: infra
    interval: 10s
    rewritten: Stop
    accept: "` + strings.Repeat("0", 40) + `"
  mode: Apply
  serviceAccountName: waxwing-sync
  prune: {mode: DryRun, maxPercent: 0}
  verify:
    commits: All
    signers: [{name: alice, key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA}]
    openPGP: [` + strings.Repeat("x", 65536) + `]
  writeBack:
    strategy: Push
    branch: waxwing/rewrap
    forge: {type: GitLab, url: "https://git.example.com", repository: team/sub/infra}
    credentials: push
    author: {name: Waxwing, email: waxwing@example.com}
    signingKey: push
    checkpoints: ` + strings.TrimSuffix(strings.Repeat("a/", 512), "/") + `
  suspend: true
  deletionPolicy: Delete
`
}

// TestASecretSyncIsWholeAtOnce holds the defaults, as the API server stores them: above all that who waits for Ready waits for the agent.
func TestASecretSyncIsWholeAtOnce(t *testing.T) {
	c := harness.Start(t)
	c.InstallWaxwing(t)
	api := c.Client(t, v1alpha1.AddToScheme)
	o := &v1alpha1.SecretSync{
		ObjectMeta: metav1.ObjectMeta{Namespace: c.Namespace(t), Name: "infra"},
		Spec: v1alpha1.SecretSyncSpec{
			Source:             v1alpha1.SyncSource{URL: "https://git.example.com/infra.git", Branch: "main"},
			ServiceAccountName: "waxwing-sync", Prune: &v1alpha1.SyncPrune{}, WriteBack: &v1alpha1.WriteBack{},
		},
	}
	if err := api.Create(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	twenty := int32(20)
	want := v1alpha1.SecretSyncSpec{
		Source: v1alpha1.SyncSource{
			URL: "https://git.example.com/infra.git", Branch: "main", Interval: &metav1.Duration{Duration: time.Minute}, Rewritten: v1alpha1.RewrittenReport,
		},
		Mode: v1alpha1.SyncApply, ServiceAccountName: "waxwing-sync", DeletionPolicy: v1alpha1.DeletionRetain,
		Prune: &v1alpha1.SyncPrune{Mode: v1alpha1.PruneDelete, MaxPercent: &twenty}, WriteBack: &v1alpha1.WriteBack{Strategy: v1alpha1.WritePullRequest},
	}
	if diff := cmp.Diff(want, o.Spec); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(v1alpha1.SecretSyncStatus{ObservedGeneration: -1}, o.Status); diff != "" {
		t.Error(diff)
	}
}
