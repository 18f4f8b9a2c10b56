//go:build tools

// Package vaultk8s pins the version of Vault's Kubernetes auth, which the small build of Vault that the tests run lacks and loads as
// a plugin.
package vaultk8s

import _ "github.com/hashicorp/vault-plugin-auth-kubernetes/cmd/vault-plugin-auth-kubernetes"
