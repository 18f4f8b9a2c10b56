// Package audit records every operation that touches a key or a value: a durable intent before it, an outcome after it.
//
// The package guarantees that Intent returns only when its record is on stable storage; a caller must not act when Intent has failed.
// Records carry names and ids, never values and never digests of values. An intent without an outcome says that the operation may have happened:
// the process died in between, or the caller gave up waiting.
//
// File is the log on disk: JSON lines, one fsync for all records that wait at the same time. It loses no acknowledged record to a crash, leaves no half
// line behind, and when the disk is full or broken it refuses, until the disk takes records again.
//
// The package does not yet prove anything about the log: whoever can write the file can rewrite it. It does not rotate the file, and it does not
// decide what is recorded.
package audit
