package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// presentHolder is who to seal for, as the keyring's note says when it is for exactly the key id; any key, where that is empty.
func (w *world) presentHolder(t *testing.T, name, id string) (holder seal.Holder) {
	t.Helper()
	harness.Eventually(w.ctx, t, "keyring "+name+" has published key "+id, func(ctx context.Context) error {
		kr := &v1alpha1.Keyring{}
		if err := w.Get(ctx, client.ObjectKey{Name: name}, kr); err != nil {
			return err
		}
		set, err := statement.OpenRecipients([]byte(kr.Status.Recipients), kr.Status.StatementKey)
		if err != nil {
			return err
		}
		if holder = set.SealHolder(); id != "" && (len(holder.Recipients) != 1 || holder.Recipients[0].KeyID() != id) {
			return errors.New("it has another one")
		}
		return nil
	})
	return holder
}

// report runs seal with -o json and reads what it prints.
func (c *checkout) report(t *testing.T, code int, v any, args ...string) {
	t.Helper()
	stdout, _ := c.run(t, code, append(args, "-o", "json")...)
	if err := json.Unmarshal([]byte(stdout), v); err != nil {
		t.Fatalf("seal %s: %v in %s", strings.Join(args, " "), err, stdout)
	}
}

// keyState is what `seal keys list` says of a key.
func (c *checkout) keyState(t *testing.T, keyring, id string) string {
	t.Helper()
	var all []struct{ KeyID, State string }
	c.report(t, 0, &all, "keys", "list", "--keyring", keyring)
	for _, k := range all {
		if k.KeyID == id {
			return k.State
		}
	}
	return ""
}

type exposedJSON struct {
	Exposed []struct {
		Namespace, Name    string
		Items, Said, Files []string
	}
}

// TestAKeyIsRetiredByHand takes keys through their lives with seal alone: the controller that ships does all of it, and nobody but it sees a private key.
func TestAKeyIsRetiredByHand(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	name := "byhand-" + w.namespace
	w.keyringOf(t, name, w.namespace)
	c := w.checkout(t)
	first := w.presentHolder(t, name, "").Recipients[0].KeyID()
	o := w.sealedFor(t, "db", w.strict("db"), w.presentHolder(t, name, first))
	c.apply(t, o)
	w.eventually(t, "db", unseal.Unsealed)

	var rotation struct {
		Old, New string
		Set      uint64
	}
	c.report(t, 0, &rotation, "keys", "rotate", "--keyring", name)
	if rotation.Old != first || rotation.New == first || rotation.Set < 2 {
		t.Fatalf("rotated %+v, and %s was there", rotation, first)
	}
	second := rotation.New
	w.presentHolder(t, name, second)
	if s1, s2 := c.keyState(t, name, first), c.keyState(t, name, second); s1 != "Deactivated" || s2 != "Active" {
		t.Errorf("the old key is %s, the new one %s", s1, s2)
	}

	var uses struct {
		Objects []struct {
			Name           string
			Opened, Sealed bool
		}
		Files []struct{ File string }
	}
	c.report(t, 0, &uses, "keys", "uses", first[:8], "--keyring", name)
	if len(uses.Objects) != 1 || uses.Objects[0].Name != "db" || !uses.Objects[0].Opened || !uses.Objects[0].Sealed || len(uses.Files) != 1 || uses.Files[0].File != "db.json" {
		t.Errorf("its uses are %+v", uses)
	}

	// It is needed, so it is not destroyed, also not later on by a request that was left behind.
	if _, stderr := c.run(t, 1, "keys", "destroy", first, "--yes"); !strings.Contains(stderr, "keyring "+name+" refuses: ") || !strings.Contains(stderr, w.namespace+"/db") {
		t.Errorf("the refusal is %s", stderr)
	}
	kr := &v1alpha1.Keyring{}
	if err := w.Get(w.ctx, client.ObjectKey{Name: name}, kr); err != nil || len(kr.Spec.Requests) != 0 {
		t.Errorf("%d requests are left (%v)", len(kr.Spec.Requests), err)
	}

	// The value is sealed anew for the new key: the old version is gone from the cluster, and that is known.
	renewed := w.sealedFor(t, "db", w.strict("db"), w.presentHolder(t, name, second))
	c.commit(t, renewed)
	w.update(t, o, func() { o.Spec = renewed.Spec })
	w.eventually(t, "db", unseal.Unsealed)
	harness.Eventually(w.ctx, t, "the old version is known to be gone", func(context.Context) error {
		if _, stderr := c.run(t, 1, "keys", "destroy", first, "--yes"); !strings.Contains(stderr, "not in the cluster any more") {
			return errors.New(stderr)
		}
		return nil
	})
	if _, stderr := c.run(t, 1, "keys", "destroy", first, "--yes", "--despite", "gone"); !strings.Contains(stderr, "may come back") {
		t.Errorf("it went only now: %s", stderr)
	}
	c.run(t, 0, "keys", "destroy", first, "--yes", "--despite", "any", "--reason", "no way back")
	if s := c.keyState(t, name, first); s != "Destroyed" {
		t.Errorf("the key is %s", s)
	}

	// Suspended, and used again.
	if _, stderr := c.run(t, 0, "keys", "suspend", second, "--reason", "a suspicion"); !strings.Contains(stderr, "NoActiveKey") {
		t.Errorf("it is suspended with %s", stderr)
	}
	c.run(t, 0, "keys", "resume", second)
	if s := c.keyState(t, name, second); s != "Active" {
		t.Errorf("the key is %s", s)
	}
	c.compromise(t, name, second, renewed)
}

// compromise has a key called compromised, and the value that it could open renewed.
func (c *checkout) compromise(t *testing.T, name, id string, o *v1alpha1.GitSecret) {
	t.Helper()
	w := c.w
	var told exposedJSON
	c.report(t, 0, &told, "keys", "compromise", id, "--yes", "--reason", "found in a log")
	if len(told.Exposed) != 1 || told.Exposed[0].Name != "db" || fmt.Sprint(told.Exposed[0].Items, told.Exposed[0].Files) != "[user] [db.json]" {
		t.Errorf("exposed are %+v", told.Exposed)
	}
	// The object's own status says so, too, sooner or later: the command does not wait for it for ever.
	until(w.ctx, t, "the object is said to be exposed", func() bool {
		told = exposedJSON{}
		c.report(t, 5, &told, "keys", "exposed", "--keyring", name)
		return len(told.Exposed) == 1 && fmt.Sprint(told.Exposed[0].Said) == "[user]"
	})
	if stdout, _ := c.run(t, 5, "status"); !strings.Contains(stdout, "exposed") {
		t.Errorf("seal status shows %s", stdout)
	}
	var third string
	for _, k := range c.keys(t, name) {
		if k.State == "Active" {
			third = k.KeyID
		}
	}
	holder := w.presentHolder(t, name, third)

	// The same value under another key is as exposed as before; another value is not.
	same := w.sealedFor(t, "db", w.strict("db"), holder)
	live := &v1alpha1.GitSecret{}
	live.Namespace, live.Name = w.namespace, "db"
	c.commit(t, same)
	w.update(t, live, func() { live.Spec = same.Spec })
	w.eventually(t, "db", unseal.Unsealed)
	c.report(t, 5, &told, "keys", "exposed", "--keyring", name)
	other, err := sealer().Seal(w.strict("db"), seal.Values{"user": seal.NewValue([]byte(canary + "-another"))}, []seal.Holder{holder})
	if err != nil {
		t.Fatal(err)
	}
	c.commit(t, w.object("db", other))
	w.update(t, live, func() { live.Spec = *other })
	w.eventually(t, "db", unseal.Unsealed)
	harness.Eventually(w.ctx, t, "nothing is exposed", func(context.Context) error {
		if err := w.Get(w.ctx, w.key("db"), live); err != nil || len(live.Status.Exposed) > 0 {
			return fmt.Errorf("%v, %v", live.Status.Exposed, err)
		}
		return nil
	})
	c.run(t, 0, "keys", "exposed", "--keyring", name)
	c.run(t, 0, "keys", "deactivate", third)
	if s := c.keyState(t, name, third); s != "Deactivated" {
		t.Errorf("the key is %s", s)
	}
}

func (c *checkout) keys(t *testing.T, keyring string) (all []struct{ KeyID, State string }) {
	t.Helper()
	c.report(t, 0, &all, "keys", "list", "--keyring", keyring)
	return all
}

// viewer is somebody with the chart's ClusterRole for those who look.
func (w *world) viewer(t *testing.T) (kubeconfig string) {
	t.Helper()
	const name = "viewer"
	kubeconfig = w.ServiceAccountKubeconfig(t, w.namespace, name)
	binding := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: w.namespace + "-" + name}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "waxwing-view"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: w.namespace, Name: name}}}
	w.create(t, binding)
	t.Cleanup(func() {
		if err := w.Delete(context.Background(), binding); err != nil {
			t.Error(err)
		}
	})
	w.may(t, asAccount(w.namespace, name, authorizationv1.ResourceAttributes{Verb: "list", Group: v1alpha1.GroupName, Resource: "keyrings"}), true)
	return kubeconfig
}

// TestWhoMayAndWhoKeepsRequests has a viewer refused, and somebody who applies Keyrings from Git told of.
func TestWhoMayAndWhoKeepsRequests(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	name := "kept-" + w.namespace
	w.keyringOf(t, name, w.namespace)
	id := w.presentHolder(t, name, "").Recipients[0].KeyID()
	c := w.checkout(t)
	viewer := *c
	viewer.kubeconfig = w.viewer(t)
	viewer.run(t, 0, "keys", "list", "--keyring", name)
	viewer.run(t, 0, "keys", "uses", id)
	for _, args := range [][]string{{"keys", "rotate", "--keyring", name}, {"keys", "suspend", id}, {"keys", "compromise", id, "--yes", "--reason", "x"}} {
		if _, stderr := viewer.run(t, 1, args...); !strings.Contains(stderr, "ClusterRole waxwing-keyring-admin") {
			t.Errorf("%v: %s", args, stderr)
		}
	}
	if got := c.keyState(t, name, id); got != "Active" {
		t.Errorf("a viewer has made the key %s", got)
	}

	// From Git comes a Keyring with a request for another key: that stays, beside the one that is made by hand, also when it is applied again.
	git := file(t, map[string]any{"apiVersion": v1alpha1.GroupVersion().String(), "kind": "Keyring", "metadata": map[string]any{"name": name},
		"spec": map[string]any{"requests": []any{map[string]any{"key": strings.Repeat("0", 32), "do": "Suspend"}}}})
	w.run(t, "apply", "--server-side", "--field-manager", "gitops", "-f", git)
	_, stderr := c.run(t, 0, "keys", "suspend", id)
	if !strings.Contains(stderr, "spec.requests of keyring "+name+" was set by gitops, who may set it back") {
		t.Errorf("it is said %s", stderr)
	}
	w.run(t, "apply", "--server-side", "--field-manager", "gitops", "-f", git)
	kr := &v1alpha1.Keyring{}
	if err := w.Get(w.ctx, client.ObjectKey{Name: name}, kr); err != nil || len(kr.Spec.Requests) != 2 {
		t.Errorf("the requests are %+v (%v)", kr.Spec.Requests, err)
	}
	if _, stderr := c.run(t, 0, "keys", "resume", id); !strings.Contains(stderr, "is not suspended any more") {
		t.Errorf("it is said %s", stderr)
	}
}
