// Package statement is what a keyring says under its statement key: signed notes (C2SP signed-note v1.0.0) with a fixed text form.
//
// docs/statements.md specifies the texts. The package guarantees that a statement is taken only if it verifies under a key that the caller gives,
// and that parsing and writing are inverse to the byte. It does not store keys, and it does not decide which statement key to trust.
package statement
