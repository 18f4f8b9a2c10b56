// Package merge merges three versions of a file of Kubernetes documents that holds GitSecrets, item by item and without a private key.
//
// # What it does
//
// Documents are matched by kind, API group, namespace and name. A GitSecret that both sides changed is merged member by member: an item goes together with
// its envelope, a wrap by its holder, a label by its key. What only one side changed is taken; what both changed differently is a conflict, shown between
// conflict markers around that member's lines, and the envelopes of both candidates stay in the file, so that either choice is a sound object. All other
// documents are merged as text, by a function that the caller gives.
//
// # Guarantees
//
//   - Every GitSecret that is merged without a conflict passes seal.ParseDocument, and means exactly what was decided; so does each choice in a conflict.
//     Where that cannot be had (two scopes, two classes of keys, over the limits) the whole document is the conflict.
//   - An item is in the result, was removed by one side and left alone by the other, or is in a conflict.
//   - Which side is ours decides the layout, the order and the order within conflicts, and nothing else.
//   - Bytes of ours that do not have to change stay. Comments of theirs are merged as text.
//   - A signature stays only where all that it covers (section 11 of docs/format.md) is what one side signed. It is not verified here.
//
// # When a wrap is a later rewrap
//
// A rewrap moves the key ids of the old wrap to wrappedBefore (section 10), so the history of a wrap, keys and wrappedBefore together, only grows. Of two wraps
// of one envelope for one holder, changed on both sides, the one whose history has all of the other's and more is later, and is taken: it was made from the
// other, or went at least as far, and what the other was wrapped for is still in it. Two wraps for the same keys open alike: the one whose age file comes first in
// byte order is taken, with both lists of wrappedBefore. In all other cases neither is known to be later, and the wrap is a conflict. Keys and
// wrappedBefore are claims that nobody can check without a key; but whoever writes false ones could as well have written the merged file.
//
// # What it does not do
//
// It opens and seals nothing, verifies no signature, reads no repository and no clock, and writes no file.
package merge
