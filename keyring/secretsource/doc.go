// Package secretsource keeps the keys of keyrings in Secrets of the controller's namespace: the zero-dependency source `secret`.
//
// Each key is one immutable Secret of type waxwing.io/sealing-key with an age identity file; what changes in a key's life, its state and dates, is in
// annotations. Each keyring has one more immutable Secret, of type waxwing.io/statement-key, with the statement key; the signed recipient set is an
// annotation of it.
//
// The package guarantees that it never overwrites a Secret that it did not make, that every change is a compare-and-set, that a Secret that cannot be
// used hinders no other, and that no error carries the content of one. It reads from the API server each time and keeps nothing in memory. It does not
// protect keys from those who can read Secrets in that namespace or etcd.
package secretsource
