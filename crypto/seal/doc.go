// Package seal is the sealed format of Waxwing: the part of a GitSecret that carries ciphertext, how it is made, changed, signed and opened.
//
// docs/format.md specifies it byte by byte; section numbers in this package are sections of that page. The package guarantees that a value opens only
// in the object, the place and under the item name that it was sealed for, that every failure has one outcome word, and that no error, log or printed
// form carries plaintext or key material.
//
// It does not know Kubernetes, does no I/O, has no clock and no random source of its own (age, below it, draws from crypto/rand), and decides nothing
// about trust: which recipients to seal to and which signers to accept is for the caller to say. It builds for js/wasm.
package seal
