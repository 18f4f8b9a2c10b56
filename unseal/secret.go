package unseal

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
	"github.com/waxwing-io/waxwing/crypto/seal"
)

// checkType refuses the types that are credentials for the cluster itself, and built-in types whose required keys the object does not have.
func checkType(in *Input, p *Plan) *Refusal {
	spec := &in.Object.Spec
	p.Type = spec.Type
	if p.Type == "" {
		p.Type = string(corev1.SecretTypeOpaque)
	}
	switch corev1.SecretType(p.Type) {
	case corev1.SecretTypeServiceAccountToken, corev1.SecretTypeBootstrapToken:
		return refuse(UnsupportedType, "type", "%s is refused: the cluster itself takes it as a credential", p.Type)
	case corev1.SecretTypeTLS:
		return needs(spec, corev1.TLSCertKey, corev1.TLSPrivateKeyKey)
	case corev1.SecretTypeSSHAuth:
		return needs(spec, corev1.SSHAuthPrivateKey)
	case corev1.SecretTypeDockercfg:
		return needsSealed(spec, corev1.DockerConfigKey)
	case corev1.SecretTypeDockerConfigJson:
		return needsSealed(spec, corev1.DockerConfigJsonKey)
	case corev1.SecretTypeBasicAuth:
		// One of the two is enough for the API server.
		if needs(spec, corev1.BasicAuthUsernameKey) != nil && needs(spec, corev1.BasicAuthPasswordKey) != nil {
			return refuse(UnsupportedType, "type", "%s needs the key %s or %s", p.Type, corev1.BasicAuthUsernameKey, corev1.BasicAuthPasswordKey)
		}
	}
	return nil
}

// needsSealed is for a key whose content the API server judges: rendered from a template, its answer would tell a writer of templates something about the values.
func needsSealed(spec *seal.Spec, key string) *Refusal {
	if spec.Template != nil {
		if _, rendered := spec.Template.Data[key]; rendered {
			return refuse(TemplateError, "template.data."+key, "cannot be rendered for the type %s", spec.Type).hint("seal the whole of it as the item " + key)
		}
	}
	return needs(spec, key)
}

func needs(spec *seal.Spec, keys ...string) *Refusal {
	for _, key := range keys {
		_, sealed := spec.Items[key]
		rendered := false
		if spec.Template != nil {
			_, rendered = spec.Template.Data[key]
		}
		if !sealed && !rendered {
			return refuse(UnsupportedType, "type", "%s needs the key %s", spec.Type, key)
		}
	}
	return nil
}

// checkOwner says whose the existing Secret is: ours, free to take, or somebody else's.
func checkOwner(in *Input, p *Plan) *Refusal {
	s, o := in.Secret, in.Object
	if s == nil {
		return nil
	}
	if s.DeletionTimestamp != nil {
		return refuse(Pending, "", "an earlier Secret %s is being deleted", o.Name)
	}
	switch owner := metav1.GetControllerOf(s); {
	case owner == nil && s.Annotations[v1alpha1.AnnotationOrigin] == origin(o):
		return nil
	case owner == nil && s.Annotations[v1alpha1.AnnotationAdopt] == "true":
		p.Adopts = true
		return nil
	case owner == nil:
		return refuse(TargetConflict, "", "a Secret %s exists that was not written from this object", o.Name).
			hint("delete it, or let it be taken over: kubectl annotate secret " + o.Name + " " + v1alpha1.AnnotationAdopt + "=true")
	case owner.UID == o.UID:
		return nil
	case owner.Kind == seal.Kind && owner.Name == o.Name:
		// The object was deleted and made again, and the garbage collector is still to follow.
		return refuse(Pending, "", "the Secret %s of an earlier GitSecret of this name is being deleted", o.Name)
	default:
		return refuse(TargetConflict, "", "the Secret %s belongs to %s %s", o.Name, owner.Kind, clip(owner.Name)).hint("give the object another name")
	}
}

// unchanged says whether the Secret is the one that was written from this generation and still is as it was written, and the keys that opened it may
// still do so. Then nothing needs to be opened, after a restart neither.
func unchanged(in *Input, p *Plan) (Outcome, bool) {
	s, o, ref := in.Secret, in.Object, in.Object.Status.Secret
	if s == nil || ref == nil || ref.Generation != o.Generation || ref.UID != string(s.UID) || !p.openedBy(o.Status.Keys) {
		return Outcome{}, false
	}
	if ref.ResourceVersion != s.ResourceVersion && !p.intact(s) {
		return Outcome{}, false
	}
	return unsealed(len(p.Items), o.Status.Keys, refTo(o, *s, ref.Content)), true
}

// openedBy says whether each envelope was opened by a key that may still open it.
func (p *Plan) openedBy(uses []v1alpha1.KeyUse) bool {
	return !slices.ContainsFunc(p.Keys, func(need v1alpha1.KeyUse) bool {
		return !slices.ContainsFunc(uses, func(u v1alpha1.KeyUse) bool {
			return u.Envelope == need.Envelope && p.permits.obstacle("", u.ID) == none
		})
	})
}

// fields is a set of managed fields, as JSON has it.
type fields map[string]json.RawMessage

func (f fields) at(path ...string) fields {
	for _, step := range path {
		var next fields
		if json.Unmarshal(f[step], &next) != nil {
			return nil
		}
		f = next
	}
	return f
}

// intact says, from the managed fields of a Secret that somebody has changed, that nothing of ours was touched: we still own all that we write, and
// nobody else has written data or a type. (A server-side apply of stringData changes data without owning it, so that counts as well.)
//
// Our entry is an Apply, or an Update where the Secret was created and not applied since. An Update that is younger than the Secret is none of ours: we
// create and apply only. An entry of ours that is younger than all others may be somebody's who goes by our name: it was not changed by anybody else since.
// Who writes managed fields by hand is not found out; nothing but the values would tell.
func (p *Plan) intact(s *metav1.ObjectMeta) bool {
	ours := 0
	var oursAt, theirsAt time.Time
	for _, entry := range s.ManagedFields {
		var f fields
		if entry.FieldsV1 == nil || json.Unmarshal(entry.FieldsV1.GetRawBytes(), &f) != nil {
			return false
		}
		if entry.Manager == FieldManager && entry.Subresource == "" && (entry.Operation == metav1.ManagedFieldsOperationApply || madeWith(s, entry)) {
			if ours++; !p.owns(f) {
				return false
			}
			oursAt = timeOf(entry)
			continue
		}
		for _, name := range []string{"f:data", "f:stringData", "f:type", "f:immutable"} {
			if _, theirs := f[name]; theirs {
				return false
			}
		}
		if at := timeOf(entry); at.After(theirsAt) {
			theirsAt = at
		}
	}
	return ours == 1 && !oursAt.After(theirsAt)
}

func timeOf(entry metav1.ManagedFieldsEntry) time.Time {
	if entry.Time == nil {
		return time.Time{}
	}
	return entry.Time.Time
}

// madeWith says whether the entry is of the request that made the Secret. The API server stamps it before it stamps the Secret.
func madeWith(s *metav1.ObjectMeta, entry metav1.ManagedFieldsEntry) bool {
	return entry.Operation == metav1.ManagedFieldsOperationUpdate && entry.Time != nil && !entry.Time.After(s.CreationTimestamp.Time)
}

// owns says whether f is what applying p leaves us with.
func (p *Plan) owns(f fields) bool {
	data, meta := f.at("f:data"), f.at("f:metadata")
	delete(data, ".") // the map itself, which an Update owns and an Apply does not
	keys := slices.Clone(p.Items)
	for key := range p.programs {
		keys = append(keys, key)
	}
	var owners []string
	for _, ref := range p.Secret.OwnerReferences {
		owners = append(owners, `k:{"uid":"`+string(ref.UID)+`"}`)
	}
	_, typed := f["f:type"]
	_, immutable := f["f:immutable"]
	return typed && immutable == (p.Immutable != nil) && len(data) == len(keys) && has(data, "f:", keys) &&
		has(meta.at("f:labels"), "f:", slices.Collect(maps.Keys(p.Secret.Labels))) && has(meta.at("f:annotations"), "f:", slices.Collect(maps.Keys(p.Secret.Annotations))) &&
		has(meta.at("f:ownerReferences"), "", owners)
}

func has(f fields, prefix string, names []string) bool {
	return !slices.ContainsFunc(names, func(n string) bool { _, ok := f[prefix+n]; return !ok })
}
