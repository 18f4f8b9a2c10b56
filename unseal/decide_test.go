package unseal_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// refused is one way for an object to be refused before anything is opened.
type refused struct {
	change func(*unseal.Input)
	want   unseal.Reason
	says   string
}

// refusals are all of these ways, for objects sealed for mine.
func refusals(mine, other key) map[string]refused {
	yes := true
	label := func(key string) func(*unseal.Input) {
		return func(in *unseal.Input) {
			in.Object.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{key: "x"}}}
		}
	}
	data := func(key, text string) func(*unseal.Input) {
		return func(in *unseal.Input) { in.Object.Spec.Template = &seal.Template{Data: map[string]string{key: text}} }
	}
	policy := func(namespaces, scopes []string) func(*unseal.Input) {
		return func(in *unseal.Input) {
			p := mine.part(keyring.Active)
			p.Policy = keyring.Policy{Namespaces: namespaces, Scopes: scopes}
			in.Ring = ringOf(p)
		}
	}
	state := func(s keyring.State) func(*unseal.Input) {
		return func(in *unseal.Input) { in.Ring = ringOf(mine.part(s)) }
	}
	secret := func(change func(*metav1.ObjectMeta)) func(*unseal.Input) {
		return func(in *unseal.Input) {
			in.Secret = ours(in.Object)
			in.Secret.OwnerReferences = nil
			change(in.Secret)
		}
	}
	owner := func(kind, name string) func(*unseal.Input) {
		return secret(func(s *metav1.ObjectMeta) {
			s.Annotations = map[string]string{v1alpha1.AnnotationAdopt: "true"}
			s.OwnerReferences = []metav1.OwnerReference{{Kind: kind, Name: name, UID: "another", Controller: &yes}}
		})
	}
	return map[string]refused{
		"a suspended object waits for its user": {
			func(in *unseal.Input) { in.Object.Spec.Suspend = true }, unseal.Suspended, "spec.suspend"},
		"a suspended object is not even checked": {
			func(in *unseal.Input) { in.Object.Spec.Suspend, in.Object.Spec.Format = true, 7 }, unseal.Suspended, "there is no Secret, and none is made"},
		"nothing is written into a namespace that is being deleted": {
			func(in *unseal.Input) { in.NamespaceTerminating = true }, unseal.Pending, "namespace prod is being deleted"},
		"nothing is written into the controller's namespace": {
			func(in *unseal.Input) { in.Home = "prod" }, unseal.PolicyDenied, "the controller's namespace"},
		"an unknown format is refused": {
			func(in *unseal.Input) { in.Object.Spec.Format = 7 }, unseal.InvalidFormat, "spec.format"},
		"an item without its envelope is refused": {
			func(in *unseal.Input) { in.Object.Spec.Envelopes = nil }, unseal.InvalidFormat, "take the item together with its envelope"},
		"a signature that is none is tampering": {
			func(in *unseal.Input) {
				in.Object.Spec.Signature = &seal.Signature{Signer: "SHA256:" + strings.Repeat("A", 43), SSHSig: "x"}
			}, unseal.Tampered, "spec.signature"},
		"an object under another name is refused": {
			func(in *unseal.Input) { in.Object.Name = "db-2" }, unseal.ScopeMismatch, "sealed for strict prod/db, not for prod/db-2"},
		"an object in another namespace is refused": {
			func(in *unseal.Input) { in.Object.Namespace = "dev" }, unseal.ScopeMismatch, "kustomize"},
		"a token of a service account is refused": {
			func(in *unseal.Input) { in.Object.Spec.Type = "kubernetes.io/service-account-token" }, unseal.UnsupportedType, "credential"},
		"a bootstrap token is refused": {
			func(in *unseal.Input) { in.Object.Spec.Type = "bootstrap.kubernetes.io/token" }, unseal.UnsupportedType, "credential"},
		"a TLS Secret needs its keys": {
			func(in *unseal.Input) { in.Object.Spec.Type = "kubernetes.io/tls" }, unseal.UnsupportedType, "needs the key tls.crt"},
		"a label of Argo CD is refused":       {label("argocd.argoproj.io/instance"), unseal.PolicyDenied, "argocd.argoproj.io/instance"},
		"a label of Flux is refused":          {label("kustomize.toolkit.fluxcd.io/name"), unseal.PolicyDenied, "kustomize.toolkit.fluxcd.io/name"},
		"a label of Helm is refused":          {label("meta.helm.sh/release-name"), unseal.PolicyDenied, "meta.helm.sh/release-name"},
		"the instance label is refused":       {label("app.kubernetes.io/instance"), unseal.PolicyDenied, "app.kubernetes.io/instance"},
		"a mark of ours is refused":           {label(v1alpha1.AnnotationAdopt), unseal.PolicyDenied, "waxwing.io/adopt"},
		"a label that is none is refused":     {label("no label"), unseal.TemplateError, "spec.template.metadata.labels"},
		"a template may not hide an item":     {data("user", "x"), unseal.TemplateError, "spec.template.data.user: is the name of a sealed item too"},
		"a template needs the item it names":  {data("url", "{{ .host }}"), unseal.TemplateError, `refers to "host"`},
		"a template has no further functions": {data("url", "{{ env \"HOME\" }}"), unseal.TemplateError, "not supported (line 1)"},
		"an envelope from the future is refused": {
			func(in *unseal.Input) { in.Now = in.Now.Add(-time.Hour - 6*time.Minute) }, unseal.PolicyDenied, "ahead of the controller's clock"},
		"an object waits while keys are being loaded": {
			func(in *unseal.Input) { in.Ring = nil }, unseal.Pending, "being loaded"},
		"a key that nobody has is told":       {func(in *unseal.Input) { in.Ring = ringOf(other.part(keyring.Active)) }, unseal.NoMatchingKey, "prod-eu/" + mine.KeyID()[:16]},
		"a destroyed key is told":             {state(keyring.Destroyed), unseal.KeyDestroyed, mine.KeyID()[:16]},
		"a suspended key does not open":       {state(keyring.Suspended), unseal.PolicyDenied, "suspended"},
		"a key that is not proved is awaited": {state(keyring.PreActive), unseal.KeySourceUnavailable, mine.KeyID()[:16]},
		"a source that is away may have the key": {
			func(in *unseal.Input) { in.Ring = keyring.NewRing(nil, []string{"prod-us"}) }, unseal.KeySourceUnavailable, `"prod-us"`},
		"a keyring does not open other namespaces":  {policy([]string{"dev", "pro"}, []string{"strict"}), unseal.NamespaceNotAllowed, "namespace prod"},
		"a keyring does not open other scopes":      {policy([]string{"prod"}, []string{"cluster"}), unseal.PolicyDenied, "scope strict"},
		"a Secret of somebody is left alone":        {secret(func(*metav1.ObjectMeta) {}), unseal.TargetConflict, "waxwing.io/adopt=true"},
		"a Secret of another controller stays":      {owner("Certificate", "db"), unseal.TargetConflict, "belongs to Certificate db"},
		"a Secret of another GitSecret stays":       {owner("GitSecret", "other"), unseal.TargetConflict, "belongs to GitSecret other"},
		"the Secret of an earlier object is waited": {owner("GitSecret", "db"), unseal.Pending, "earlier GitSecret"},
		"a copied Secret is not ours": {
			secret(func(s *metav1.ObjectMeta) { s.Annotations = map[string]string{v1alpha1.AnnotationOrigin: "dev/db"} }), unseal.TargetConflict, "not written from this object"},
		"a Secret that is being deleted is waited for": {
			secret(func(s *metav1.ObjectMeta) { s.DeletionTimestamp = &metav1.Time{Time: now()} }), unseal.Pending, "being deleted"},
	}
}

func TestDecideRefuses(t *testing.T) {
	mine := newKey(t, "prod-eu")
	for name, c := range refusals(mine, newKey(t, "breakglass")) {
		t.Run(name, func(t *testing.T) {
			in := input(sealed(t, strict(), mine), ringOf(mine.part(keyring.Active)))
			c.change(&in)
			before := in.Object.DeepCopy()
			d := unseal.Decide(in)
			if d.Action != unseal.Report || d.Outcome.Reason != c.want || !strings.Contains(d.Outcome.Message, c.says) {
				t.Errorf("got %s %s %q, want %s with %q", d.Action, d.Outcome.Reason, d.Outcome.Message, c.want, c.says)
			}
			if diff := cmp.Diff(before, in.Object); diff != "" {
				t.Errorf("Decide changed the object: %s", diff)
			}
		})
	}
}

func TestDecideLooksAgainWhenAnEnvelopesDateHasCome(t *testing.T) {
	k := newKey(t, "prod-eu")
	in := input(sealed(t, strict(), k), ringOf(k.part(keyring.Active)))
	in.Now = now().Add(-2 * time.Hour) // an hour before it was sealed
	d := unseal.Decide(in)
	if want := 55*time.Minute + time.Second; d.After != want {
		t.Errorf("looks again after %s, want %s", d.After, want)
	}
	in.Now = in.Now.Add(d.After)
	if d := unseal.Decide(in); d.Action != unseal.Open {
		t.Errorf("then: %s %s", d.Action, d.Outcome.Message)
	}
}

func TestDecideLeavesAlone(t *testing.T) {
	k := newKey(t, "prod-eu")
	for name, change := range map[string]func(*unseal.Input){
		"a known object while a source is read at a start": func(in *unseal.Input) {
			in.Ring, in.Starting, in.Object.Status.ObservedGeneration = keyring.NewRing(nil, []string{"prod-eu"}), true, 3
		},
		"an object that is being deleted":                 func(in *unseal.Input) { in.Object.DeletionTimestamp = &metav1.Time{Time: now()} },
		"a known object while keys are loaded at a start": func(in *unseal.Input) { in.Ring, in.Object.Status.ObservedGeneration = nil, 3 },
	} {
		t.Run(name, func(t *testing.T) {
			in := input(sealed(t, strict(), k), ringOf(k.part(keyring.Active)))
			change(&in)
			if d := unseal.Decide(in); d.Action != unseal.Leave {
				t.Errorf("got %s %s", d.Action, d.Outcome.Message)
			}
		})
	}
}

func TestDecideOpens(t *testing.T) {
	mine, other := newKey(t, "prod-eu"), newKey(t, "breakglass")
	closed := other.part(keyring.Active)
	closed.Policy.Namespaces = []string{"dev"}
	for name, c := range map[string]struct {
		change func(*unseal.Input)
		use    key
		adopts bool
	}{
		"where there is no Secret":    {func(*unseal.Input) {}, mine, false},
		"where the Secret is ours":    {func(in *unseal.Input) { in.Secret = ours(in.Object) }, mine, false},
		"with a deactivated key":      {func(in *unseal.Input) { in.Ring = ringOf(mine.part(keyring.Deactivated)) }, mine, false},
		"with a compromised key":      {func(in *unseal.Input) { in.Ring = ringOf(mine.part(keyring.Compromised)) }, mine, false},
		"with the first holder's key": {func(in *unseal.Input) { in.Ring = ringOf(mine.part(keyring.Active), other.part(keyring.Active)) }, other, false},
		"past a keyring that may not": {func(in *unseal.Input) { in.Ring = ringOf(mine.part(keyring.Active), closed) }, mine, false},
		"past a source that is away": {func(in *unseal.Input) {
			in.Ring = keyring.NewRing([]keyring.Part{mine.part(keyring.Active)}, []string{"breakglass"})
		}, mine, false},
		"and ignores Secret's old data": {func(in *unseal.Input) { in.Secret = ours(in.Object); in.Secret.Labels = map[string]string{"x": "y"} }, mine, false},
		"and takes over what may be taken": {func(in *unseal.Input) {
			in.Secret = &metav1.ObjectMeta{Name: "db", Annotations: map[string]string{v1alpha1.AnnotationAdopt: "true"}}
		}, mine, true},
		"and finds the Secret that outlived its object": {func(in *unseal.Input) {
			in.Secret = &metav1.ObjectMeta{Name: "db", Annotations: map[string]string{v1alpha1.AnnotationOrigin: "prod/db"}}
		}, mine, false},
	} {
		t.Run("an object opens "+name, func(t *testing.T) {
			o := sealed(t, strict(), other, mine)
			in := input(o, ringOf(mine.part(keyring.Active)))
			c.change(&in)
			d := unseal.Decide(in)
			if d.Action != unseal.Open {
				t.Fatalf("got %s %s", d.Action, d.Outcome.Message)
			}
			if got := d.Plan.Keys[0]; got.ID != c.use.KeyID() || got.Keyring != c.use.holder || d.Plan.Adopts != c.adopts {
				t.Errorf("plans %s/%s (adopts %t), want %s/%s (%t)", got.Keyring, got.ID, d.Plan.Adopts, c.use.holder, c.use.KeyID(), c.adopts)
			}
			contents, err := d.Plan.Open(seal.Target{Namespace: "prod", Name: "db"})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string][]byte{"user": []byte("canary-user"), "password": []byte(canary)}, contents.Data()); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(d.Plan.Keys, contents.Keys); diff != "" {
				t.Errorf("opened with other keys than planned: %s", diff)
			}
		})
	}
}

func TestPlannedSecretCarriesMarksAndOwner(t *testing.T) {
	k := newKey(t, "prod-eu")
	o := sealed(t, strict(), k)
	o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"team": "a"}, Annotations: map[string]string{"note": "b"}}}
	d := unseal.Decide(input(o, ringOf(k.part(keyring.Active))))
	yes := true
	want := metav1.ObjectMeta{
		Namespace: "prod", Name: "db",
		Labels:      map[string]string{"team": "a", "app.kubernetes.io/managed-by": "waxwing"},
		Annotations: map[string]string{"note": "b", "waxwing.io/origin": "prod/db"},
		OwnerReferences: []metav1.OwnerReference{{
			APIVersion: "waxwing.io/v1alpha1", Kind: "GitSecret", Name: "db", UID: "uid-of-db", Controller: &yes,
		}},
	}
	if diff := cmp.Diff(want, d.Plan.Secret); diff != "" {
		t.Error(diff)
	}
	if d.Plan.Type != "Opaque" {
		t.Errorf("type %q", d.Plan.Type)
	}
	o.Spec.DeletionPolicy = seal.DeletionRetain
	if d := unseal.Decide(input(o, ringOf(k.part(keyring.Active)))); d.Plan.Secret.OwnerReferences != nil {
		t.Error("a Secret that is to be retained has an owner")
	}
}
