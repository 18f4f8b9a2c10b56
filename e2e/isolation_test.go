package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clientscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/e2e/harness"
	"github.com/waxwing-io/waxwing/unseal"
)

// victim begins the values of the other tenant. They must turn up in that tenant's own Secrets and nowhere else. The namespace is in it, because that of an earlier test may be there still.
func (x *isolation) victim() string { return canary + "-of-" + x.other }

// isolation is two tenants of one cluster: one who may write GitSecrets in its namespace and nothing else, and one whose objects everybody can read in Git.
type isolation struct {
	*world
	tenant client.Client
	other  string // namespace of the other tenant
	// theirs are the other tenant's objects by scope, own are the tenant's, made anew for each try.
	theirs map[string]*v1alpha1.GitSecret
}

func newIsolation(t *testing.T) *isolation {
	t.Helper()
	w := newWorld(t)
	w.controller(t)
	x := &isolation{world: w, other: w.Namespace(t), theirs: map[string]*v1alpha1.GitSecret{}}
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tenant"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{v1alpha1.GroupName}, Resources: []string{"gitsecrets"}, Verbs: []string{"get", "list", "watch", "create", "update", "patch", "delete"},
	}}}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "tenant"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "tenant"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: w.namespace, Name: "tenant"}}}
	w.create(t, role)
	w.create(t, binding)
	w.may(t, asAccount(w.namespace, "tenant", authorizationv1.ResourceAttributes{Namespace: w.namespace, Verb: "create", Group: v1alpha1.GroupName, Resource: "gitsecrets"}), true)
	scheme := clientscheme.Scheme
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	var err error
	if x.tenant, err = client.New(w.ServiceAccountConfig(t, w.namespace, "tenant"), client.Options{Scheme: scheme}); err != nil {
		t.Fatal(err)
	}
	for name, f := range map[string]seal.For{
		seal.ScopeStrict:    {Scope: seal.ScopeStrict, Namespace: x.other, Name: "db-strict"},
		seal.ScopeNamespace: {Scope: seal.ScopeNamespace, Namespace: x.other},
	} {
		x.theirs[name] = x.sealedFor(t, f, types.NamespacedName{Namespace: x.other, Name: "db-" + name}, x.victim())
		signed(t, x.theirs[name])
		w.create(t, x.theirs[name])
		x.reason(t, client.ObjectKeyFromObject(x.theirs[name]), unseal.Unsealed)
	}
	return x
}

func (x *isolation) sealedFor(t *testing.T, f seal.For, at types.NamespacedName, value string) *v1alpha1.GitSecret {
	t.Helper()
	values := seal.Values{"user": seal.NewValue([]byte(value + "-user")), "password": seal.NewValue([]byte(value + "-password"))}
	spec, err := sealer().Seal(f, values, []seal.Holder{x.holder(t)})
	if err != nil {
		t.Fatal(err)
	}
	o := x.object(at.Name, spec)
	o.Namespace = at.Namespace
	return o
}

// reason waits until the object's present generation has one of the reasons, and gives it.
func (x *isolation) reason(t *testing.T, key types.NamespacedName, any ...unseal.Reason) *v1alpha1.GitSecret {
	t.Helper()
	o := &v1alpha1.GitSecret{}
	harness.Eventually(x.ctx, t, fmt.Sprintf("%s is %s", key, any), func(ctx context.Context) error {
		if err := x.Get(ctx, key, o); err != nil {
			return err
		}
		if o.Status.ObservedGeneration != o.Generation || !slices.Contains(any, unseal.ReasonOf(o.Status)) {
			return fmt.Errorf("generation %d: the status of generation %d says %+v", o.Generation, o.Status.ObservedGeneration, o.Status.Conditions)
		}
		return nil
	})
	return o
}

// try is one way to get at another namespace through one field. It changes own, an object of the tenant that would open, with what theirs shows.
type try struct {
	change func(own, theirs *v1alpha1.GitSecret)
	want   []unseal.Reason
}

func refusedAs(change func(own, theirs *v1alpha1.GitSecret), want ...unseal.Reason) try {
	return try{change, want}
}

// takeAll makes own the whole of theirs, at own's place.
func takeAll(own, theirs *v1alpha1.GitSecret) {
	own.Spec = *theirs.Spec.DeepCopy()
	own.Annotations = maps.Clone(theirs.Annotations)
}

func envelopeOf(o *v1alpha1.GitSecret) (string, seal.Envelope) {
	id := o.Spec.Referenced()[0]
	return id, o.Spec.Envelopes[id]
}

// inEnvelope changes own's only envelope by theirs.
func inEnvelope(change func(own *seal.Envelope, theirs seal.Envelope)) func(own, theirs *v1alpha1.GitSecret) {
	return func(own, theirs *v1alpha1.GitSecret) {
		id, e := envelopeOf(own)
		_, from := envelopeOf(theirs)
		change(&e, from)
		own.Spec.Envelopes[id] = e
	}
}

// tries has every field of a GitSecret by which a value, or a right over another namespace, could be had.
func tries() map[string]try {
	const tampered, scope, denied, format = unseal.Tampered, unseal.ScopeMismatch, unseal.PolicyDenied, unseal.InvalidFormat
	unsignedFor := func(f func(own *v1alpha1.GitSecret) seal.For) func(own, theirs *v1alpha1.GitSecret) {
		return func(own, theirs *v1alpha1.GitSecret) {
			takeAll(own, theirs)
			own.Spec.Signature, own.Spec.For = nil, f(own)
		}
	}
	here := func(o *v1alpha1.GitSecret) seal.For {
		return seal.For{Scope: seal.ScopeStrict, Namespace: o.Namespace, Name: o.Name}
	}
	return map[string]try{
		"everything": refusedAs(takeAll, scope),
		"everything-unsigned": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			takeAll(own, theirs)
			own.Spec.Signature = nil
		}, scope),
		"everything-under-its-name": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			takeAll(own, theirs)
			own.Name = theirs.Name
		}, scope),
		"for-signed": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			takeAll(own, theirs)
			own.Spec.For = here(own)
		}, tampered),
		"for-strict": refusedAs(unsignedFor(here), tampered),
		"for-namespace": refusedAs(unsignedFor(func(o *v1alpha1.GitSecret) seal.For {
			return seal.For{Scope: seal.ScopeNamespace, Namespace: o.Namespace}
		}), tampered),
		"for-cluster": refusedAs(unsignedFor(func(*v1alpha1.GitSecret) seal.For { return seal.For{Scope: seal.ScopeCluster} }), tampered, denied),
		"for-match":   refusedAs(unsignedFor(func(o *v1alpha1.GitSecret) seal.For { return seal.For{Scope: "match:*", Name: o.Name} }), tampered, denied),
		"items-and-envelopes": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			id, e := envelopeOf(theirs)
			own.Spec.Envelopes[id], own.Spec.Items["password"] = e, theirs.Spec.Items["password"]
		}, tampered),
		"items-under-another-name": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			id, e := envelopeOf(theirs)
			own.Spec.Envelopes[id], own.Spec.Items["taken"] = e, theirs.Spec.Items["password"]
		}, tampered),
		"items-value": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			id, _ := envelopeOf(own)
			own.Spec.Items["password"] = seal.Item{Envelope: id, Value: theirs.Spec.Items["password"].Value}
		}, tampered),
		"items-envelope": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			id, e := envelopeOf(theirs)
			own.Spec.Envelopes[id] = e
			own.Spec.Items["password"] = seal.Item{Envelope: id, Value: own.Spec.Items["password"].Value}
		}, tampered),
		"envelopes-wraps": refusedAs(inEnvelope(func(own *seal.Envelope, theirs seal.Envelope) { own.Wraps = theirs.Wraps }), tampered),
		"envelopes-wraps-and-commit": refusedAs(inEnvelope(func(own *seal.Envelope, theirs seal.Envelope) {
			own.Wraps, own.Commit = theirs.Wraps, theirs.Commit
		}), tampered),
		"envelopes-commit":   refusedAs(inEnvelope(func(own *seal.Envelope, theirs seal.Envelope) { own.Commit = theirs.Commit }), tampered),
		"envelopes-sealedAt": refusedAs(inEnvelope(func(own *seal.Envelope, _ seal.Envelope) { own.SealedAt = "2026-01-01T00:00:00Z" }), format, tampered),
		"signature":          refusedAs(func(own, theirs *v1alpha1.GitSecret) { own.Spec.Signature = theirs.Spec.Signature }, tampered),
		"template-data": refusedAs(func(own, _ *v1alpha1.GitSecret) {
			own.Spec.Template = &seal.Template{Data: map[string]string{"out": "{{ .theirs }}"}}
		}, unseal.TemplateError),
		"template-calls": refusedAs(func(own, theirs *v1alpha1.GitSecret) {
			own.Spec.Template = &seal.Template{Data: map[string]string{"out": `{{ lookup "v1" "Secret" "` + theirs.Namespace + `" "` + theirs.Name + `" }}`}}
		}, unseal.TemplateError),
		"template-origin":      refusedAs(annotated("waxwing.io/origin", func(theirs *v1alpha1.GitSecret) string { return theirs.Namespace + "/" + theirs.Name }), denied),
		"template-adopt":       refusedAs(annotated("waxwing.io/adopt", func(*v1alpha1.GitSecret) string { return "true" }), denied),
		"template-replication": refusedAs(annotated("reflector.v1.k8s.emberstack.com/reflects", func(theirs *v1alpha1.GitSecret) string { return theirs.Namespace + "/" + theirs.Name }), denied),
		"template-account":     refusedAs(annotated("kubernetes.io/service-account.name", func(*v1alpha1.GitSecret) string { return account }), denied),
		"type":                 refusedAs(func(own, _ *v1alpha1.GitSecret) { own.Spec.Type = "kubernetes.io/service-account-token" }, unseal.UnsupportedType),
	}
}

func annotated(key string, value func(theirs *v1alpha1.GitSecret) string) func(own, theirs *v1alpha1.GitSecret) {
	return func(own, theirs *v1alpha1.GitSecret) {
		own.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Annotations: map[string]string{key: value(theirs)}}}
	}
}

// TestTenantsAreIsolated tries every field between every two namespaces: from the other tenant's objects, in each scope, to the tenant's namespace, to the other's and to the
// controller's own. Where the tenant has no rights the API server refuses; where it has, and where something with more rights applies for it, the controller does.
func TestTenantsAreIsolated(t *testing.T) {
	x := newIsolation(t)
	before := x.secretsOf(t, x.other)
	count := 0
	for _, to := range []string{x.namespace, x.other, home} {
		for scope, theirs := range x.theirs {
			for field, c := range tries() {
				name := fmt.Sprintf("try-%d", count)
				count++
				t.Run(strings.Join([]string{map[string]string{x.namespace: "own", x.other: "other", home: "home"}[to], scope, field}, "/"), func(t *testing.T) {
					own := x.sealedFor(t, seal.For{Scope: seal.ScopeStrict, Namespace: to, Name: name}, types.NamespacedName{Namespace: to, Name: name}, canary)
					c.change(own, theirs)
					if own.Spec.For == theirs.Spec.For && own.Spec.For.Allows(seal.Target{Namespace: to, Name: own.Name}) {
						return // a place that it was sealed for: whoever may write there may put it there
					}
					x.attempt(t, own, c.want)
				})
			}
		}
	}
	x.onlyTheOtherHolds(t)
	for name, version := range before {
		if now := x.secretsOf(t, x.other)[name]; now != version {
			t.Errorf("Secret %s of the other tenant was version %s and is %s", name, version, now)
		}
	}
}

// attempt applies own as the tenant, and where that is forbidden as somebody who may; then the controller must refuse, and leave no Secret.
func (x *isolation) attempt(t *testing.T, own *v1alpha1.GitSecret, want []unseal.Reason) {
	t.Helper()
	err := x.tenant.Create(x.ctx, own)
	if own.Namespace != x.namespace {
		if !apierrors.IsForbidden(err) {
			t.Fatalf("the tenant's create in %s was answered %v", own.Namespace, err)
		}
		x.create(t, own)
	} else if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.Delete(context.WithoutCancel(x.ctx), own) }()
	if own.Namespace == home {
		want = []unseal.Reason{unseal.PolicyDenied}
	}
	key := client.ObjectKeyFromObject(own)
	x.reason(t, key, want...)
	if err := x.Get(x.ctx, key, &corev1.Secret{}); !apierrors.IsNotFound(err) {
		t.Errorf("there is a Secret %s (%v)", key, err)
	}
}

// secretsOf gives the resource versions of a namespace's Secrets.
func (x *isolation) secretsOf(t *testing.T, namespace string) map[string]string {
	t.Helper()
	var all corev1.SecretList
	if err := x.List(x.ctx, &all, client.InNamespace(namespace)); err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for _, s := range all.Items {
		versions[s.Name] = s.ResourceVersion
	}
	return versions
}

// onlyTheOtherHolds looks for the other tenant's values in every Secret of the cluster.
func (x *isolation) onlyTheOtherHolds(t *testing.T) {
	t.Helper()
	var all corev1.SecretList
	if err := x.List(x.ctx, &all); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, s := range all.Items {
		for key, value := range s.Data {
			switch holds := bytes.Contains(value, []byte(x.victim())); {
			case holds && s.Namespace != x.other:
				t.Errorf("Secret %s/%s holds a value of the other tenant under %s", s.Namespace, s.Name, key)
			case holds:
				found++
			}
		}
	}
	if want := 2 * len(x.theirs); found != want {
		t.Errorf("the other tenant's Secrets hold %d of its values, want %d: the search finds nothing", found, want)
	}
}

// TestTenantCannotTakeWhatIsThere tries what is no field of a sealed object: names of existing Secrets, marks, owners and a forged status.
func TestTenantCannotTakeWhatIsThere(t *testing.T) {
	x := newIsolation(t)
	theirs := x.theirs[seal.ScopeStrict]
	theirSecret := client.ObjectKeyFromObject(theirs)
	before := x.secretsOf(t, x.other)

	t.Run("a Secret of somebody else in its own namespace", func(t *testing.T) {
		foreign := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: x.namespace, Name: "foreign"}, Data: map[string][]byte{"user": []byte("theirs")}}
		x.create(t, foreign)
		own := x.sealed(t, "foreign", "user")
		own.Annotations = map[string]string{v1alpha1.AnnotationAdopt: "true", v1alpha1.AnnotationOrigin: x.namespace + "/foreign"}
		if err := x.tenant.Create(x.ctx, own); err != nil {
			t.Fatal(err)
		}
		x.reason(t, x.key("foreign"), unseal.TargetConflict)
		if err := x.Get(x.ctx, x.key("foreign"), foreign); err != nil || string(foreign.Data["user"]) != "theirs" {
			t.Errorf("the Secret was changed (%v)", err)
		}
		if err := x.tenant.Get(x.ctx, x.key("foreign"), &corev1.Secret{}); !apierrors.IsForbidden(err) {
			t.Errorf("the tenant reads a Secret: %v", err)
		}
	})
	t.Run("an owner in another namespace", func(t *testing.T) {
		yes := true
		own := x.sealed(t, "owned", "user")
		own.OwnerReferences = []metav1.OwnerReference{{APIVersion: seal.APIVersion, Kind: seal.Kind, Name: theirs.Name, UID: theirs.UID, Controller: &yes}}
		if err := x.tenant.Create(x.ctx, own); err != nil && !apierrors.IsForbidden(err) {
			t.Fatal(err)
		}
	})
	t.Run("a forged status", func(t *testing.T) {
		own := x.sealed(t, "forged", "user")
		if err := x.tenant.Create(x.ctx, own); err != nil {
			t.Fatal(err)
		}
		own = x.reason(t, x.key("forged"), unseal.Unsealed)
		secret := &corev1.Secret{}
		if err := x.Get(x.ctx, theirSecret, secret); err != nil {
			t.Fatal(err)
		}
		forged := own.DeepCopy()
		forged.Status.Secret = &v1alpha1.SecretRef{Name: secret.Name, UID: string(secret.UID), ResourceVersion: secret.ResourceVersion, Generation: own.Generation + 1}
		if err := x.tenant.Status().Patch(x.ctx, forged.DeepCopy(), client.MergeFrom(own)); !apierrors.IsForbidden(err) {
			t.Errorf("the tenant writes a status: %v", err)
		}
		// And if somebody does who may, the controller still writes the object's own Secret and no other.
		if err := x.Status().Patch(x.ctx, forged, client.MergeFrom(own)); err != nil {
			t.Fatal(err)
		}
		x.update(t, own, func() { own.Spec.Template = &seal.Template{Data: map[string]string{"out": "{{ .user }}"}} })
		x.reason(t, x.key("forged"), unseal.Unsealed)
		if err := x.Get(x.ctx, x.key("forged"), secret); err != nil || len(secret.Data) != 2 {
			t.Errorf("its own Secret has %d keys (%v)", len(secret.Data), err)
		}
	})
	t.Run("deleting", func(t *testing.T) {
		if err := x.tenant.Delete(x.ctx, theirs.DeepCopy()); !apierrors.IsForbidden(err) {
			t.Errorf("the tenant deletes the other's object: %v", err)
		}
	})
	x.onlyTheOtherHolds(t)
	if now := x.secretsOf(t, x.other); !maps.Equal(before, now) {
		t.Errorf("the other tenant's Secrets were %v and are %v", before, now)
	}
}
