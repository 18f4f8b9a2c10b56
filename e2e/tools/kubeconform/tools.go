//go:build tools

// Package kubeconform pins the program that holds rendered manifests to the API server's schemas.
package kubeconform

import _ "github.com/yannh/kubeconform/cmd/kubeconform"
