package e2e_test

import (
	"bytes"
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/keyring/secretsource"
	"github.com/waxwing-io/waxwing/unseal"
)

// reachedElsewhere are the reasons whose way there is a test of its own.
func reachedElsewhere() map[unseal.Reason]string {
	return map[unseal.Reason]string{
		unseal.AuditUnavailable: "TestNothingIsOpenedWithoutAnAuditLog",
		unseal.RollbackDenied:   "TestGoingBackIsToldOrDenied",
	}
}

// waysTo are ways to the other reasons, one each. Each makes an object of this name.
func waysTo(w *world) map[unseal.Reason]func(t *testing.T, name string) {
	changed := func(change func(o *v1alpha1.GitSecret)) func(*testing.T, string) {
		return func(t *testing.T, name string) {
			o := w.sealed(t, name, "user", "password")
			change(o)
			w.create(t, o)
		}
	}
	sealedFor := func(holder string, change func(key *corev1.Secret), namespaces ...string) func(*testing.T, string) {
		return func(t *testing.T, name string) {
			h, key := lateKey(t, holder)
			change(key)
			w.create(t, key)
			w.keyringOf(t, holder, namespaces...)
			w.create(t, w.sealedFor(t, name, w.strict(name), h))
		}
	}
	state := func(s keyring.State) func(*corev1.Secret) {
		return func(key *corev1.Secret) { key.Annotations[secretsource.AnnotationState] = string(s) }
	}
	return map[unseal.Reason]func(*testing.T, string){
		unseal.Unsealed: changed(func(*v1alpha1.GitSecret) {}),
		unseal.Pending: func(t *testing.T, name string) {
			earlier := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name, Finalizers: []string{"example.com/held"}}}
			w.create(t, earlier)
			t.Cleanup(func() {
				free := []byte(`{"metadata":{"finalizers":null}}`)
				if err := w.Patch(context.WithoutCancel(w.ctx), earlier, client.RawPatch(types.MergePatchType, free)); err != nil {
					t.Error(err)
				}
			})
			if err := w.Delete(w.ctx, earlier); err != nil {
				t.Fatal(err)
			}
			w.create(t, w.sealed(t, name, "user"))
		},
		unseal.Suspended: changed(func(o *v1alpha1.GitSecret) { o.Spec.Suspend = true }),
		unseal.InvalidFormat: changed(changeEnvelope(func(e *seal.Envelope) {
			for holder, wrap := range e.Wraps {
				wrap.Age = "no armor"
				e.Wraps[holder] = wrap
			}
		})),
		unseal.UnsupportedType: changed(func(o *v1alpha1.GitSecret) { o.Spec.Type = "bootstrap.kubernetes.io/token" }),
		unseal.NoMatchingKey: func(t *testing.T, name string) {
			h, _ := lateKey(t, "nobody")
			w.create(t, w.sealedFor(t, name, w.strict(name), h))
		},
		unseal.KeyDestroyed: func(t *testing.T, name string) {
			h, key := lateKey(t, "reason-destroyed")
			w.create(t, key)
			w.keyringOf(t, "reason-destroyed", "*")
			w.destroy(t, key)
			w.create(t, w.sealedFor(t, name, w.strict(name), h))
		},
		unseal.KeySourceUnavailable: sealedFor("reason-damaged", func(key *corev1.Secret) {
			key.Data[secretsource.DataIdentity] = bytes.Repeat([]byte("x"), 20)
		}, "*"),
		unseal.NamespaceNotAllowed: sealedFor("reason-elsewhere", state(keyring.Deactivated), "elsewhere"),
		unseal.ScopeMismatch:       changed(func(o *v1alpha1.GitSecret) { o.Spec.For.Name = "another" }),
		unseal.Tampered: changed(func(o *v1alpha1.GitSecret) {
			o.Spec.Items["user"], o.Spec.Items["password"] = o.Spec.Items["password"], o.Spec.Items["user"]
		}),
		unseal.PolicyDenied: changed(func(o *v1alpha1.GitSecret) {
			o.Spec.Template = &seal.Template{Metadata: &seal.TemplateMetadata{Labels: map[string]string{"argocd.argoproj.io/instance": "x"}}}
		}),
		unseal.TemplateError: changed(func(o *v1alpha1.GitSecret) {
			o.Spec.Template = &seal.Template{Data: map[string]string{"url": "{{ if .user }}x{{ end }}"}}
		}),
		unseal.TargetConflict: func(t *testing.T, name string) {
			w.create(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}})
			w.create(t, w.sealed(t, name, "user"))
		},
		unseal.ImmutableConflict: func(t *testing.T, name string) {
			o := w.sealed(t, name, "user")
			yes := true
			o.Spec.Immutable = &yes
			w.create(t, o)
			w.eventually(t, name, unseal.Unsealed)
			w.update(t, o, func() { w.more(t, o, "more") })
		},
		unseal.TooLarge: func(t *testing.T, name string) {
			spec, err := sealer().Seal(w.strict(name), seal.Values{"large": seal.NewValue(bytes.Repeat([]byte("x"), 600<<10))}, []seal.Holder{w.holder(t)})
			if err != nil {
				t.Fatal(err)
			}
			spec.Template = &seal.Template{Data: map[string]string{"again": "{{ .large }}"}}
			w.create(t, w.object(name, spec))
		},
		unseal.ApplyFailed: func(t *testing.T, name string) {
			o := w.sealed(t, name, ".dockerconfigjson") // of which the API server wants JSON
			o.Spec.Type = string(corev1.SecretTypeDockerConfigJson)
			w.create(t, o)
		},
	}
}

// TestEveryReasonIsReached reaches each reason of the table on the real API server, and holds what the table says of it. A reason that is added to the table
// needs a way here, or a test of its own that is named here.
func TestEveryReasonIsReached(t *testing.T) {
	w := newWorld(t)
	w.controller(t)
	ways, elsewhere, tests := waysTo(w), reachedElsewhere(), namesOfTests(t)
	for _, row := range unseal.Table() {
		way, test := ways[row.Reason], elsewhere[row.Reason]
		switch {
		case (way == nil) == (test == ""):
			t.Errorf("%s needs one way here, or a test in reachedElsewhere", row.Reason)
			continue
		case test != "":
			if !tests[test] {
				t.Errorf("%s is said to be reached by %s, which is no test of this package", row.Reason, test)
			}
			continue
		}
		t.Run(string(row.Reason), func(t *testing.T) {
			name := strings.ToLower(string(row.Reason))
			way(t, name)
			o := w.eventually(t, name, row.Reason)
			kinds := map[string]bool{}
			for _, c := range o.Status.Conditions {
				kinds[c.Type] = true
				if c.Reason != string(row.Reason) || c.Message == "" || c.ObservedGeneration != o.Generation {
					t.Errorf("%+v", c)
				}
			}
			if readyOf(o).Status != row.Ready || kinds[v1alpha1.ConditionStalled] != (row.Then == unseal.Stalled) || kinds[v1alpha1.ConditionReconciling] != (row.Then == unseal.Retrying) {
				t.Errorf("conditions %+v, and the table says Ready %s, %s", o.Status.Conditions, row.Ready, row.Then)
			}
		})
	}
}

// namesOfTests are the tests of this package.
func namesOfTests(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && strings.HasPrefix(fn.Name.Name, "Test") {
				names[fn.Name.Name] = true
			}
		}
	}
	return names
}
