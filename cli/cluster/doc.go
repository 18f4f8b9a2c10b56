// Package cluster reads what a keyring publishes (its signed recipient set, from the Keyring's status or from the ConfigMap beside it), and Secrets that
// are to be sealed.
//
// It makes plain GET requests with the user's kubeconfig, as kubectl would, and nothing else: no discovery, no watch, no write. It does not verify
// notes, and it decides nothing about trust. No error of it carries what a Secret holds.
package cluster
