package e2e_test

import (
	"fmt"
	"hash/fnv"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestManyItemsDoNotHideARollback plays a Git writer who knows that marks are bounded: he seals as many items of his own as an object takes, without the one
// that he wants to put back, and then puts that back.
func TestManyItemsDoNotHideARollback(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	old, present := w.twoVersions(t)

	many := seal.Values{}
	for i := range seal.MaxItems {
		many[fmt.Sprintf("i%d", i)] = seal.NewValue([]byte("x"))
	}
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: "db"}, many, []seal.Holder{w.holder(t)})
	if err != nil {
		t.Fatal(err)
	}
	w.put(t, w.object("db", spec))
	w.eventually(t, "db", unseal.Unsealed)
	w.put(t, old)
	w.eventually(t, "db", unseal.RollbackDenied)
	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.key("db"), s); err != nil || len(s.Data) != seal.MaxItems {
		t.Errorf("the Secret has %d keys (%v)", len(s.Data), err)
	}
	w.put(t, present)
	w.opened(t, "db", "present")
}

// TestOneTenantDoesNotUseUpTheMarks plays a tenant whose objects have as many items as can be, with long names, all in the ConfigMap that has another tenant's mark:
// the other's objects are opened all the same, and what was remembered of them stays.
func TestOneTenantDoesNotUseUpTheMarks(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	old, _ := w.twoVersions(t)

	many := seal.Values{}
	for i := range seal.MaxItems {
		many[fmt.Sprintf("%040d", i)] = seal.NewValue([]byte("x"))
	}
	const hogs = 7 // of 164 KiB each
	for i, n := 0, 0; n < hogs; i++ {
		name := fmt.Sprintf("hog-%d", i)
		if shard(w.key(name)) != shard(w.key("db")) {
			continue
		}
		n++
		spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name}, many, []seal.Holder{w.holder(t)})
		if err != nil {
			t.Fatal(err)
		}
		w.put(t, w.object(name, spec))
		w.eventually(t, name, unseal.Unsealed)
	}
	next := w.version(t, "db", "next")
	w.put(t, next)
	w.opened(t, "db", "next")
	w.put(t, old)
	w.refused(t, "db", unseal.RollbackDenied, "next")
}

// TestOurFieldManagersNameHidesNoChange plays somebody with rights to Secrets who changes a value in the name of our field manager, which the API server lets
// anybody take: by a server-side apply, after which the managed fields have the same entries, and by a patch.
func TestOurFieldManagersNameHidesNoChange(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	for name, flags := range map[string][]string{"applied": {"apply", "--server-side", "--force-conflicts"}, "patched": {"patch"}} {
		o := w.version(t, name, "first")
		w.put(t, o)
		w.opened(t, name, "first")
		w.put(t, w.version(t, name, "sealed"))
		w.opened(t, name, "sealed")
		w.seen(t, name)
		s := &corev1.Secret{}
		if err := w.Get(w.ctx, w.key(name), s); err != nil {
			t.Fatal(err)
		}
		made := s.ResourceVersion
		s.ManagedFields, s.ResourceVersion, s.UID, s.CreationTimestamp = nil, "", "", metav1.Time{}
		s.TypeMeta = metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"}
		s.Data["password"] = []byte("forged")
		args := append(flags, "--field-manager", unseal.FieldManager)
		if name == "applied" {
			args = append(args, "-f", file(t, s))
		} else {
			args = append(args, "secret", name, "--type", "merge", "-p", `{"data":{"password":"Zm9yZ2Vk"}}`)
		}
		time.Sleep(1100 * time.Millisecond) // managed fields count seconds: this is one later than our write
		w.run(t, args...)
		w.opened(t, name, "sealed")
		if err := w.Get(w.ctx, w.key(name), s); err != nil || s.ResourceVersion == made {
			t.Errorf("%s: nothing was changed (%v)", name, err)
		}
	}
}

// shard is the number of the ConfigMap that has an object's mark.
func shard(object types.NamespacedName) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(object.Namespace + "_" + object.Name)) // never fails
	return h.Sum32() % 32
}

// twoVersions has db opened in one version and then in another, where going back is refused.
func (w *world) twoVersions(t *testing.T) (old, present *v1alpha1.GitSecret) {
	t.Helper()
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	old, present = w.version(t, "db", "old"), w.version(t, "db", "present")
	w.put(t, old)
	w.opened(t, "db", "old")
	w.put(t, present)
	w.opened(t, "db", "present")
	w.seen(t, "db")
	return old, present
}
