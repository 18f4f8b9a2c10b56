package unseal_test

import (
	"errors"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/waxwing-io/waxwing/keyring"
	"github.com/waxwing-io/waxwing/unseal"
)

// answer is an answer of the API server to a write, and what is to be made of it.
type answer struct {
	err  error
	want unseal.Reason
	says string
}

func invalid(paths ...string) error {
	var list field.ErrorList
	for _, p := range paths {
		list = append(list, field.Invalid(field.NewPath(p), canary, canary))
	}
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "db", list)
}

// forbidden is how the API server answers a change of an immutable Secret.
func forbidden(paths ...string) error {
	var list field.ErrorList
	for _, p := range paths {
		if p == "type" {
			list = append(list, field.Invalid(field.NewPath(p), canary, canary))
			continue
		}
		list = append(list, field.Forbidden(field.NewPath(p), canary))
	}
	return apierrors.NewInvalid(schema.GroupKind{Kind: "Secret"}, "db", list)
}

// quota is how the API server answers a Secret that a quota has no room for.
func quota(used, limited string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "db",
		errors.New("exceeded quota: q, requested: count/secrets=1, used: count/secrets="+used+", limited: count/secrets="+limited))
}

func answers() map[string]answer {
	secrets := schema.GroupResource{Resource: "secrets"}
	terminating := apierrors.NewForbidden(secrets, "db", errors.New(canary))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: "NamespaceTerminating", Message: canary, Field: "metadata.namespace"}}
	return map[string]answer{
		"another type together with other data": {forbidden("type", "data"), unseal.ImmutableConflict, "immutable"},
		"an immutable Secret":                   {forbidden("immutable"), unseal.ImmutableConflict, "delete the Secret"},
		"values that do not fit the type":       {invalid("data[.dockerconfigjson]"), unseal.ApplyFailed, "(data[.dockerconfigjson])"},
		"a refusal by policy":                   {apierrors.NewForbidden(secrets, "db", errors.New(canary)), unseal.ApplyFailed, "(Forbidden)"},
		"a webhook with a reason of its own":    {&apierrors.StatusError{ErrStatus: metav1.Status{Code: 403, Reason: canary}}, unseal.ApplyFailed, "(Forbidden)"},
		"a quota":                               {quota("5", "5"), unseal.ApplyFailed, "quota of namespace prod"},
		"a namespace that goes":                 {terminating, unseal.Pending, "namespace prod"},
		"a namespace that is gone":              {apierrors.NewNotFound(schema.GroupResource{Resource: "namespaces"}, "prod"), unseal.Pending, "namespace prod"},
		"a Secret that is too large":            {apierrors.NewRequestEntityTooLargeError(canary), unseal.TooLarge, "size"},
		"no answer at all":                      {errors.New(canary), unseal.ApplyFailed, "(no answer)"},
	}
}

// TestAnswersOfTheAPIServer holds that each answer has its reason and that nothing of its text, which may quote a value, is told.
func TestAnswersOfTheAPIServer(t *testing.T) {
	k := newKey(t, "prod-eu")
	plan := unseal.Decide(input(sealed(t, strict(), k), ringOf(k.part(keyring.Active)))).Plan
	for name, c := range answers() {
		t.Run(name, func(t *testing.T) {
			r := plan.Refused(c.err)
			if r.Reason != c.want || !strings.Contains(r.Error(), c.says) {
				t.Errorf("got %s %q", r.Reason, r.Error())
			}
			if strings.Contains(r.Error(), canary) {
				t.Errorf("it quotes the answer: %q", r.Error())
			}
		})
	}
	if !plan.TypeChanges(invalid("type")) || plan.TypeChanges(invalid("type", "data")) || plan.TypeChanges(answers()["a namespace that goes"].err) || plan.TypeChanges(nil) {
		t.Error("TypeChanges does not tell another type from the rest")
	}
	if !unseal.Conflict(apierrors.NewConflict(schema.GroupResource{Resource: "secrets"}, "db", errors.New(canary))) || unseal.Conflict(invalid("type")) {
		t.Error("Conflict does not tell a conflict from the rest")
	}
}
