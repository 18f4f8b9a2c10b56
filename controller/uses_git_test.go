package controller

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// syncing is a SecretSync NAMESPACE/NAME whose branch was read.
func syncing(name string, keys ...string) *v1alpha1.SecretSync {
	namespace, name, _ := strings.Cut(name, "/")
	return &v1alpha1.SecretSync{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 2},
		Status:     v1alpha1.SecretSyncStatus{ObservedGeneration: 2, Fetched: &v1alpha1.SyncRevision{Revision: "main@sha1:0"}, Keys: keys},
	}
}

// listsSyncs has the API server's lists of SecretSyncs be something else.
type listsSyncs struct {
	client.Reader
	list func(list *v1alpha1.SecretSyncList, from string) error
}

func (l *listsSyncs) List(ctx context.Context, list client.ObjectList, opts ...client.ListOption) error {
	if syncs, ok := list.(*v1alpha1.SecretSyncList); ok {
		o := (&client.ListOptions{}).ApplyOptions(opts)
		if o.Limit < 1 || o.Limit > 16 { // each may have 1.5 MiB, and whoever may write SecretSyncs makes as many as he likes
			return fmt.Errorf("%d SecretSyncs are asked for at once", o.Limit)
		}
		return l.list(syncs, o.Continue)
	}
	return l.Reader.List(ctx, list, opts...)
}

// TestFilesOfGitAreUses holds that files which a SecretSync follows need the keys that its status names, whatever the cluster's objects need, and that what is not known of them is said.
func TestFilesOfGitAreUses(t *testing.T) {
	needed := keyring.KeyUses{Objects: 1, Examples: []string{"prod/a"}}
	with := func(u keyring.KeyUses, git ...string) keyring.KeyUses {
		u.Git = git
		return u
	}
	incomplete := syncing("team/apps", keyA)
	apimeta.SetStatusCondition(&incomplete.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionKeysIncomplete, Status: metav1.ConditionTrue, Reason: "TooMany"})
	full := syncing("team/full")
	for i := range v1alpha1.MaxSyncKeys {
		full.Status.Keys = append(full.Status.Keys, fmt.Sprintf("%032x", i))
	}
	fullUses := map[string]keyring.KeyUses{keyA: needed}
	for _, id := range full.Status.Keys {
		fullUses[id] = keyring.KeyUses{Git: []string{"team/full"}}
	}
	fresh, other := syncing("team/new", keyA), syncing("team/moved", keyA)
	fresh.Status.Fetched = nil
	other.Generation = 3
	refused, none := syncing("team/unsigned"), syncing("team/none")
	apimeta.SetStatusCondition(&none.Status.Conditions, metav1.Condition{Type: v1alpha1.ConditionReady, Status: metav1.ConditionTrue, Reason: "Synced"})
	leaving := syncing("team/leaving", keyB)
	leaving.Finalizers, leaving.DeletionTimestamp = []string{v1alpha1.FinalizerSync}, &metav1.Time{Time: keyringNoon()}
	for name, c := range map[string]struct {
		syncs []*v1alpha1.SecretSync
		keys  map[string]keyring.KeyUses
		want  string
	}{
		"there is none": {nil, map[string]keyring.KeyUses{keyA: needed}, ""},
		"one needs what an object needs, and another key": {
			[]*v1alpha1.SecretSync{syncing("team/infra", keyA, keyB)},
			map[string]keyring.KeyUses{keyA: with(needed, "team/infra"), keyB: with(keyring.KeyUses{}, "team/infra")}, "",
		},
		"two, and one that is being deleted": {
			[]*v1alpha1.SecretSync{syncing("team/infra", keyB), syncing("prod/all", keyB, keyB), leaving},
			map[string]keyring.KeyUses{keyA: needed, keyB: with(keyring.KeyUses{}, "prod/all", "team/infra", "team/leaving")}, "",
		},
		"nothing was read yet, or nothing of what is asked for now": {
			[]*v1alpha1.SecretSync{fresh, other}, map[string]keyring.KeyUses{keyA: with(needed, "team/moved", "team/new")},
			"the agent has not read what 2 SecretSyncs ask for now: team/moved, team/new",
		},
		"what was fetched was not taken": {
			[]*v1alpha1.SecretSync{refused, none}, map[string]keyring.KeyUses{keyA: needed}, "the agent has not read what 1 SecretSync asks for now: team/unsigned",
		},
		"the agent says that it does not know all": {
			[]*v1alpha1.SecretSync{incomplete}, map[string]keyring.KeyUses{keyA: with(needed, "team/apps")},
			"not all keys are known that files need which 1 SecretSync follows: team/apps",
		},
		"there are more than its status has room for": {[]*v1alpha1.SecretSync{full}, fullUses, "not all keys are known that files need which 1 SecretSync follows: team/full"},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounting(t, "prod/a")
			n.note(t, "prod/a", needs(keyA, 0), true)
			// The fake API server takes no object that is being deleted, and a real one lists such.
			n.live = &listsSyncs{n.kube, func(list *v1alpha1.SecretSyncList, _ string) error {
				for _, s := range c.syncs {
					list.Items = append(list.Items, *s)
				}
				return nil
			}}
			n.want(t, keyring.Uses{Unseen: c.want, Keys: c.keys})
		})
	}
}

// TestSecretSyncsAreReadToTheLast holds that all pages count, and what becomes of a cluster that does not tell.
func TestSecretSyncsAreReadToTheLast(t *testing.T) {
	resource := schema.GroupResource{Group: v1alpha1.GroupName, Resource: "secretsyncs"}
	none := map[string]keyring.KeyUses{}
	for name, c := range map[string]struct {
		list   func(list *v1alpha1.SecretSyncList, from string) error
		keys   map[string]keyring.KeyUses
		unseen string
		err    bool
	}{
		"two pages": {
			list: func(list *v1alpha1.SecretSyncList, from string) error {
				list.Items = []v1alpha1.SecretSync{*syncing("team/b", keyB)}
				if from == "" {
					list.Items, list.Continue = []v1alpha1.SecretSync{*syncing("team/a", keyA)}, "more"
				}
				return nil
			},
			keys: map[string]keyring.KeyUses{keyA: {Git: []string{"team/a"}}, keyB: {Git: []string{"team/b"}}},
		},
		"the kind is not known":          {list: func(*v1alpha1.SecretSyncList, string) error { return &apimeta.NoKindMatchError{} }, keys: none},
		"the kind is not known any more": {list: func(*v1alpha1.SecretSyncList, string) error { return apierrors.NewNotFound(resource, "") }, keys: none},
		"they cannot be read": {
			list: func(*v1alpha1.SecretSyncList, string) error {
				return apierrors.NewForbidden(resource, "", errors.New("no"))
			},
			keys:   none,
			unseen: "SecretSyncs cannot be read: secretsyncs.waxwing.io is forbidden: no",
		},
		"they are not told": {list: func(*v1alpha1.SecretSyncList, string) error { return errors.New("no") }, err: true},
	} {
		t.Run(name, func(t *testing.T) {
			n := newCounting(t, "prod/a")
			n.note(t, "prod/a", unseal.Mark{}, true)
			n.live = &listsSyncs{n.kube, c.list}
			if c.err {
				if got, err := n.of(t.Context(), "prod-eu"); err == nil {
					t.Errorf("%+v", got)
				}
				return
			}
			n.want(t, keyring.Uses{Unseen: c.unseen, Keys: c.keys})
		})
	}
}

// TestADestructionIsByWhatSecretSyncsSayNow holds that a decision sees a SecretSync that came a moment ago.
func TestADestructionIsByWhatSecretSyncsSayNow(t *testing.T) {
	n := newCounting(t, "prod/a")
	n.note(t, "prod/a", needs(keyA, 0), true)
	if got, err := n.sure(t.Context(), "prod-eu"); err != nil || len(got.Keys[keyB].Git) != 0 {
		t.Fatalf("%+v, %v", got, err)
	}
	must(t, n.kube.Create(t.Context(), syncing("team/infra", keyB)))
	if got, err := n.sure(t.Context(), "prod-eu"); err != nil || !slices.Equal(got.Keys[keyB].Git, []string{"team/infra"}) {
		t.Errorf("%+v, %v", got, err)
	}
}
