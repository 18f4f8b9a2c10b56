// Package sealed keeps private keys in Secrets of the controller's namespace in a form that only a key of Vault's Transit engine opens: sealed keys, the source
// `secret` with `encryptedBy`. It is a secretsource.Custody.
//
// What a Secret has is Transit's ciphertext of the age identity file, or of the statement key. Its associated data say what it is for: purpose, cluster, keyring and the
// whole id of the key. So a Secret that is copied to another keyring or cluster, or put in the place of another, does not open. Everything is decrypted in one request at
// the start and kept in memory; as long as nothing changes there is none. The statement key is decrypted when something is signed.
//
// The package guarantees that it encrypts only with a Transit key that exists, is of type aes256-gcm96 and cannot be read out, that a key that cannot be decrypted hinders
// no other, and that private keys are in memory alone. It does not protect them from those who may decrypt with the Transit key.
package sealed
