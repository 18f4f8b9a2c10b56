package unseal

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/crypto/seal"
)

// Conflict says whether a write was refused because the Secret is not the one that the decision was made for. Nothing is wrong with the object: the caller
// decides again.
func Conflict(err error) bool { return apierrors.IsConflict(err) }

// TypeChanges says whether a write was refused for nothing but another type than the Secret has, which the API server never changes in place.
func (p *Plan) TypeChanges(err error) bool {
	fields := invalidFields(err)
	return len(fields) > 0 && !slices.ContainsFunc(fields, func(f string) bool { return f != "type" })
}

// Refused turns the API server's answer to a write of the Secret into a refusal. It tells the kind of the answer and the fields that it is about, never its
// text, in which the API server or a webhook may quote the Secret.
func (p *Plan) Refused(err error) *Refusal {
	fields := invalidFields(err)
	switch {
	case apierrors.HasStatusCause(err, "NamespaceTerminating"), apierrors.IsNotFound(err):
		return refuse(Pending, "", "namespace %s is being deleted", p.Secret.Namespace)
	case apierrors.IsRequestEntityTooLargeError(err):
		return refuse(TooLarge, "", "the API server takes no Secret of this size")
	case Frozen(err):
		return p.ImmutableRefusal()
	case quotaExhausted(err):
		return refuse(ApplyFailed, "", "a quota of namespace %s has no room for the Secret", p.Secret.Namespace).hint("see kubectl describe resourcequota; it is tried again")
	case len(fields) > 0:
		return refuse(ApplyFailed, "", "the API server finds the Secret invalid (%s)", clip(strings.Join(fields, ", "))).hint("do the values fit the Secret's type?")
	}
	return refuse(ApplyFailed, "", "the API server refused the Secret (%s)", kindOf(err)).hint("it is tried again; the API server's audit log says why")
}

// ImmutableRefusal is the refusal of a change of an immutable Secret.
func (p *Plan) ImmutableRefusal() *Refusal {
	return refuse(ImmutableConflict, "", "the Secret %s is immutable and would have to change", p.Secret.Name).
		hint("delete the Secret; it is written again at once. Or set spec.onImmutable: " + seal.OnImmutableRecreate)
}

// kindOf is what the code of an API error stands for, or a word for the absence of one. The reason is a webhook's own text, if it has given one.
func kindOf(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return "no answer"
	}
	code := int(status.Status().Code)
	return cmp.Or(http.StatusText(code), strconv.Itoa(code))
}

// causes lists what a 422 is about.
func causes(err error) []metav1.StatusCause {
	var status apierrors.APIStatus
	if !apierrors.IsInvalid(err) || !errors.As(err, &status) || status.Status().Details == nil {
		return nil
	}
	return status.Status().Details.Causes
}

// invalidFields lists the fields that a 422 is about; their names come from the Secret's structure and its data keys.
func invalidFields(err error) []string {
	var fields []string
	for _, cause := range causes(err) {
		if !slices.Contains(fields, cause.Field) {
			fields = append(fields, cause.Field)
		}
	}
	return fields
}
