package keysources_test

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/e2e/harness/vaultpolicy"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// retired makes a key of the keyring first that opens only.
func retired(t testing.TB, src keyring.Source, class seal.Class) keyring.Stored {
	t.Helper()
	id, err := src.Create(t.Context(), "first", class)
	if err != nil {
		t.Fatal(err)
	}
	for _, to := range []keyring.State{keyring.Active, keyring.Deactivated} {
		if err := src.SetState(t.Context(), stored(t, src, id), to, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return stored(t, src, id)
}

// stored reads one key, beside which there is no fault.
func stored(t testing.TB, src keyring.Source, id string) keyring.Stored {
	t.Helper()
	keys, faults, err := src.Load(t.Context(), "first")
	i := slices.IndexFunc(keys, func(k keyring.Stored) bool { return k.ID == id })
	if err != nil || len(faults) > 0 || i < 0 {
		t.Fatalf("%v, %v, %v", keys, faults, err)
	}
	return keys[i]
}

// mustStay holds that a key cannot be destroyed for a reason that a person is told, is as it was, and that trying again writes nothing.
func mustStay(t testing.TB, src keyring.Source, k keyring.Stored, content func() string, says ...string) {
	t.Helper()
	var before string
	for range 3 {
		before = content()
		err := src.SetState(t.Context(), stored(t, src, k.ID), keyring.Destroyed, time.Now())
		problem := (*keyring.Problem)(nil)
		if !errors.As(err, &problem) || problem.Where == "" {
			t.Fatalf("%v", err)
		}
		for _, s := range says {
			if !strings.Contains(err.Error(), s) {
				t.Errorf("it says nothing of %q: %v", s, err)
			}
		}
	}
	if content() != before {
		t.Error("each try writes")
	}
	now := stored(t, src, k.ID)
	if now.State != keyring.Deactivated || !now.Since.Equal(k.Since) {
		t.Errorf("%v since %v", now, now.Since)
	}
	if err := keyring.Probe(now.Key, time.Now, rand.Reader); err != nil {
		t.Error(err)
	}
}

// mustGo has a key destroyed.
func mustGo(t testing.TB, src keyring.Source, id string) {
	t.Helper()
	if err := src.SetState(t.Context(), stored(t, src, id), keyring.Destroyed, time.Now()); err != nil {
		t.Fatal(err)
	}
	if k := stored(t, src, id); k.State != keyring.Destroyed || keyring.Probe(k.Key, time.Now, rand.Reader) == nil {
		t.Errorf("%v", k)
	}
}

func TestSecretsThatCannotBeDestroyed(t *testing.T) {
	c := harness.Start(t)
	form := secretsource.ClearForm()
	t.Run("without the right", func(t *testing.T) {
		s := newKeySecrets(t, c, form)
		role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "keys"}, Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "list", "create", "update"}}}}
		role, err := c.Clientset().RbacV1().Roles(s.namespace).Create(t.Context(), role, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		binding := &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: "keys"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "keys"},
			Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: s.namespace, Name: "keys"}},
		}
		if _, err := c.Clientset().RbacV1().RoleBindings(s.namespace).Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		clients, err := kubernetes.NewForConfig(c.ServiceAccountConfig(t, s.namespace, "keys"))
		if err != nil {
			t.Fatal(err)
		}
		src := secretsource.New(clients.CoreV1().Secrets(s.namespace), time.Now, rand.Reader)
		harness.Eventually(t.Context(), t, "the role counts", func(context.Context) error { _, _, err := src.Load(t.Context(), "first"); return err })
		k := retired(t, src, seal.Classical)
		// Of what is left of a key only the date is written anew.
		key := func() string { return s.get(form.KeySecretName("first", k.ID)).ResourceVersion }
		mustStay(t, src, k, key, "Secret waxwing-key-first-"+k.ID[:16], "`delete secrets`", "docs/rights.md")
		role.Rules[0].Verbs = append(role.Rules[0].Verbs, "delete")
		if _, err := c.Clientset().RbacV1().Roles(s.namespace).Update(t.Context(), role, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		harness.Eventually(t.Context(), t, "the right counts", func(ctx context.Context) error {
			if k := stored(t, src, k.ID); k.State != keyring.Destroyed {
				return src.SetState(ctx, k, keyring.Destroyed, time.Now())
			}
			return nil
		})
		if got := stored(t, src, k.ID); got.State != keyring.Destroyed || got.Since.Before(k.Since) {
			t.Errorf("%v since %v", got, got.Since)
		}
	})
	t.Run("held by a finalizer", func(t *testing.T) {
		s := newKeySecrets(t, c, form)
		src := secretsource.New(s.secrets, time.Now, rand.Reader)
		k := retired(t, src, seal.Classical)
		secret := s.get(form.KeySecretName("first", k.ID))
		secret.Finalizers = []string{"example.com/hold"}
		if _, err := s.secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		// The API server takes the first deletion, and the private half stays.
		if err := src.SetState(t.Context(), stored(t, src, k.ID), keyring.Destroyed, time.Now()); err == nil || !strings.Contains(err.Error(), "its finalizers hold it: example.com/hold") {
			t.Errorf("a key that is there still: %v", err)
		}
		if stored(t, src, k.ID).Buried {
			t.Error("a deletion that the API server has taken can be taken back")
		}
		mustStay(t, src, k, s.content, "its finalizers hold it: example.com/hold")
		secret = s.get(secret.Name)
		secret.Finalizers = nil
		if _, err := s.secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if got := stored(t, src, k.ID); got.State != keyring.Destroyed {
			t.Errorf("%v", got)
		}
	})
	t.Run("something else is in the place of what is left", func(t *testing.T) {
		s := newKeySecrets(t, c, form)
		src := secretsource.New(s.secrets, time.Now, rand.Reader)
		k := retired(t, src, seal.Classical)
		other := s.get(form.KeySecretName("first", k.ID))
		other.Name, other.Labels, other.Type = form.DestroyedSecretName("first", k.ID), nil, "Opaque"
		s.put(other)
		mustStay(t, src, k, s.content, "Secret waxwing-destroyed-first-"+k.ID[:16]+" is in the way of key "+k.ID[:16])
		s.remove(other.Name)
		mustGo(t, src, k.ID)
	})
}

// TestWhatIsLeftOfADestroyedKey is held against somebody who changes or copies it, and one who puts the private half back.
func TestWhatIsLeftOfADestroyedKey(t *testing.T) {
	c := harness.Start(t)
	form := secretsource.ClearForm()
	s := newKeySecrets(t, c, form)
	src := secretsource.New(s.secrets, time.Now, rand.Reader)
	k := retired(t, src, seal.Classical)
	backup := s.get(form.KeySecretName("first", k.ID))
	mustGo(t, src, k.ID)
	left := form.DestroyedSecretName("first", k.ID)
	if secret := s.get(left); len(secret.Data) != 1 || secret.Type != "waxwing.io/destroyed-key" || strings.TrimSpace(string(secret.Data[secretsource.DataRecipient])) != k.Recipient {
		t.Errorf("what is left has %d entries, and is of type %s", len(secret.Data), secret.Type)
	}
	if name, ok := secretsource.KeyringOf(left); !ok || name != "first" {
		t.Errorf("%s is of keyring %q", left, name)
	}
	// A backup that somebody puts back on purpose counts, and can be destroyed again.
	s.put(backup)
	if got := stored(t, src, k.ID); got.State != keyring.Deactivated || keyring.Probe(got.Key, time.Now, rand.Reader) != nil {
		t.Errorf("%v", got)
	}
	mustGo(t, src, k.ID)

	for what, tc := range map[string]struct {
		change func(s *keySecrets, left, other string) // other is the id of another key
		says   string
	}{
		"of another key by its label": {func(s *keySecrets, left, other string) {
			s.change(left, func(x *corev1.Secret) { x.Labels[secretsource.LabelKeyID] = strings.Repeat("0", 32) })
		}, "of another key than its recipient"},
		"under another name": {func(s *keySecrets, left, other string) {
			s.change(left, func(x *corev1.Secret) { x.Name = form.DestroyedSecretName("first", other) })
		}, "is about a key that belongs in Secret waxwing-destroyed-first-"},
		"without a date": {func(s *keySecrets, left, _ string) {
			s.change(left, func(x *corev1.Secret) { delete(x.Annotations, secretsource.AnnotationCreated) })
		}, "has no time in annotation waxwing.io/created"},
		"a private key that is said to be destroyed": {func(s *keySecrets, _, other string) {
			s.change(form.KeySecretName("first", other), func(x *corev1.Secret) { x.Annotations[secretsource.AnnotationState] = "Destroyed" })
		}, "and still has it: delete this Secret"},
	} {
		t.Run(what, func(t *testing.T) {
			s := newKeySecrets(t, c, form)
			src := secretsource.New(s.secrets, time.Now, rand.Reader)
			gone, other := retired(t, src, seal.Classical), retired(t, src, seal.Classical)
			mustGo(t, src, gone.ID)
			tc.change(s, form.DestroyedSecretName("first", gone.ID), other.ID)
			keys, faults, err := src.Load(t.Context(), "first")
			if err != nil || len(keys) != 1 || len(faults) != 1 || !strings.Contains(faults[0].Error(), tc.says) {
				t.Errorf("%v, %v, %v", keys, faults, err)
			}
		})
	}
}

func TestVaultKeysThatCannotBeDestroyed(t *testing.T) {
	v := newVault(t)
	t.Run("vaultKV", func(t *testing.T) {
		k := newKVKeys(t, v)
		everyday := k.over("first", v.client(t, vaultpolicy.KV, k.place("first")))
		key := retired(t, everyday, seal.Classical)
		entry := func() string { return "version " + string(rune('0'+k.version("first/keys/"+key.ID))) }
		mustStay(t, everyday, key, entry, "Vault's kv/"+k.folder+"/first/keys/"+key.ID, "give its role the policy kv-remove.hcl")
		mustGo(t, k.source("first"), key.ID)
	})
	t.Run("vaultTransit", func(t *testing.T) {
		k := newTransitKeys(t, harness.Start(t), v)
		everyday := secretsource.NewIn(k.secrets, k.custody("first", v.client(t, vaultpolicy.Transit, k.place("first"))), time.Now)
		key := retired(t, everyday, seal.Classical)
		name := k.transitKey("first", key.ID)
		mustStay(t, everyday, key, k.content, "Transit key transit/keys/"+name, "give its role the policy transit-remove.hcl")
		if err := everyday.SetState(t.Context(), stored(t, everyday, key.ID), keyring.Compromised, time.Now()); err != nil {
			t.Errorf("a key whose destruction has begun cannot be compromised: %v", err)
		}
		mustGo(t, k.source("first"), key.ID)
		if v.Read("transit/keys/"+name) != nil {
			t.Error("the Transit key is there")
		}
	})
}
