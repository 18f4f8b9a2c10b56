// Package audit records every operation that touches a key or a value: a durable intent before it, an outcome after it.
//
// The package guarantees that Intent returns only when its record is on stable storage; a caller must not act when Intent has failed.
// Records carry names and ids, never values and never digests of values. It does not yet prove anything about the log: it is a file of JSON lines.
package audit
