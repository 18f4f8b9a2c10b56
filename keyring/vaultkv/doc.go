// Package vaultkv keeps the keys of a keyring in a folder of Vault's key/value store, version 2: the source `vaultKV`.
//
//	PATH/keys/KEYID            keyring, identity (an age identity file), recipient, state, created, activated, since
//	PATH/keys/KEYID-destroyed  what is left of a destroyed key: the same without its identity
//	PATH/statement             keyring, signer, verifier, note, claim
//
// All are texts. Every write is a check-and-set on the version that was read. What is polled are the list and the metadata, which hold no key; data are read where the
// metadata name another version than the one in memory, and of that version.
//
// The package guarantees that it never overwrites what it has not read, that a version that was deleted or destroyed is told, with a way out, and is never taken for a
// key that does not exist, that a key that cannot be used hinders no other, and that no error carries a key. It does not protect keys from those who may read in that
// folder.
package vaultkv
