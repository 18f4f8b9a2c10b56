// Package v1alpha1 holds the kinds of the API group waxwing.io: types only. The sealed part of a GitSecret is crypto/seal's.
//
// +kubebuilder:object:generate=true
// +groupName=waxwing.io
package v1alpha1
