// Package keyuse tells which sealed objects have to do with a key: those that are sealed for it now, and the items whose present value it could ever open.
//
// It is pure: it reads no file, asks no cluster and no clock, and holds no key. It goes by what envelopes say of themselves, the keys of their wraps and wrappedBefore,
// which is the sealer's word, and by what the controller says in a status. Both are shown to people; no access is decided by them. Of each object it keeps
// names and ids, and no ciphertext, so that ten thousand of them fit into little memory.
package keyuse
