package e2e_test

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	apimeta "k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	corev1client "k8s.io/client-go/kubernetes/typed/core/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/audit"
	"github.com/waxwing-io/waxwing/audit/audittest"
	"github.com/waxwing-io/waxwing/controller"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/crypto/statement"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
)

// keyringBench is a Manager over the source `secret` in a namespace of its own, with a real audit log.
type keyringBench struct {
	*harness.Cluster
	t         *testing.T
	namespace string
	secrets   corev1client.SecretInterface
	source    *secretsource.Source
	logPath   string
	log       *audit.Recorder
	live      *keyring.Live
	manager   *keyring.Manager
	now       func() time.Time
	uses      keyring.UsesFunc
}

func newKeyringBench(t *testing.T) *keyringBench {
	t.Helper()
	b := &keyringBench{Cluster: harness.Start(t), t: t, logPath: filepath.Join(t.TempDir(), "audit"), live: &keyring.Live{}, now: time.Now}
	b.namespace = b.Namespace(t)
	b.secrets = b.Clientset().CoreV1().Secrets(b.namespace)
	b.source = secretsource.New(b.secrets, time.Now, rand.Reader)
	b.log = audittest.Open(t, b.logPath)
	t.Cleanup(func() { _ = b.log.Close() })
	b.manager = b.newManager(b.source)
	return b
}

func (b *keyringBench) newManager(src keyring.Source) *keyring.Manager {
	return keyring.NewManager(keyring.Config{Source: keyring.ClearSecrets(src), Uses: b.uses, Audit: b.log, Now: b.now, Rand: rand.Reader, Live: b.live})
}

func keyringNamed(name string) *v1alpha1.Keyring {
	return &v1alpha1.Keyring{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: v1alpha1.KeyringSpec{
			Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, Class: string(seal.PostQuantum), Namespaces: []string{"*"}, Scopes: []string{"strict"},
		},
	}
}

func (b *keyringBench) ready(name string) keyring.Result {
	b.t.Helper()
	res, err := b.manager.Ensure(b.t.Context(), keyringNamed(name))
	if err != nil || !res.Ready {
		b.t.Fatalf("ensure: %+v, %v", res, err)
	}
	return res
}

func (b *keyringBench) get(name string) *corev1.Secret {
	b.t.Helper()
	s, err := b.secrets.Get(b.t.Context(), name, metav1.GetOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *keyringBench) put(s *corev1.Secret) *corev1.Secret {
	b.t.Helper()
	s.ResourceVersion, s.UID = "", ""
	made, err := b.secrets.Create(b.t.Context(), s, metav1.CreateOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	return made
}

func (b *keyringBench) remove(name string) {
	b.t.Helper()
	if err := b.secrets.Delete(b.t.Context(), name, metav1.DeleteOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func (b *keyringBench) annotate(name, key, value string) {
	b.t.Helper()
	s := b.get(name)
	s.Annotations[key] = value
	if _, err := b.secrets.Update(b.t.Context(), s, metav1.UpdateOptions{}); err != nil {
		b.t.Fatal(err)
	}
}

func TestKeyringInSecretsIsMadeFromNothing(t *testing.T) {
	b := newKeyringBench(t)
	res := b.ready("prod.eu-1")
	id := res.Keys[0].ID
	key, st := b.get(secretsource.KeySecretName("prod.eu-1", id)), b.get(secretsource.StatementSecretName("prod.eu-1"))
	for _, s := range []*corev1.Secret{key, st} {
		if s.Immutable == nil || !*s.Immutable || s.Labels[secretsource.LabelKeyring] != "prod.eu-1" || len(s.OwnerReferences) != 0 {
			t.Errorf("Secret %s: immutable %v, labels %v, owners %v", s.Name, s.Immutable, s.Labels, s.OwnerReferences)
		}
	}
	if key.Name != "waxwing-key-prod.eu-1-"+id[:16] || key.Type != "waxwing.io/sealing-key" || key.Labels["waxwing.io/key-id"] != id ||
		key.Annotations["waxwing.io/state"] != "Active" || key.Annotations["waxwing.io/activated"] == "" {
		t.Errorf("key: %s %s %v %v", key.Name, key.Type, key.Labels, key.Annotations)
	}
	if st.Name != "waxwing-statement-prod.eu-1" || st.Type != "waxwing.io/statement-key" || st.Annotations["waxwing.io/recipients"] != res.Note || st.Annotations["waxwing.io/claim"] != "" {
		t.Errorf("statement key: %s %s %v", st.Name, st.Type, st.Annotations)
	}
	// The Secret holds what age's own tools read.
	ids, err := age.ParseIdentities(strings.NewReader(string(key.Data["identity"])))
	if err != nil || len(ids) != 1 || ids[0].(*age.HybridIdentity).Recipient().String() != res.Keys[0].Recipient {
		t.Errorf("the identity file: %d identities, %v", len(ids), err)
	}
	set, err := statement.OpenRecipients([]byte(res.Note), strings.TrimSpace(string(st.Data["verifier"])))
	if err != nil || set.Set != 1 || set.Recipients[0].String() != res.Keys[0].Recipient {
		t.Errorf("the note: %+v, %v", set, err)
	}
	res.Done = nil
	b.manager = b.newManager(b.source)
	if diff := cmp.Diff(res, b.ready("prod.eu-1")); diff != "" {
		t.Errorf("after a restart: %s", diff)
	}
	if other := b.ready("prod.eu-2"); other.Keys[0].ID == id {
		t.Error("two keyrings have one key")
	}
	if all, err := b.secrets.List(t.Context(), metav1.ListOptions{}); err != nil || len(all.Items) != 4 {
		t.Errorf("%d Secrets, %v", len(all.Items), err)
	}
}

func TestKeyringSourceIsCompareAndSet(t *testing.T) {
	b := newKeyringBench(t)
	ctx := t.Context()
	const name = "default"
	for i, want := range []error{nil, keyring.ErrConflict} {
		if err := b.source.CreateStatement(ctx, name); !errors.Is(err, want) {
			t.Errorf("statement key %d: %v", i, err)
		}
	}
	st, err := b.source.LoadStatement(ctx, name)
	if err != nil {
		t.Fatal(err)
	}
	st.Claim = "somebody"
	for i, want := range []error{nil, keyring.ErrConflict} {
		if err := b.source.SaveStatement(ctx, st); !errors.Is(err, want) {
			t.Errorf("save %d of one version: %v", i, err)
		}
	}
	if _, err := b.source.Create(ctx, name, seal.Classical); err != nil {
		t.Fatal(err)
	}
	load := func() keyring.Stored {
		keys, faults, err := b.source.Load(ctx, name)
		if err != nil || len(faults) != 0 || len(keys) != 1 {
			t.Fatalf("%v, %v, %v", keys, faults, err)
		}
		return keys[0]
	}
	k := load()
	if err := b.source.SetState(ctx, k, keyring.Deactivated, time.Now()); err == nil || errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a step that is not legal: %v", err)
	}
	for i, want := range []error{nil, keyring.ErrConflict} {
		if err := b.source.SetState(ctx, k, keyring.Active, time.Now()); !errors.Is(err, want) {
			t.Errorf("activation %d of one version: %v", i, err)
		}
	}
	k = load()
	if k.State != keyring.Active || k.Activated.IsZero() {
		t.Errorf("%v, activated %v", k, k.Activated)
	}
	b.remove(secretsource.KeySecretName(name, k.ID))
	if err := b.source.SetState(ctx, k, keyring.Suspended, time.Now()); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a key that is gone: %v", err)
	}
	b.remove(secretsource.StatementSecretName(name))
	if err := b.source.SaveStatement(ctx, st); !errors.Is(err, keyring.ErrConflict) {
		t.Errorf("a statement key that is gone: %v", err)
	}
	if st, err := b.source.LoadStatement(ctx, name); st != nil || err != nil {
		t.Errorf("a statement key that is gone: %v, %v", st, err)
	}
}

func TestKeyringControllersThatRaceAgree(t *testing.T) {
	b := newKeyringBench(t)
	for round := range 3 {
		name := fmt.Sprintf("race-%d", round)
		notes := make([]string, 4)
		var wg sync.WaitGroup
		for i := range notes {
			wg.Go(func() {
				m := keyring.NewManager(keyring.Config{Source: keyring.ClearSecrets(b.source), Audit: b.log, Now: time.Now, Rand: rand.Reader, Live: &keyring.Live{}})
				res, err := m.Ensure(t.Context(), keyringNamed(name))
				if err != nil || !res.Ready {
					t.Errorf("%+v, %v", res, err)
				}
				notes[i] = res.Note
			})
		}
		wg.Wait()
		if len(slices.Compact(notes)) != 1 {
			t.Errorf("%s has %d notes", name, len(slices.Compact(notes)))
		}
		keys, _, err := b.source.Load(t.Context(), name)
		active := 0
		for _, k := range keys {
			if k.State == keyring.Active {
				active++
			}
		}
		if err != nil || active != 1 {
			t.Errorf("%s: %d active of %d keys, %v", name, active, len(keys), err)
		}
		t.Logf("%s: %d keys were made", name, len(keys))
	}
}

// brokenKeySecrets are key Secrets as restores, copies and edits leave them. Each is made from a good one and another good one.
func brokenKeySecrets() map[string]struct {
	change func(s, other *corev1.Secret)
	says   string
} {
	const junk = canary + "-in-data"
	return map[string]struct {
		change func(s, other *corev1.Secret)
		says   string
	}{
		"no data":                             {func(s, _ *corev1.Secret) { s.Data = nil }, "0 identities"},
		"junk for an identity":                {func(s, _ *corev1.Secret) { s.Data["identity"] = []byte(junk) }, "malformed identity"},
		"an identity with a damaged checksum": {func(s, _ *corev1.Secret) { s.Data["identity"][len(s.Data["identity"])-3] ^= 1 }, "malformed identity"},
		"bytes that are no text":              {func(s, _ *corev1.Secret) { s.Data["identity"] = []byte("\xff\x00\xfe" + junk) }, "malformed identity"},
		"two identities":                      {func(s, o *corev1.Secret) { s.Data["identity"] = append(s.Data["identity"], o.Data["identity"]...) }, "2 identities"},
		"the identity of another key":         {func(s, o *corev1.Secret) { s.Data["identity"] = o.Data["identity"] }, "has a recipient that does not belong to its identity"},
		"the recipient of another key":        {func(s, o *corev1.Secret) { s.Data["recipient"] = o.Data["recipient"] }, "has a recipient that does not belong to its identity"},
		"no recipient":                        {func(s, _ *corev1.Secret) { delete(s.Data, "recipient") }, "has a recipient that does not belong to its identity"},
		"the label of another key":            {func(s, o *corev1.Secret) { s.Labels["waxwing.io/key-id"] = o.Labels["waxwing.io/key-id"] }, "label waxwing.io/key-id of another key"},
		"another type":                        {func(s, _ *corev1.Secret) { s.Type = "Opaque" }, "is of type Opaque"},
		"the type of a statement key":         {func(s, _ *corev1.Secret) { s.Type = "waxwing.io/statement-key" }, "is of type waxwing.io/statement-key"},
		"another name":                        {func(s, _ *corev1.Secret) { s.Name = "waxwing-key-default-backup" }, "belongs in Secret waxwing-key-default-"},
		"no state":                            {func(s, _ *corev1.Secret) { delete(s.Annotations, "waxwing.io/state") }, "no state"},
		"a state that is none":                {func(s, _ *corev1.Secret) { s.Annotations["waxwing.io/state"] = junk }, "no state"},
		"no date":                             {func(s, _ *corev1.Secret) { delete(s.Annotations, "waxwing.io/created") }, "no time in annotation waxwing.io/created"},
		"a date that is none":                 {func(s, _ *corev1.Secret) { s.Annotations["waxwing.io/created"] = junk }, "no time in annotation waxwing.io/created"},
		"active without a date of activation": {func(s, _ *corev1.Secret) { s.Annotations["waxwing.io/state"] = "Active" }, "no time in annotation waxwing.io/activated"},
		"a classical key in a post-quantum keyring": {func(s, _ *corev1.Secret) {
			id, _ := age.GenerateX25519Identity()
			keyID := seal.KeyID(id.Recipient().String())
			s.Name, s.Labels["waxwing.io/key-id"] = secretsource.KeySecretName("default", keyID), keyID
			s.Data = map[string][]byte{"identity": []byte(id.String()), "recipient": []byte(id.Recipient().String())}
		}, "is of class classical"},
	}
}

func TestKeyringSecretThatIsBrokenHindersNoOther(t *testing.T) {
	b := newKeyringBench(t)
	first := b.ready("default").Keys[0].ID
	var spares []*corev1.Secret
	for range 2 {
		id, err := b.source.Create(t.Context(), "default", seal.PostQuantum)
		if err != nil {
			t.Fatal(err)
		}
		spares = append(spares, b.get(secretsource.KeySecretName("default", id)))
		b.remove(spares[len(spares)-1].Name)
	}
	private := strings.TrimSpace(strings.SplitAfter(string(spares[0].Data["identity"]), "\n")[1])
	for what, c := range brokenKeySecrets() {
		t.Run(what, func(t *testing.T) {
			s, other := spares[0].DeepCopy(), spares[1].DeepCopy()
			c.change(s, other)
			made := b.put(s)
			defer b.remove(made.Name)
			res := b.ready("default")
			if res.Reason != keyring.ReasonKeyUnreadable || !strings.Contains(res.Message, "Secret "+made.Name) || !strings.Contains(res.Message, c.says) {
				t.Errorf("%s: %s", res.Reason, res.Message)
			}
			for _, secret := range []string{canary, private[20:], "AGE-SECRET-KEY"} {
				if strings.Contains(res.Message, secret) {
					t.Errorf("the message quotes the Secret: %s", res.Message)
				}
			}
			if _, ok := b.live.Load().Identity(first); !ok || len(res.Keys) != 1 {
				t.Errorf("the good key is gone; keys: %v", res.Keys)
			}
			if after := b.get(made.Name); after.ResourceVersion != made.ResourceVersion {
				t.Error("the broken Secret was written to")
			}
		})
	}
	if res := b.ready("default"); res.Reason != keyring.ReasonKeyActive {
		t.Errorf("%s: %s", res.Reason, res.Message)
	}
}

func TestKeyringThatOnlyAPersonCanMend(t *testing.T) {
	for what, c := range map[string]struct {
		damage func(b *keyringBench, id string)
		reason string
		says   string
	}{
		"a foreign Secret in place of the statement key": {func(b *keyringBench, _ string) {
			b.remove("waxwing-statement-default")
			b.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "waxwing-statement-default"}, StringData: map[string]string{"signer": canary}})
		}, keyring.ReasonStatementInvalid, "Secret waxwing-statement-default has the name of a statement key but is of type Opaque"},
		"a statement key without its label": {func(b *keyringBench, _ string) {
			s := b.get("waxwing-statement-default")
			s.Labels = nil
			if _, err := b.secrets.Update(b.t.Context(), s, metav1.UpdateOptions{}); err != nil {
				b.t.Fatal(err)
			}
		}, keyring.ReasonStatementInvalid, "not its label"},
		"a statement key that is junk": {func(b *keyringBench, _ string) {
			s := b.get("waxwing-statement-default")
			b.remove(s.Name)
			s.Data["signer"] = []byte("PRIVATE+KEY+" + canary)
			b.put(s)
		}, keyring.ReasonStatementInvalid, "malformed statement key in signer"},
		"the halves of two statement keys": {func(b *keyringBench, _ string) {
			b.ready("other")
			s := b.get("waxwing-statement-default")
			b.remove(s.Name)
			s.Data["verifier"] = b.get("waxwing-statement-other").Data["verifier"]
			b.put(s)
		}, keyring.ReasonStatementInvalid, "do not belong together"},
		"the statement key of another keyring": {func(b *keyringBench, _ string) {
			b.ready("other")
			s := b.get("waxwing-statement-default")
			b.remove(s.Name)
			s.Data = b.get("waxwing-statement-other").Data
			b.put(s)
		}, keyring.ReasonStatementInvalid, "do not belong together, or to keyring default"},
		"a lost recipient set": {func(b *keyringBench, _ string) {
			s := b.get("waxwing-statement-default")
			delete(s.Annotations, "waxwing.io/recipients")
			if _, err := b.secrets.Update(b.t.Context(), s, metav1.UpdateOptions{}); err != nil {
				b.t.Fatal(err)
			}
		}, keyring.ReasonStatementInvalid, "has lost its annotation waxwing.io/recipients"},
		"a recipient set with another number": {func(b *keyringBench, _ string) {
			note := b.get("waxwing-statement-default").Annotations["waxwing.io/recipients"]
			b.annotate("waxwing-statement-default", "waxwing.io/recipients", strings.Replace(note, "set: 1", "set: 9", 1))
		}, keyring.ReasonStatementInvalid, "holds a recipient set that cannot be used"},
		"two active keys, and neither is the published one": {func(b *keyringBench, id string) {
			states := map[string]keyring.State{id: keyring.Deactivated}
			for range 2 {
				made, err := b.source.Create(b.t.Context(), "default", seal.PostQuantum)
				if err != nil {
					b.t.Fatal(err)
				}
				states[made] = keyring.Active
			}
			keys, _, err := b.source.Load(b.t.Context(), "default")
			for _, k := range keys {
				err = errors.Join(err, b.source.SetState(b.t.Context(), k, states[k.ID], time.Now()))
			}
			if err != nil {
				b.t.Fatal(err)
			}
		}, keyring.ReasonSeveralActiveKeys, "are active at once"},
		"the key was deleted": {func(b *keyringBench, id string) { b.remove(secretsource.KeySecretName("default", id)) },
			keyring.ReasonKeyMissing, "or delete Secret waxwing-statement-default too"},
	} {
		t.Run(what, func(t *testing.T) {
			b := newKeyringBench(t)
			id := b.ready("default").Keys[0].ID
			c.damage(b, id)
			before := b.versions()
			res, err := b.manager.Ensure(t.Context(), keyringNamed("default"))
			if err != nil || res.Ready || !res.Stalled || res.Reason != c.reason || !strings.Contains(res.Message, c.says) || strings.Contains(res.Message, canary) {
				t.Errorf("%+v, %v", res, err)
			}
			if diff := cmp.Diff(before, b.versions()); diff != "" {
				t.Errorf("something was written: %s", diff)
			}
			if _, ok := b.live.Load().Identity(id); ok != (c.reason != keyring.ReasonKeyMissing) {
				t.Errorf("the key opens: %t", ok)
			}
		})
	}
}

// versions are the resource versions of all Secrets.
func (b *keyringBench) versions() map[string]string {
	b.t.Helper()
	all, err := b.secrets.List(b.t.Context(), metav1.ListOptions{})
	if err != nil {
		b.t.Fatal(err)
	}
	versions := map[string]string{}
	for _, s := range all.Items {
		versions[s.Name] = s.ResourceVersion
	}
	return versions
}

func TestKeyringDataCannotBeChangedInPlace(t *testing.T) {
	b := newKeyringBench(t)
	id := b.ready("default").Keys[0].ID
	for _, name := range []string{secretsource.KeySecretName("default", id), secretsource.StatementSecretName("default")} {
		s := b.get(name)
		for k := range maps.Keys(s.Data) {
			s.Data[k] = []byte("changed")
		}
		if _, err := b.secrets.Update(t.Context(), s, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestKeyringIdentityQuotedByTheAPIServerGoesNowhere has an admission policy quote the private key in its refusal, as a careless webhook would.
func TestKeyringIdentityQuotedByTheAPIServerGoesNowhere(t *testing.T) {
	b := newKeyringBench(t)
	policies := b.Clientset().AdmissionregistrationV1()
	quote := `"refused: " + string(object.data[object.type == "waxwing.io/sealing-key" ? "identity" : "signer"])`
	policy := &admissionv1.ValidatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: b.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicySpec{
			MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create},
				Rule:       admissionv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"secrets"}},
			}}}},
			Validations: []admissionv1.Validation{{Expression: "!object.type.startsWith('waxwing.io/')", MessageExpression: quote}},
		},
	}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: b.namespace},
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: b.namespace, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: b.namespace}}},
		},
	}
	if _, err := policies.ValidatingAdmissionPolicies().Create(t.Context(), policy, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := policies.ValidatingAdmissionPolicyBindings().Create(t.Context(), binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		err := errors.Join(policies.ValidatingAdmissionPolicyBindings().Delete(ctx, b.namespace, metav1.DeleteOptions{}),
			policies.ValidatingAdmissionPolicies().Delete(ctx, b.namespace, metav1.DeleteOptions{}))
		if err != nil {
			t.Error(err)
		}
	})
	// The policy works after a while, and quotes: so the API server would tell.
	harness.Eventually(t.Context(), t, "the API server refuses and quotes", func(ctx context.Context) error {
		probe := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: "probe"}, Type: secretsource.StatementType, Data: map[string][]byte{"signer": []byte("quoted-not-a-secret")},
		}
		_, err := b.secrets.Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
		if err == nil || !strings.Contains(err.Error(), base64.StdEncoding.EncodeToString(probe.Data["signer"])) {
			return fmt.Errorf("the answer was: %v", err)
		}
		return nil
	})
	res, err := b.manager.Ensure(t.Context(), keyringNamed("default"))
	if err == nil || res.Ready || res.Reason != keyring.ReasonKeySourceUnavailable || !strings.Contains(res.Message, "creating Secret waxwing-statement-default: the API server answered 4") {
		t.Errorf("%+v, %v", res, err)
	}
	_, kerr := b.source.Create(t.Context(), "default", seal.PostQuantum)
	lines, rerr := json.Marshal(audittest.Records(t, b.logPath))
	if kerr == nil || rerr != nil {
		t.Fatal(kerr, rerr)
	}
	for where, text := range map[string]string{
		"the result": fmt.Sprintf("%+v", res), "the error": err.Error(), "the error about a key": kerr.Error(), "the error's fields": fmt.Sprintf("%+v", kerr), "the audit log": string(lines),
	} {
		if text == "" || strings.Contains(text, "denied request") || strings.Contains(text, "PRIVATE+KEY") || strings.Contains(text, "AGE-SECRET-KEY") {
			t.Errorf("%s quotes the API server's answer", where)
		}
	}
}

func TestKeyringWithoutRightsIsTriedAgain(t *testing.T) {
	b := newKeyringBench(t)
	nobody, err := kubernetes.NewForConfig(b.ServiceAccountConfig(t, b.namespace, "nobody"))
	if err != nil {
		t.Fatal(err)
	}
	m := b.newManager(secretsource.New(nobody.CoreV1().Secrets(b.namespace), time.Now, rand.Reader))
	res, err := m.Ensure(t.Context(), keyringNamed("default"))
	if !apierrors.IsForbidden(err) || res.Stalled || res.Reason != keyring.ReasonKeySourceUnavailable {
		t.Errorf("%+v, %v", res, err)
	}
	if diff := cmp.Diff([]string{"default"}, b.live.Load().Unavailable()); diff != "" {
		t.Error(diff)
	}
}

// keyringController runs the reconciler alone, as package controller wires it.
func (b *keyringBench) keyringController() client.Client {
	b.t.Helper()
	b.InstallCRDs(b.t, "../charts/waxwing/files/crds")
	scheme := runtime.NewScheme()
	if err := errors.Join(clientscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		b.t.Fatal(err)
	}
	again := true
	mgr, err := ctrl.NewManager(b.Config(), ctrl.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", Controller: config.Controller{SkipNameValidation: &again},
	})
	if err != nil {
		b.t.Fatal(err)
	}
	r := &controller.KeyringReconciler{
		Client: mgr.GetClient(), Reader: mgr.GetAPIReader(), Namespace: b.namespace, Manager: b.manager,
		Recorder: mgr.GetEventRecorder("waxwing-controller"), Now: b.now, Log: slog.New(slog.DiscardHandler), Jitter: func() float64 { return 0 },
	}
	if err := r.SetupWithManager(mgr); err != nil {
		b.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(b.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	b.t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			b.t.Errorf("the controller: %v", err)
		}
	})
	return b.Client(b.t, v1alpha1.AddToScheme)
}

// says waits for a keyring's conditions, as TYPE=STATUS REASON, and gives it.
func says(ctx context.Context, t *testing.T, c client.Client, name string, want ...string) *v1alpha1.Keyring {
	t.Helper()
	kr := &v1alpha1.Keyring{}
	harness.Eventually(ctx, t, fmt.Sprintf("keyring %s says %v", name, want), func(ctx context.Context) error {
		if err := c.Get(ctx, client.ObjectKey{Name: name}, kr); err != nil {
			return err
		}
		var got []string
		for _, cond := range kr.Status.Conditions {
			got = append(got, fmt.Sprintf("%s=%s %s", cond.Type, cond.Status, cond.Reason))
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" || kr.Status.ObservedGeneration != kr.Generation {
			return fmt.Errorf("generation %d of %d: %s", kr.Status.ObservedGeneration, kr.Generation, diff)
		}
		return nil
	})
	return kr
}

func TestKeyringReconcilerTellsAndFollows(t *testing.T) {
	b := newKeyringBench(t)
	ctx, c := t.Context(), b.keyringController()
	name := b.namespace // unique in the cluster
	kr := keyringNamed(name)
	if err := c.Create(ctx, kr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Delete(context.Background(), kr) })
	const good, unreadable = "Ready=True KeyActive", "Ready=True KeyUnreadable"

	got := says(ctx, t, c, name, good)
	s := got.Status
	if len(s.Keys) != 1 || s.Keys[0].State != "Active" || s.ActiveKey != s.Keys[0].ID[:16] {
		t.Errorf("keys %+v, active %s", s.Keys, s.ActiveKey)
	}
	if _, err := statement.OpenRecipients([]byte(s.Recipients), s.StatementKey); err != nil {
		t.Error(err)
	}
	configMap := func() map[string]string {
		cm := &corev1.ConfigMap{}
		if err := c.Get(ctx, client.ObjectKey{Namespace: b.namespace, Name: "waxwing-recipients-" + name}, cm); err != nil {
			t.Fatal(err)
		}
		if o := metav1.GetControllerOf(cm); o != nil || len(cm.OwnerReferences) != 1 || cm.OwnerReferences[0].UID != kr.UID {
			t.Errorf("owners of the ConfigMap: %+v", cm.OwnerReferences)
		}
		return cm.Data
	}
	if diff := cmp.Diff(map[string]string{"recipients.note": s.Recipients, "statement-key": s.StatementKey}, configMap()); diff != "" {
		t.Error(diff)
	}
	if p := b.manager.Published(); len(p) == 0 {
		t.Error("nothing is served over HTTP")
	}

	// Somebody puts a broken key in: named in status and event, noticed without waiting, gone when it is.
	broken := b.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "waxwing-key-" + name + "-0123456789abcdef", Labels: map[string]string{secretsource.LabelKeyring: name}},
		Type: secretsource.KeyType, StringData: map[string]string{"identity": canary}})
	got = says(ctx, t, c, name, unreadable)
	message := apimeta.FindStatusCondition(got.Status.Conditions, "Ready").Message
	if !strings.Contains(message, broken.Name) || strings.Contains(message, canary) {
		t.Errorf("message %q", message)
	}
	b.hasEvent(c, kr, "Warning KeyUnreadable", broken.Name)
	b.remove(broken.Name)
	says(ctx, t, c, name, good)

	// The only key is suspended: nothing is left to seal to, and nothing pretends otherwise.
	keySecret := secretsource.KeySecretName(name, s.Keys[0].ID)
	b.annotate(keySecret, "waxwing.io/state", "Suspended")
	got = says(ctx, t, c, name, "Ready=False NoActiveKey", "Stalled=True NoActiveKey")
	if got.Status.Recipients != "" || got.Status.ActiveKey != "" || got.Status.StatementKey != s.StatementKey {
		t.Errorf("status %+v", got.Status)
	}
	harness.Eventually(ctx, t, "the note is taken out of the ConfigMap", func(context.Context) error {
		if data := configMap(); data["recipients.note"] != "" || data["statement-key"] == "" {
			return fmt.Errorf("it has %v", slices.Collect(maps.Keys(data)))
		}
		return nil
	})
	b.annotate(keySecret, "waxwing.io/state", "Active")
	if got = says(ctx, t, c, name, good); got.Status.Recipients != s.Recipients {
		t.Errorf("the set of the same key is another note:\n%s\n%s", s.Recipients, got.Status.Recipients)
	}

	// A changed spec counts at once; a deleted keyring opens nothing, and its keys stay.
	got.Spec.Namespaces = []string{"only-here"}
	if err := c.Update(ctx, got); err != nil {
		t.Fatal(err)
	}
	says(ctx, t, c, name, good)
	if p, _ := b.live.Load().Policy(name); !cmp.Equal(p.Namespaces, []string{"only-here"}) {
		t.Errorf("policy %+v", p)
	}
	if err := c.Delete(ctx, got); err != nil {
		t.Fatal(err)
	}
	harness.Eventually(ctx, t, "the keyring is out of the ring", func(context.Context) error {
		if _, ok := b.live.Load().Key(s.Keys[0].ID); ok {
			return errors.New("its key is still there")
		}
		return nil
	})
	b.get(keySecret)
	for _, want := range []string{"Normal StatementKeyMade", "Normal KeyMade", "Normal KeyActivated", "Normal RecipientsPublished", "Warning NoActiveKey"} {
		b.hasEvent(c, kr, want, "")
	}
}

// hasEvent waits for an event about a keyring.
func (b *keyringBench) hasEvent(c client.Client, kr *v1alpha1.Keyring, want, says string) {
	b.t.Helper()
	harness.Eventually(b.t.Context(), b.t, "there is an event "+want, func(ctx context.Context) error {
		var all eventsv1.EventList
		if err := c.List(ctx, &all); err != nil {
			return err
		}
		var got []string
		for _, e := range all.Items {
			if e.Regarding.UID == kr.UID {
				got = append(got, e.Type+" "+e.Reason)
			}
			if strings.Contains(e.Note, canary) {
				return harness.Permanent(fmt.Errorf("an event quotes a Secret: %s", e.Note))
			}
			if e.Regarding.UID == kr.UID && e.Type+" "+e.Reason == want && strings.Contains(e.Note, says) {
				return nil
			}
		}
		return fmt.Errorf("there are %v", got)
	})
}

func TestKeyringDefaultIsMadeOnlyWhereThereIsNone(t *testing.T) {
	if os.Getenv("WAXWING_TEST_KUBECONFIG") != "" {
		t.Log("it did not run: it deletes every Keyring, which it does only on a control plane of its own")
		return
	}
	b := newKeyringBench(t)
	b.InstallCRDs(t, "../charts/waxwing/files/crds")
	ctx, c := t.Context(), b.Client(t, v1alpha1.AddToScheme)
	names := func() []string {
		var all v1alpha1.KeyringList
		if err := c.List(ctx, &all); err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, kr := range all.Items {
			names = append(names, kr.Name)
		}
		return names
	}
	clear := func() {
		for _, name := range names() {
			if err := c.Delete(ctx, &v1alpha1.Keyring{ObjectMeta: metav1.ObjectMeta{Name: name}}); client.IgnoreNotFound(err) != nil {
				t.Fatal(err)
			}
		}
	}
	clear()
	for range 2 {
		if err := controller.EnsureDefault(ctx, c); err != nil {
			t.Fatal(err)
		}
	}
	kr := &v1alpha1.Keyring{}
	if err := c.Get(ctx, client.ObjectKey{Name: "default"}, kr); err != nil || len(names()) != 1 {
		t.Fatalf("keyrings %v, %v", names(), err)
	}
	want := v1alpha1.KeyringSpec{
		Source: v1alpha1.KeySource{Secret: &v1alpha1.SecretSource{}}, Class: "postquantum", Namespaces: []string{"*"}, Scopes: []string{"strict", "namespace"},
		Signatures: v1alpha1.SignaturesOptional, Rollback: v1alpha1.RollbackEvent,
	}
	if diff := cmp.Diff(want, kr.Spec); diff != "" || kr.Status.ObservedGeneration != -1 {
		t.Errorf("observed generation %d, spec %s", kr.Status.ObservedGeneration, diff)
	}
	clear()
	if err := c.Create(ctx, keyringNamed("mine")); err != nil {
		t.Fatal(err)
	}
	if err := controller.EnsureDefault(ctx, c); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"mine"}, names()); diff != "" {
		t.Error(diff)
	}
	clear()
}
