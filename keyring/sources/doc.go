// Package sources opens the sources that Keyrings name: Secrets in the clear, sealed keys, Vault's key/value store and Vault's Transit engine. It is what main programs
// wire; nothing else of Waxwing needs to know of all of them, or of Vault.
//
// The same spec of the same keyring gives the same Source, with what that has in memory. Keyrings that reach the same Vault in the same way share one login. What no
// keyring uses any more is closed, and its token given back.
package sources
