package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// GroupName is the API group of every kind of Waxwing.
const GroupName = "waxwing.io"

// GroupVersion is the version that this package defines.
func GroupVersion() schema.GroupVersion {
	return schema.GroupVersion{Group: GroupName, Version: "v1alpha1"}
}

// AddToScheme registers the kinds of this package.
func AddToScheme(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion(), &GitSecret{}, &GitSecretList{}, &Keyring{}, &KeyringList{}, &SecretSync{}, &SecretSyncList{})
	metav1.AddToGroupVersion(s, GroupVersion())
	return nil
}
