package e2e_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// signed signs an object, its annotations included.
func signed(t *testing.T, o *v1alpha1.GitSecret) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	checked, err := seal.Check(&o.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if err := checked.Sign(o.Annotations, signer, rand.Reader); err != nil {
		t.Fatal(err)
	}
}

// TestGitSecretBecomesASecret is the main job: a sealed, signed object with everything in it, applied by kubectl as from Git.
func TestGitSecretBecomesASecret(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	o := w.sealed(t, "db", "user", "password")
	no := false
	o.Spec.Immutable = &no
	o.Spec.Type = "example.com/database"
	o.Spec.Template = &seal.Template{
		Metadata: &seal.TemplateMetadata{Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"note": "b"}},
		Data:     map[string]string{"url": "{{ .user }}"},
	}
	o.Annotations = map[string]string{"waxwing.io/ticket": "42"}
	signed(t, o)
	// No event tells of what is well and was there before the controller looked at anything, so it looks at something else first.
	early := w.sealed(t, "early", "user")
	early.Spec.Suspend = true
	w.create(t, early)
	w.eventually(t, "early", unseal.Suspended)
	w.run(t, "apply", "-f", file(t, o))
	w.run(t, "wait", "--for=condition=Ready", "--timeout=150s", "gitsecret/db")

	s := &corev1.Secret{}
	if err := w.Get(w.ctx, w.key("db"), s); err != nil {
		t.Fatal(err)
	}
	o = w.eventually(t, "db", unseal.Unsealed)
	if err := holdsExactly(&corev1.Secret{Data: map[string][]byte{"user": s.Data["user"], "password": s.Data["password"]}}, []string{"user", "password"}); err != nil {
		t.Error(err)
	}
	if len(s.Data) != 3 || string(s.Data["url"]) != canary+"-user" {
		t.Error("the template was not rendered into a third key")
	}
	if s.Type != "example.com/database" || s.Immutable == nil || *s.Immutable {
		t.Errorf("type %s, immutable %v", s.Type, s.Immutable)
	}
	wantLabels := map[string]string{"team": "a", "app.kubernetes.io/managed-by": "waxwing"}
	wantAnnotations := map[string]string{"note": "b", "waxwing.io/origin": w.namespace + "/db"}
	if diff := cmp.Diff(wantLabels, s.Labels) + cmp.Diff(wantAnnotations, s.Annotations); diff != "" {
		t.Error(diff)
	}
	if owner := metav1.GetControllerOf(s); owner == nil || owner.UID != o.UID {
		t.Errorf("owners %+v", s.OwnerReferences)
	}
	for _, m := range s.ManagedFields {
		if m.Manager != unseal.FieldManager {
			t.Errorf("managed by %s (%s)", m.Manager, m.Operation)
		}
	}
	checkStatus(t, o, s)
	checkAudit(t, ctl, o, s)

	holder := w.holder(t)
	wide := w.run(t, "get", "gitsecret", "db", "-o", "wide")
	if !has(wide, "READY", "REASON", "KEYS", "AGE", "MESSAGE", "True", "Unsealed", "default/"+holder.Recipients[0].KeyID()[:16], "holds 2 sealed items") {
		t.Errorf("the table: %s", wide)
	}
	until(w.ctx, t, "there is an event", func() bool {
		return has(w.run(t, "events", "--for", "gitsecret/db"), "Normal", "Unsealed", "holds 2 sealed items")
	})
	until(w.ctx, t, "the metrics count it", func() bool {
		body, err := get("http://" + ctl.metrics + "/metrics")
		return err == nil && has(string(body), `waxwing_unseal_total{reason="Unsealed"} 1`, `waxwing_unseal_total{reason="Tampered"} 0`,
			"waxwing_unseal_duration_seconds_count 1", `waxwing_gitsecrets{ready="True",reason="Unsealed"} `, `waxwing_keys{keyring="default",state="Active"} 1`)
	})
}

func checkStatus(t *testing.T, o *v1alpha1.GitSecret, s *corev1.Secret) {
	t.Helper()
	if len(o.Status.Conditions) != 1 || o.Status.Conditions[0].Status != metav1.ConditionTrue || o.Status.Conditions[0].ObservedGeneration != o.Generation {
		t.Errorf("conditions %+v", o.Status.Conditions)
	}
	want := &v1alpha1.SecretRef{Name: s.Name, UID: string(s.UID), ResourceVersion: s.ResourceVersion, Generation: o.Generation}
	if o.Status.Secret == nil || o.Status.Secret.Content == "" {
		t.Fatalf("the Secret in status is %+v", o.Status.Secret)
	}
	want.Content = o.Status.Secret.Content // a digest, which changes with what the Secret is made from
	if diff := cmp.Diff(want, o.Status.Secret); diff != "" {
		t.Error(diff)
	}
	if len(o.Status.Keys) != 1 || o.Status.Keys[0].Keyring != "default" || o.Status.Keys[0].Envelope != o.Spec.Referenced()[0] {
		t.Errorf("keys %+v", o.Status.Keys)
	}
}

// checkAudit holds that the write of the Secret has an intent before it and an outcome that names it.
func checkAudit(t *testing.T, ctl *replica, o *v1alpha1.GitSecret, s *corev1.Secret) {
	t.Helper()
	var intent, outcome *audit.Record
	until(ctl.w.ctx, t, "the audit log has intent and outcome", func() bool { // the status does not wait for the outcome
		records := ctl.records(t)
		intent, outcome = nil, nil
		for i, r := range records {
			if r.Phase == audit.PhaseIntent && r.Operation.Action == audit.ActionUnseal && r.Operation.Object.UID == string(o.UID) {
				intent = &records[i]
			}
		}
		for i, r := range records { // it may stand before its intent
			if intent != nil && r.Phase == audit.PhaseOutcome && r.ID == intent.ID {
				outcome = &records[i]
			}
		}
		return outcome != nil
	})
	if diff := cmp.Diff([]string{"password", "user"}, intent.Operation.Items); diff != "" {
		t.Error(diff)
	}
	if !outcome.Outcome.OK || outcome.Outcome.Secret == nil || outcome.Outcome.Secret.UID != string(s.UID) || outcome.Outcome.Secret.ResourceVersion != s.ResourceVersion {
		t.Errorf("outcome %+v", outcome.Outcome)
	}
}

// TestSpecSurvivesTheAPIServer holds that what was signed is what the controller reads back: absent and empty members alike.
func TestSpecSurvivesTheAPIServer(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	for name, spec := range map[string]string{
		"nothing-optional": `{}`,
		"empty-maps":       `{"template": {"metadata": {"labels": {}, "annotations": {}}, "data": {}}}`,
		"empty-template":   `{"template": {}}`,
		"false-and-empty":  `{"immutable": false, "suspend": false, "type": "", "deletionPolicy": "Delete"}`,
		"texts":            `{"template": {"metadata": {"annotations": {"note": " é\n\t\"<&>\u0001 "}}, "data": {"out": "a\r\nb \u2028 {{ .user | quote }}"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			o := w.sealed(t, name, "user")
			if err := json.Unmarshal([]byte(spec), &o.Spec); err != nil {
				t.Fatal(err)
			}
			o.Annotations = map[string]string{"waxwing.io/note": "x"}
			signed(t, o)
			var doc map[string]any
			mustConvert(t, o, &doc)
			var extra map[string]any
			if err := json.Unmarshal([]byte(spec), &extra); err != nil {
				t.Fatal(err)
			}
			for k, v := range extra {
				doc["spec"].(map[string]any)[k] = v // as it was written, empty members too
			}
			w.run(t, "apply", "-f", file(t, doc))
			w.eventually(t, name, unseal.Unsealed)
			w.run(t, "delete", "gitsecret", name)
			w.run(t, "apply", "--server-side", "-f", file(t, doc))
			w.eventually(t, name, unseal.Unsealed)
		})
	}
}

func mustConvert(t *testing.T, from, to any) {
	t.Helper()
	b, err := json.Marshal(from)
	if err == nil {
		err = json.Unmarshal(b, to)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestAPIServerRefuses holds that what the controller could only complain about is refused when it is applied.
func TestAPIServerRefuses(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	good := w.sealed(t, "db", "user")
	for name, c := range map[string]struct {
		change func(*v1alpha1.GitSecret)
		says   string
	}{
		"another format":                    {func(o *v1alpha1.GitSecret) { o.Spec.Format = 2 }, "spec.format"},
		"an item without its envelope":      {func(o *v1alpha1.GitSecret) { o.Spec.Envelopes = nil }, "every item must name an envelope"},
		"an item that cannot be a key":      {func(o *v1alpha1.GitSecret) { o.Spec.Items["a/b"] = o.Spec.Items["user"] }, "must be a key of a Secret"},
		"an item that begins with two dots": {func(o *v1alpha1.GitSecret) { o.Spec.Items["..a"] = o.Spec.Items["user"] }, "must be a key of a Secret"},
		"an envelope that is no ULID": {func(o *v1alpha1.GitSecret) {
			o.Spec.Envelopes["x"] = o.Spec.Envelopes[o.Spec.Items["user"].Envelope]
		}, "must be a ULID"},
		"a scope that there is not":          {func(o *v1alpha1.GitSecret) { o.Spec.For.Scope = "any" }, "spec.for.scope"},
		"a strict scope without a name":      {func(o *v1alpha1.GitSecret) { o.Spec.For.Name = "" }, "name is required for the scopes strict and match"},
		"a cluster scope with a namespace":   {func(o *v1alpha1.GitSecret) { o.Spec.For = seal.For{Scope: "cluster", Namespace: "x"} }, "must be absent for cluster and match"},
		"a match scope with a namespace":     {func(o *v1alpha1.GitSecret) { o.Spec.For = seal.For{Scope: "match:a-*", Namespace: "x", Name: "db"} }, "must be absent for cluster and match"},
		"a match scope without a name":       {func(o *v1alpha1.GitSecret) { o.Spec.For = seal.For{Scope: "match:a-*"} }, "name is required"},
		"a namespace scope with a name":      {func(o *v1alpha1.GitSecret) { o.Spec.For.Scope = "namespace" }, "must be absent for namespace and cluster"},
		"a deletion policy that is none":     {func(o *v1alpha1.GitSecret) { o.Spec.DeletionPolicy = "Keep" }, "spec.deletionPolicy"},
		"a signer that is no fingerprint":    {func(o *v1alpha1.GitSecret) { o.Spec.Signature = &seal.Signature{Signer: "x", SSHSig: "x"} }, "spec.signature.signer"},
		"an envelope that nobody can open":   {changeEnvelope(func(e *seal.Envelope) { e.Wraps = map[string]seal.Wrap{} }), "wraps"},
		"a commitment of the wrong length":   {changeEnvelope(func(e *seal.Envelope) { e.Commit = "AAAA" }), "commit"},
		"a date that is not in the one form": {changeEnvelope(func(e *seal.Envelope) { e.SealedAt = "2026-11-23T02:22:00+01:00" }), "sealedAt"},
	} {
		t.Run(name, func(t *testing.T) {
			o := good.DeepCopy()
			c.change(o)
			err := w.Create(w.ctx, o, client.DryRunAll)
			if !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want %q in it", err, c.says)
			}
		})
	}
	if err := w.Create(w.ctx, good.DeepCopy(), client.DryRunAll); err != nil {
		t.Errorf("the object as it was: %v", err)
	}
	for length, fits := range map[int]bool{63: true, 64: false} {
		ring := &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: strings.Repeat("a", length)}}
		ring.Spec.Source.Secret = &v1alpha1.SecretSource{}
		if err := w.Create(w.ctx, ring, client.DryRunAll); (err == nil) != fits || (err != nil && !strings.Contains(err.Error(), "at most 63 characters")) {
			t.Errorf("a keyring with a name of %d characters: %v", length, err)
		}
	}
}

func changeEnvelope(change func(*seal.Envelope)) func(*v1alpha1.GitSecret) {
	return func(o *v1alpha1.GitSecret) {
		for id, e := range o.Spec.Envelopes {
			change(&e)
			o.Spec.Envelopes[id] = e
		}
	}
}

// TestNewObjectsSayThatNothingIsKnownYet holds that kstatus does not take an object without a controller for a finished one.
func TestNewObjectsSayThatNothingIsKnownYet(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	o := w.sealed(t, "early", "user")
	ctl.Signal(t, os.Interrupt)
	ctl.Wait(t)
	w.create(t, o)
	got := &v1alpha1.GitSecret{}
	if err := w.Get(w.ctx, w.key("early"), got); err != nil {
		t.Fatal(err)
	}
	if got.Status.ObservedGeneration != -1 {
		t.Errorf("observedGeneration %d", got.Status.ObservedGeneration)
	}
	w.controller(t)
	w.holds(t, "early", "user")
}

// TestRefusals holds that what must not open does not, says why, and leaves no Secret and no trace of a value.
func TestRefusals(t *testing.T) {
	w := newWorld(t)
	ctl := w.controller(t)
	other := w.Namespace(t)
	for name, c := range map[string]struct {
		change func(*v1alpha1.GitSecret)
		want   unseal.Reason
		says   string
	}{
		"swapped": {func(o *v1alpha1.GitSecret) {
			o.Spec.Items["user"], o.Spec.Items["password"] = o.Spec.Items["password"], o.Spec.Items["user"]
		}, unseal.Tampered, "spec.items.password"},
		"renamed": {func(o *v1alpha1.GitSecret) { o.Name = "another" }, unseal.ScopeMismatch, "kustomize"},
		"moved":   {func(o *v1alpha1.GitSecret) { o.Namespace = other }, unseal.ScopeMismatch, "not for " + other + "/moved"},
		"relabelled": {func(o *v1alpha1.GitSecret) {
			o.Namespace, o.Spec.For.Namespace = other, other
		}, unseal.Tampered, "spec.envelopes."},
		"home":  {func(o *v1alpha1.GitSecret) { o.Namespace = home }, unseal.PolicyDenied, "the controller's namespace"},
		"token": {func(o *v1alpha1.GitSecret) { o.Spec.Type = "kubernetes.io/service-account-token" }, unseal.UnsupportedType, "credential"},
		"tls":   {func(o *v1alpha1.GitSecret) { o.Spec.Type = "kubernetes.io/tls" }, unseal.UnsupportedType, "tls.crt"},
		"docker": {func(o *v1alpha1.GitSecret) {
			o.Spec.Type = "kubernetes.io/dockerconfigjson"
			o.Spec.Template = &seal.Template{Data: map[string]string{".dockerconfigjson": "{{ .password }}"}}
		}, unseal.TemplateError, "cannot be rendered"},
		"json": {func(o *v1alpha1.GitSecret) {
			o.Spec.Type = "kubernetes.io/dockerconfigjson"
			if err := sealer().Put(&o.Spec, values(".dockerconfigjson"), []seal.Holder{w.holder(t)}); err != nil {
				t.Fatal(err)
			}
		}, unseal.ApplyFailed, "data[.dockerconfigjson]"},
		"tracked": {func(o *v1alpha1.GitSecret) {
			o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Annotations: map[string]string{"argocd.argoproj.io/tracking-id": "x"}}}
		}, unseal.PolicyDenied, "argocd.argoproj.io/tracking-id"},
		"template": {func(o *v1alpha1.GitSecret) {
			o.Spec.Template = &seal.Template{Data: map[string]string{"url": "{{ .host }}"}}
		}, unseal.TemplateError, "spec.template.data.url"},
		"resigned": {func(o *v1alpha1.GitSecret) {
			signed(t, o)
			delete(o.Spec.Items, "user")
		}, unseal.Tampered, "spec.signature"},
		"suspended": {func(o *v1alpha1.GitSecret) { o.Spec.Suspend = true }, unseal.Suspended, "spec.suspend"},
	} {
		t.Run(name, func(t *testing.T) {
			o := w.sealed(t, name, "user", "password")
			c.change(o)
			w.create(t, o)
			t.Cleanup(func() { _ = w.Delete(context.WithoutCancel(w.ctx), o) })
			key := client.ObjectKeyFromObject(o)
			harness.Eventually(w.ctx, t, "it is refused", func(ctx context.Context) error {
				if err := w.Get(ctx, key, o); err != nil {
					return err
				}
				ready := readyOf(o)
				if ready.Reason != string(c.want) || !strings.Contains(ready.Message, c.says) {
					return errors.New("the status says " + ready.Reason + ": " + ready.Message)
				}
				return nil
			})
			row, _ := c.want.Row()
			want := map[unseal.Then]string{unseal.Stalled: "Stalled", unseal.Retrying: "Reconciling", unseal.Settled: ""}[row.Then]
			for _, cond := range o.Status.Conditions {
				if cond.Type != "Ready" && cond.Type != want {
					t.Errorf("condition %s: %s", cond.Type, cond.Reason)
				}
			}
			if err := w.Get(w.ctx, key, &corev1.Secret{}); !apierrors.IsNotFound(err) {
				t.Errorf("there is a Secret (%v)", err)
			}
			if row.Then == unseal.Stalled {
				until(w.ctx, t, "the audit log says so", func() bool { return ctl.recorded(t, o, c.want) })
			}
		})
	}
}

// recorded says whether the audit log has a refusal of the object, as a note or as the outcome of an attempt.
func (r *replica) recorded(t *testing.T, o *v1alpha1.GitSecret, reason unseal.Reason) bool {
	t.Helper()
	records, tried := r.records(t), map[string]bool{}
	for _, rec := range records {
		if rec.Operation != nil && rec.Operation.Object.UID == string(o.UID) {
			tried[rec.ID] = true
		}
	}
	return slices.ContainsFunc(records, func(rec audit.Record) bool {
		return tried[rec.ID] && rec.Outcome != nil && !rec.Outcome.OK && rec.Outcome.Reason == string(reason)
	})
}

func readyOf(o *v1alpha1.GitSecret) metav1.Condition {
	for _, c := range o.Status.Conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c
		}
	}
	return metav1.Condition{}
}
