package faults_test

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/faultproxy"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// keyringWrites are what a first start writes until the default keyring is ready, in order of their first times but for the events, which have a queue of their
// own. The statement key's Secret is updated twice, with the claim of the key that is to become active and with the signed recipient set.
var keyringWrites = []string{
	"create keyrings default",
	"create secrets waxwing-statement-default",
	"create secrets waxwing-key-default-*",
	"update secrets waxwing-statement-default",
	"update secrets waxwing-key-default-*",
	"apply configmaps waxwing-recipients-default",
	"merge keyrings/status default",
	"create events default.*",
}

type keyringKill struct {
	kind string
	skip int
	what string
}

// keyringKills are the writes at which a first start is killed: the n-th of each kind.
var keyringKills = []keyringKill{
	{keyringWrites[0], 0, "the default keyring"},
	{keyringWrites[1], 0, "the statement key"},
	{keyringWrites[2], 0, "the key"},
	{keyringWrites[3], 0, "the claim"},
	{keyringWrites[4], 0, "the activation"},
	{keyringWrites[3], 1, "the recipient set"},
	{keyringWrites[5], 0, "the ConfigMap"},
	{keyringWrites[6], 0, "the status"},
	{keyringWrites[7], 0, "an event"},
}

var (
	keyName   = regexp.MustCompile(`(waxwing-key-default)-[0-9a-f]+$`)
	eventName = regexp.MustCompile(`^(default)\.[0-9a-f]+$`)
)

// forKeyring chooses what the controller writes but for its audit log, which has tests of its own, and the GitSecrets of other tests, whose namespaces may still be going: their marks
// are written when they are.
func forKeyring(r faultproxy.Request) bool {
	return r.Write() && !ofOwnLog(r) && !ofMarks(r) && slices.Contains([]string{"", home, "default"}, r.Namespace)
}

// keyringWrite names a write with the parts of its object's name that do not change.
func keyringWrite(r faultproxy.Request) string {
	return r.Kind() + " " + eventName.ReplaceAllString(keyName.ReplaceAllString(r.Name, "$1-*"), "$1.*")
}

// TestAFirstStartIsKilledAtEveryWrite holds that a keyring comes to one active key and one published set, wherever its making was cut off.
func TestAFirstStartIsKilledAtEveryWrite(t *testing.T) {
	w := newWorld(t)
	t.Run("as it goes", func(t *testing.T) {
		w.in(t)
		w.wipeKeyrings()
		p := w.pod(single...)
		p.ready()
		w.oneKey(1)
		harness.Eventually(w.ctx, t, "all is written that the table says", func(context.Context) error {
			var kinds []string
			for _, r := range p.proxy.Records(forKeyring) {
				if kind := keyringWrite(r.Request); !slices.Contains(kinds, kind) {
					kinds = append(kinds, kind)
				}
			}
			event := func(kind string) bool { return strings.HasPrefix(kind, writeEvent) }
			got, want := slices.DeleteFunc(slices.Clone(kinds), event), slices.DeleteFunc(slices.Clone(keyringWrites), event)
			if !slices.Equal(got, want) || len(kinds) != len(keyringWrites) {
				return fmt.Errorf("the controller wrote %q, the table says %q", kinds, keyringWrites)
			}
			return nil
		})
	})
	for _, kill := range keyringKills {
		for _, after := range []bool{false, true} {
			side := map[bool]string{false: "before", true: "after"}[after]
			t.Run("killed "+side+" "+kill.what, func(t *testing.T) {
				w.in(t)
				w.wipeKeyrings()
				p := w.pod(single...)
				p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return r.Write() && keyringWrite(r) == kill.kind }, kill.skip, after))
				p.start()
				p.dies("killed at " + kill.what)
				p.ready()
				w.oneKey(1)
				w.create(w.sealed(w.holder(), "db", 1, "user"))
				w.settle("db", unsealed(1, "user"))
			})
		}
	}
	w.in(t)
	for _, kind := range keyringWrites {
		if !slices.ContainsFunc(keyringKills, func(k keyringKill) bool { return k.kind == kind }) {
			t.Errorf("there is no kill at %q", kind)
		}
	}
}

// wipeKeyrings makes the cluster one in which the controller was never started. No controller runs.
func (w *world) wipeKeyrings() {
	w.t.Helper()
	secrets := []client.DeleteAllOfOption{client.InNamespace(home), client.HasLabels{secretsource.LabelKeyring}}
	for _, err := range []error{
		w.DeleteAllOf(w.ctx, &v1alpha1.GitSecret{}, client.InNamespace(w.namespace)),
		w.DeleteAllOf(w.ctx, &v1alpha1.Keyring{}),
		w.DeleteAllOf(w.ctx, &corev1.Secret{}, secrets...),
		w.DeleteAllOf(w.ctx, &corev1.ConfigMap{}, secrets...),
	} {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	w.onlySecrets()
}

// oneKey waits until the default keyring is ready, and holds that it has one key, in the cluster as in its status, and the n-th recipient set.
func (w *world) oneKey(set uint64) {
	w.t.Helper()
	harness.Eventually(w.ctx, w.t, "the default keyring is ready with one key", func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil {
			return err
		}
		if !apimeta.IsStatusConditionTrue(kr.Status.Conditions, v1alpha1.ConditionReady) || kr.Status.ActiveKey == "" || kr.Status.Recipients == "" {
			return fmt.Errorf("its status is %+v", kr.Status.Conditions)
		}
		if len(kr.Status.Keys) != 1 || kr.Status.Keys[0].State != string(keyring.Active) {
			return harness.Permanent(fmt.Errorf("its keys are %+v", kr.Status.Keys))
		}
		cm := &corev1.ConfigMap{}
		if err := w.Get(ctx, types.NamespacedName{Namespace: home, Name: "waxwing-recipients-default"}, cm); err != nil {
			return err
		}
		if cm.Data["recipients.note"] != kr.Status.Recipients {
			return fmt.Errorf("the ConfigMap has another note than the status")
		}
		return nil
	})
	var secrets corev1.SecretList
	if err := w.List(w.ctx, &secrets, client.InNamespace(home), client.MatchingLabels{secretsource.LabelKeyring: "default"}); err != nil {
		w.t.Fatal(err)
	}
	kinds := map[corev1.SecretType]int{}
	for _, s := range secrets.Items {
		kinds[s.Type]++
	}
	if len(secrets.Items) != 2 || kinds[secretsource.KeyType] != 1 || kinds[secretsource.StatementType] != 1 {
		w.t.Errorf("the keyring has these Secrets: %v", kinds)
	}
	if got := w.set(); got != set {
		w.t.Errorf("the recipient set is number %d, not %d", got, set)
	}
}

// leaseWrites are what an elected controller writes for its Lease.
var leaseWrites = []string{"create leases waxwing-controller", "update leases waxwing-controller"}

// TestKilledAtTheWritesOfTheLease holds that another process leads and works after each of these kills.
func TestKilledAtTheWritesOfTheLease(t *testing.T) {
	w := newWorld(t)
	lease := &coordinationv1.Lease{}
	lease.Namespace, lease.Name = home, "waxwing-controller"
	for _, kind := range leaseWrites {
		for _, after := range []bool{false, true} {
			side := map[bool]string{false: "before", true: "after"}[after]
			t.Run("killed "+side+" "+kind, func(t *testing.T) {
				w.in(t)
				if err := w.Delete(w.ctx, lease.DeepCopy()); client.IgnoreNotFound(err) != nil {
					t.Fatal(err)
				}
				p := w.pod(patient...)
				mine := func(r faultproxy.Request) bool { return r.Write() && r.Resource == "leases" }
				p.proxy.Add(p.killer(func(r faultproxy.Request) bool { return mine(r) && r.Kind()+" "+r.Name == kind }, 0, after))
				p.start()
				p.dies("killed at " + kind)
				name := "db-" + side + "-" + strings.Fields(kind)[0]
				p.start()
				w.create(w.sealed(w.holder(), name, 1, "user"))
				w.settle(name, unsealed(1, "user"))
				for _, r := range p.proxy.Records(mine) {
					if !slices.Contains(leaseWrites, r.Kind()+" "+r.Name) {
						t.Errorf("a write that the table lacks: %s", r.Request)
					}
				}
			})
		}
	}
	w.in(t)
}
