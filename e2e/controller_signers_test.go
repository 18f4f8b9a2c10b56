package e2e_test

import (
	"context"
	"fmt"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// TestSignedStaysSigned holds that an object that an allowed signer has signed is not accepted unsigned or signed by others, nor when it was deleted in between,
// nor under a keyring that lists nobody any more; and that the signature that was accepted outlives its signer's place on the list.
func TestSignedStaysSigned(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	alice, bob, mallory := sshKey(t), sshKey(t), sshKey(t)
	kr := w.rules(t, "signed", func(s *v1alpha1.KeyringSpec) {
		s.Signers = []v1alpha1.Signer{listed("alice", alice), listed("bob", bob)}
	})
	unsigned, signed, forged := w.version(t, "db", "unsigned"), w.version(t, "db", "signed"), w.version(t, "db", "forged")
	sign(t, signed, alice)
	sign(t, forged, mallory)
	w.put(t, forged)
	w.refused(t, "db", unseal.PolicyDenied, "", "SHA256:", "alice or bob", kr.Name)
	w.put(t, unsigned)
	w.opened(t, "db", "unsigned")
	w.put(t, signed)
	w.opened(t, "db", "signed")
	w.seen(t, "db")

	later := w.version(t, "db", "later")
	w.put(t, later)
	w.refused(t, "db", unseal.PolicyDenied, "signed", "not signed", "remove its mark")
	w.put(t, forged)
	w.refused(t, "db", unseal.PolicyDenied, "signed", "not among the signers")
	w.gone(t, later)
	w.put(t, later)
	w.refused(t, "db", unseal.PolicyDenied, "", "not signed")

	// The signer leaves. What is in the cluster stays, and comes back when its Secret is lost; nothing new of alice does.
	w.put(t, signed)
	w.opened(t, "db", "signed")
	w.rules(t, "signed", func(s *v1alpha1.KeyringSpec) { s.Signers = s.Signers[1:] })
	if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}); err != nil {
		t.Fatal(err)
	}
	w.opened(t, "db", "signed")
	w.seen(t, "db")
	sign(t, later, alice)
	w.put(t, later)
	w.refused(t, "db", unseal.PolicyDenied, "signed", "let bob sign it")
	sign(t, later, bob)
	w.put(t, later)
	w.opened(t, "db", "later")

	w.rules(t, "signed", func(s *v1alpha1.KeyringSpec) { s.Signers = nil })
	last := w.version(t, "db", "last")
	w.put(t, last)
	w.refused(t, "db", unseal.PolicyDenied, "later", "not signed")
	w.mark(t, "db", "null")
	w.opened(t, "db", "last")
}

// TestTheStrictestKeyringWins holds that the rules of a keyring hold for an object that another one opens: its wraps were dropped by whoever wrote to Git, or
// were never there. And that a keyring whose signers cannot be used refuses, and says so.
func TestTheStrictestKeyringWins(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	alice := sshKey(t)
	strict := w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) {
		s.Signatures, s.Rollback, s.Signers = v1alpha1.SignaturesRequired, v1alpha1.RollbackDeny, []v1alpha1.Signer{listed("alice", alice)}
	})
	// Sealed for the lax keyring alone, as it is after the strict one's wraps were dropped.
	o := w.version(t, "db", "first")
	w.put(t, o)
	w.refused(t, "db", unseal.PolicyDenied, "", "not signed", strict.Name, "requires it")
	sign(t, o, alice)
	w.put(t, o)
	w.opened(t, "db", "first")
	next := w.version(t, "db", "next")
	sign(t, next, alice)
	w.put(t, next)
	w.opened(t, "db", "next")
	w.put(t, o)
	w.refused(t, "db", unseal.RollbackDenied, "next", strict.Name)

	// The lax keyring of the namespace gives way at once when the strict one stops to rule there.
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Namespaces = []string{"elsewhere"} })
	w.opened(t, "db", "first")
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) {
		s.Namespaces, s.Signers = []string{w.namespace}, []v1alpha1.Signer{{Name: "nobody", Key: "ssh-ed25519 AAAA"}}
	})
	harness.Eventually(w.ctx, t, "the keyring says that a signer cannot be used", func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKeyFromObject(strict), strict); err != nil {
			return err
		}
		ready, stalled := apimeta.FindStatusCondition(strict.Status.Conditions, v1alpha1.ConditionReady), apimeta.FindStatusCondition(strict.Status.Conditions, v1alpha1.ConditionStalled)
		if stalled == nil || ready.Status != metav1.ConditionFalse || ready.Reason != keyring.ReasonSignerInvalid || !has(ready.Message, "nobody") || strict.Status.ActiveKey == "" {
			return fmt.Errorf("%+v", strict.Status.Conditions)
		}
		return nil
	})
	third := w.version(t, "db", "third")
	sign(t, third, alice)
	w.put(t, third)
	w.refused(t, "db", unseal.PolicyDenied, "first", "not among the signers")
}

// TestAnOverrideCountsOnce plays an incident: the new version is bad, an allowed signer takes the old one back, and whoever writes to Git replays it later.
func TestAnOverrideCountsOnce(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	alice, mallory := sshKey(t), sshKey(t)
	w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) {
		s.Rollback, s.Signers = v1alpha1.RollbackDeny, []v1alpha1.Signer{listed("alice", alice)}
	})
	good, bad := w.version(t, "db", "good"), w.version(t, "db", "bad")
	for _, o := range []*v1alpha1.GitSecret{good, bad} {
		sign(t, o, alice)
		w.put(t, o)
	}
	w.opened(t, "db", "bad")
	back := good.DeepCopy()
	back.Annotations = map[string]string{v1alpha1.AnnotationRollbackFrom: envelope(bad)}
	w.put(t, back)
	w.refused(t, "db", unseal.Tampered, "bad", "waxwing.io/ annotations")
	sign(t, back, mallory)
	w.put(t, back)
	w.refused(t, "db", unseal.PolicyDenied, "bad", "not among the signers")
	wrong := good.DeepCopy()
	wrong.Annotations = map[string]string{v1alpha1.AnnotationRollbackFrom: envelope(good)}
	sign(t, wrong, alice)
	w.put(t, wrong)
	w.refused(t, "db", unseal.RollbackDenied, "bad", "the newest envelope is "+envelope(bad))

	sign(t, back, alice)
	w.put(t, back)
	w.opened(t, "db", "good")
	until(w.ctx, t, "an event tells of it", func() bool { return w.warnings(t, "db", unseal.EventRolledBack) == 1 })
	// It stays so, also when the Secret is lost and the annotation is taken off.
	if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}); err != nil {
		t.Fatal(err)
	}
	w.opened(t, "db", "good")
	w.put(t, good)
	w.seen(t, "db")
	w.eventually(t, "db", unseal.Unsealed)

	w.put(t, bad)
	w.opened(t, "db", "bad")
	w.put(t, back)
	w.refused(t, "db", unseal.RollbackDenied, "bad", "used already")
	next := w.version(t, "db", "next")
	sign(t, next, alice)
	w.put(t, next)
	w.opened(t, "db", "next")
	w.put(t, back)
	w.refused(t, "db", unseal.RollbackDenied, "next", "the newest envelope is "+envelope(next))
}

// TestTemplatesCarryWhatTheKeyringGrants runs the whole way once: the API server's rules for the list, and the Secret.
func TestTemplatesCarryWhatTheKeyringGrants(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: "default"}}
	w.holder(t)
	grant := func(keys ...string) {
		w.update(t, kr, func() { kr.Spec.TemplateMetadata = keys })
	}
	t.Cleanup(func() {
		// The test's own context has ended by now.
		if err := w.Patch(context.Background(), kr, client.RawPatch(types.MergePatchType, []byte(`{"spec":{"templateMetadata":null}}`))); err != nil {
			t.Error(err)
		}
	})
	o := w.version(t, "db", "x")
	o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"argocd.argoproj.io/instance": "x"}, Annotations: map[string]string{"example.com/team": "x"}}}
	w.put(t, o)
	w.refused(t, "db", unseal.PolicyDenied, "", "spec.templateMetadata of the Keyring")
	grant("argocd.argoproj.io/*", "example.com/team")
	w.opened(t, "db", "x")
	for _, key := range []string{"waxwing.io/*", "waxwing.io/adopt", "kubectl.kubernetes.io/*", "kubernetes.io/*", "k8s.io/x", "app.kubernetes.io/managed-by", "*", "*/*", "example.com", "example.com/te*", "/x"} {
		if err := w.Get(w.ctx, client.ObjectKeyFromObject(kr), kr); err != nil {
			t.Fatal(err)
		}
		kr.Spec.TemplateMetadata = []string{key}
		if err := w.Update(w.ctx, kr); err == nil {
			t.Errorf("the API server takes %q", key)
		}
	}
}
