// Package change tells what differs between two versions of a file with GitSecrets: objects, items, who can open them, and the rest by name.
//
// It is pure: it reads no files, asks no clock, and holds no key. It never opens anything, so it cannot tell whether a new ciphertext holds a new value; it
// knows ciphertexts, envelopes and what the envelopes claim about keys. Objects that the format refuses are compared as far as they can be read, and say
// why they are refused. Work and memory are linear in the size of the versions.
package change
