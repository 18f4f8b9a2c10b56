package cli

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	kubeyaml "sigs.k8s.io/yaml"

	"github.com/waxwing-io/waxwing/api/v1alpha1"
)

// fieldManager is how seal is called in managed fields.
const fieldManager = "seal"

// printKeyring prints the Keyring as one writes it.
func printKeyring(env *Env, kr *v1alpha1.Keyring) error {
	clean := &v1alpha1.Keyring{TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion().String(), Kind: "Keyring"}, Spec: kr.Spec}
	clean.Name, clean.Labels, clean.Annotations = kr.Name, kr.Labels, kr.Annotations
	delete(clean.Annotations, "kubectl.kubernetes.io/last-applied-configuration")
	raw, err := json.Marshal(clean)
	if err != nil {
		return err
	}
	var doc map[string]any
	if err := json.Unmarshal(raw, &doc); err != nil {
		return err
	}
	delete(doc, "status")
	delete(doc["metadata"].(map[string]any), "creationTimestamp")
	text, err := kubeyaml.Marshal(doc)
	if err != nil {
		return err
	}
	return env.writeOut(stdinArg, text, 0)
}

// otherOwners are those besides seal who keep a field of the Keyring as they want it, such as a delivery tool, by the managed fields: what is changed there by hand, they change back.
func otherOwners(kr *v1alpha1.Keyring, path ...string) []string {
	owners := map[string]bool{}
	for _, entry := range kr.ManagedFields {
		if entry.Manager == fieldManager || entry.Subresource != "" || entry.FieldsV1 == nil {
			continue
		}
		raw := json.RawMessage(entry.FieldsV1.GetRawBytes())
		for _, name := range path {
			var fields map[string]json.RawMessage
			if json.Unmarshal(raw, &fields) != nil {
				raw = nil
				break
			}
			raw = fields["f:"+name]
		}
		if raw != nil {
			owners[entry.Manager] = true
		}
	}
	return slices.Sorted(maps.Keys(owners))
}

// warnOwners says that what is about to be changed by hand is kept somewhere else.
func warnOwners(env *Env, kr *v1alpha1.Keyring, path ...string) {
	owners := otherOwners(kr, path...)
	if len(owners) == 0 {
		return
	}
	warn(env.Stderr, strings.Join(path, ".")+" of keyring "+kr.Name+" was set by "+some(owners)+", who may set it back")
	message(env.Stderr, "hint: ", "put the change where that comes from, such as Git: --manifest prints the changed Keyring")
}
