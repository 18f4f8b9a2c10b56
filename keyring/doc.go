// Package keyring is the life of a holder's sealing keys: their states, what a keyring needs next, and the snapshot of keys that values are opened with.
//
// State and Step are the states of NIST SP 800-57 and the steps between them. Decide is a pure function from what a source holds, what is asked of it, who needs the keys and
// the time to the one thing to do next; Manager does it, with an audit intent before each touch of a key and an outcome after it, and publishes the result as an immutable Ring.
//
// The package guarantees that a key is proved (a probe is sealed to it and opened with it) before it becomes active, that at most one key is made active
// even by two controllers at once (the one before it stays active beside it until the new set is published), that none is destroyed of which a use is known unless somebody
// says so, that a recipient set never takes a number that another set had, and that a keyring that fails takes no other away.
// Private keys print nowhere. It does not store keys: sources do (keyring/secretsource). It does not decide whether an object may be opened;
// it says what a keyring allows.
package keyring
