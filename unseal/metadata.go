package unseal

import (
	"maps"
	"slices"
	"strings"

	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metavalidation "k8s.io/apimachinery/pkg/apis/meta/v1/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// FieldManager owns what the controller writes.
const FieldManager = "waxwing-controller"

// checkMetadata holds the template's labels and annotations against the rules, those of the keyrings that open the object included, and against what the API server
// takes.
func checkMetadata(in *Input, p *Plan) *Refusal {
	m := templateMetadata(in.Object.Spec.Template)
	for _, part := range []struct {
		name  string
		texts map[string]string
		check func(map[string]string, *field.Path) field.ErrorList
	}{
		{"labels", m.Labels, metavalidation.ValidateLabels},
		{"annotations", m.Annotations, apivalidation.ValidateAnnotations},
	} {
		path := "template.metadata." + part.name
		for _, key := range slices.Sorted(maps.Keys(part.texts)) {
			if !v1alpha1.TemplateMayCarry(key) && !p.grants(key) {
				return refuse(PolicyDenied, path, "may not set %q: keys with a prefix belong to other controllers", clip(key)).hint(wayOut(key))
			}
		}
		// The API server's own words may quote a value.
		if errs := part.check(part.texts, field.NewPath(part.name)); len(errs) > 0 {
			return refuse(TemplateError, path, "the API server would not take them (%s)", strings.ToLower(string(errs[0].Type)))
		}
	}
	return nil
}

// grants says whether all keyrings whose keys open the object let templates set a label or annotation.
func (p *Plan) grants(key string) bool {
	return len(p.Keys) > 0 && !slices.ContainsFunc(p.Keys, func(use v1alpha1.KeyUse) bool {
		policy, _ := p.permits.ring.Policy(use.Keyring)
		return !v1alpha1.Grants(policy.TemplateMetadata, key)
	})
}

func wayOut(key string) string {
	if v1alpha1.NeverInTemplate(key) {
		return "drop it: no keyring can allow it"
	}
	return "put it on the GitSecret's own metadata, drop it, or list it in spec.templateMetadata of the Keyring"
}

func templateMetadata(t *seal.Template) seal.TemplateMetadata {
	if t == nil || t.Metadata == nil {
		return seal.TemplateMetadata{}
	}
	return *t.Metadata
}

// secretMetadata is what the object's Secret has to carry: the template's metadata, our marks, and the owner unless the Secret is to outlive the object.
func secretMetadata(o *v1alpha1.GitSecret) metav1.ObjectMeta {
	m := templateMetadata(o.Spec.Template)
	labels, annotations := maps.Clone(m.Labels), maps.Clone(m.Annotations)
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	labels[v1alpha1.LabelManagedBy] = v1alpha1.ManagedBy
	annotations[v1alpha1.AnnotationOrigin] = origin(o)
	meta := metav1.ObjectMeta{Namespace: o.Namespace, Name: o.Name, Labels: labels, Annotations: annotations}
	if o.Spec.DeletionPolicy != seal.DeletionRetain {
		yes := true
		meta.OwnerReferences = []metav1.OwnerReference{{
			APIVersion: v1alpha1.GroupVersion().String(), Kind: seal.Kind, Name: o.Name, UID: o.UID, Controller: &yes,
		}}
	}
	return meta
}

// origin is the value of v1alpha1.AnnotationOrigin.
func origin(o *v1alpha1.GitSecret) string { return o.Namespace + "/" + o.Name }
