package e2e_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"golang.org/x/crypto/ssh"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// rules makes a Keyring for the test's namespace alone, or changes it, and waits until the controller knows of it. Objects stay sealed for the default keyring:
// the rules hold all the same.
func (w *world) rules(t *testing.T, suffix string, change func(*v1alpha1.KeyringSpec)) *v1alpha1.Keyring {
	t.Helper()
	kr := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: w.namespace[:min(len(w.namespace), 50)] + "-" + suffix}}
	kr.Spec.Source.Secret = &v1alpha1.SecretSource{}
	kr.Spec.Namespaces = []string{w.namespace}
	if err := w.Get(w.ctx, client.ObjectKeyFromObject(kr), kr); apierrors.IsNotFound(err) {
		change(&kr.Spec)
		w.create(t, kr)
		t.Cleanup(func() {
			// The test's own context has ended by now.
			if err := client.IgnoreNotFound(w.Delete(context.Background(), kr)); err != nil {
				t.Error(err)
			}
		})
	} else {
		w.update(t, kr, func() { change(&kr.Spec) })
	}
	harness.Eventually(w.ctx, t, "the controller knows the keyring's rules", func(ctx context.Context) error {
		if err := w.Get(ctx, client.ObjectKeyFromObject(kr), kr); err != nil {
			return err
		}
		if kr.Status.ObservedGeneration != kr.Generation || len(kr.Status.Conditions) == 0 {
			return fmt.Errorf("generation %d, status %+v", kr.Generation, kr.Status)
		}
		return nil
	})
	return kr
}

func sshKey(t *testing.T) ssh.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func listed(name string, s ssh.Signer) v1alpha1.Signer {
	return v1alpha1.Signer{Name: name, Key: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))}
}

func sign(t *testing.T, o *v1alpha1.GitSecret, by ssh.Signer) {
	t.Helper()
	checked, err := seal.Check(&o.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := checked.Sign(o.Annotations, by, rand.Reader); err != nil {
		t.Fatal(err)
	}
}

// put makes the object what Git would have it be: another one's spec and annotations.
func (w *world) put(t *testing.T, as *v1alpha1.GitSecret) *v1alpha1.GitSecret {
	t.Helper()
	o := w.object(as.Name, as.Spec.DeepCopy())
	spec, annotations := as.Spec.DeepCopy(), as.DeepCopy().Annotations
	if err := w.Get(w.ctx, client.ObjectKeyFromObject(o), o); apierrors.IsNotFound(err) {
		o = w.object(as.Name, spec)
		o.Annotations = annotations
		w.create(t, o)
		return o
	}
	w.update(t, o, func() { o.Spec, o.Annotations = *spec.DeepCopy(), annotations })
	return o
}

// version is an object of the name with one item, whose value is the canary and a word of its own; each call seals anew.
func (w *world) version(t *testing.T, name, word string) *v1alpha1.GitSecret {
	t.Helper()
	spec, err := sealer().Seal(seal.For{Scope: seal.ScopeStrict, Namespace: w.namespace, Name: name},
		seal.Values{"password": seal.NewValue([]byte(canary + "-" + word))}, []seal.Holder{w.holder(t)})
	if err != nil {
		t.Fatal(err)
	}
	return w.object(name, spec)
}

// opened waits until the Secret has the value with the word.
func (w *world) opened(t *testing.T, name, word string) {
	t.Helper()
	harness.Eventually(w.ctx, t, "Secret "+name+" has the value "+word, func(ctx context.Context) error {
		s := &corev1.Secret{}
		if err := w.Get(ctx, w.key(name), s); err != nil {
			return err
		}
		if string(s.Data["password"]) != canary+"-"+word {
			return errors.New("it has another value")
		}
		return nil
	})
}

// refused waits until the object is refused, and holds that the message has all parts and the Secret still the value with the word ("" for no Secret).
func (w *world) refused(t *testing.T, name string, reason unseal.Reason, word string, parts ...string) {
	t.Helper()
	o := w.eventually(t, name, reason)
	if c := apimeta.FindStatusCondition(o.Status.Conditions, v1alpha1.ConditionReady); !has(c.Message, parts...) {
		t.Errorf("the message lacks one of %q: %s", parts, c.Message)
	}
	if word == "" {
		w.absent(t, name)
		return
	}
	w.opened(t, name, word)
}

// envelope is the newest one of an object.
func envelope(o *v1alpha1.GitSecret) string {
	newest := ""
	for id := range o.Spec.Envelopes {
		newest = max(newest, id)
	}
	return newest
}

// warnings counts the events of the object with a reason.
func (w *world) warnings(t *testing.T, name, reason string) int {
	t.Helper()
	var all eventsv1.EventList
	if err := w.List(w.ctx, &all, client.InNamespace(w.namespace)); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range all.Items {
		if e.Regarding.Name == name && e.Reason == reason && e.Type == corev1.EventTypeWarning {
			n++
			if e.Series != nil {
				n += int(e.Series.Count) - 1
			}
		}
	}
	return n
}

// TestGoingBackIsToldOrDenied plays the same versions under both rules.
func TestGoingBackIsToldOrDenied(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	first, second := w.version(t, "db", "first"), w.version(t, "db", "second")
	w.put(t, first)
	w.opened(t, "db", "first")
	w.put(t, second)
	w.opened(t, "db", "second")

	w.put(t, first)
	w.opened(t, "db", "first")
	until(w.ctx, t, "an event tells of it", func() bool { return w.warnings(t, "db", unseal.EventRolledBack) == 1 })
	until(w.ctx, t, "an outcome in the audit log tells of it", func() bool {
		return slices.ContainsFunc(ctl.records(t), func(r audit.Record) bool {
			return r.Phase == audit.PhaseOutcome && has(r.Outcome.Message, unseal.EventRolledBack, envelope(first), envelope(second))
		})
	})
	// Drift of what was let through makes no second event.
	if err := w.Delete(w.ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "db"}}); err != nil {
		t.Fatal(err)
	}
	w.opened(t, "db", "first")
	w.seen(t, "db")

	w.put(t, second)
	w.opened(t, "db", "second")
	if n := w.warnings(t, "db", unseal.EventRolledBack); n != 1 {
		t.Errorf("%d events tell that the object went back", n)
	}
	kr := w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	w.put(t, first)
	w.refused(t, "db", unseal.RollbackDenied, "second", "spec.items.password", envelope(first), envelope(second), kr.Name, "waxwing-marks-")
	// Nor when the object is gone in between.
	w.gone(t, second)
	w.put(t, first)
	w.refused(t, "db", unseal.RollbackDenied, "", envelope(second))
	w.put(t, w.version(t, "db", "third"))
	w.opened(t, "db", "third")
}

// gone deletes the object and waits for the end of its Secret.
func (w *world) gone(t *testing.T, o *v1alpha1.GitSecret) {
	t.Helper()
	if err := w.Delete(w.ctx, w.object(o.Name, &o.Spec)); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(w.ctx, t, "the Secret is gone", func(ctx context.Context) error {
		if err := w.Get(ctx, w.key(o.Name), &corev1.Secret{}); !apierrors.IsNotFound(err) {
			return errors.Join(errors.New("it is still there"), err)
		}
		return nil
	})
}

// shardOf finds the ConfigMap with an object's mark.
func (w *world) shardOf(t *testing.T, name string) *corev1.ConfigMap {
	t.Helper()
	var found *corev1.ConfigMap
	harness.Eventually(w.ctx, t, "the mark of "+name+" is stored", func(ctx context.Context) error {
		var all corev1.ConfigMapList
		if err := w.List(ctx, &all, client.InNamespace(home)); err != nil {
			return err
		}
		for i := range all.Items {
			if _, ok := all.Items[i].Data[w.namespace+"_"+name]; ok && strings.HasPrefix(all.Items[i].Name, "waxwing-marks-") {
				found = &all.Items[i]
				return nil
			}
		}
		return errors.New("it is in no ConfigMap")
	})
	return found
}

// mark edits the stored mark of an object as an administrator would; null removes it.
func (w *world) mark(t *testing.T, name, jsonValue string) {
	t.Helper()
	cm := w.shardOf(t, name)
	patch := fmt.Sprintf(`{"data":{%q:%s}}`, w.namespace+"_"+name, jsonValue)
	if err := w.Patch(w.ctx, cm, client.RawPatch(types.MergePatchType, []byte(patch))); err != nil {
		t.Fatal(err)
	}
}

// TestAnOnCallPersonRemovesAMark holds that a mark that is removed from its ConfigMap counts no more at once, in the running controller, and that a damaged one is
// refused where going back is, and is never written over.
func TestAnOnCallPersonRemovesAMark(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	kr := w.rules(t, "strict", func(s *v1alpha1.KeyringSpec) { s.Rollback = v1alpha1.RollbackDeny })
	first, second := w.version(t, "db", "first"), w.version(t, "db", "second")
	w.put(t, second)
	w.opened(t, "db", "second")
	w.put(t, first)
	w.refused(t, "db", unseal.RollbackDenied, "second")
	w.mark(t, "db", "null")
	w.opened(t, "db", "first")

	w.mark(t, "db", `"1 nonsense"`)
	until(w.ctx, t, "the metrics tell of it", func() bool { // the mark and the object come by two watches
		body, err := get("http://" + ctl.metrics + "/metrics")
		return err == nil && has(string(body), `waxwing_marks{state="damaged"} 1`)
	})
	w.put(t, second)
	w.refused(t, "db", unseal.RollbackDenied, "first", "damaged", kr.Name, w.shardOf(t, "db").Name)
	if text := w.shardOf(t, "db").Data[w.namespace+"_db"]; text != "1 nonsense" {
		t.Errorf("the damaged mark was written over: %s", text)
	}
	w.mark(t, "db", "null")
	w.opened(t, "db", "second")
}
