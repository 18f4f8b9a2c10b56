// Package vaulttest runs a real Vault for tests, unmodified and built from its Go module, and does to it what an operator, an attacker or an accident would do.
//
// Each Vault is the test's own: raft storage in a folder that goes with the test process, free ports of the loopback, TLS with a private certificate authority
// that is made for it, a file audit device, one unseal key and one root token that only the test process knows. It is ready in a second or two and ends with the
// test, or with the test process however that ends; its plugin for Kubernetes auth then ends by itself after half a minute.
//
// Vault is under the Business Source License. It is a module of its own under e2e/tools/vault, so nothing of it is among the dependencies of what ships.
package vaulttest
