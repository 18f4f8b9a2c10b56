//go:build tools

// Package vault pins the version of Vault that the tests run against. It is a module of its own, so that nothing of Vault, which is
// under the Business Source License, is among the dependencies of what Waxwing ships.
package vault

import _ "github.com/hashicorp/vault"
